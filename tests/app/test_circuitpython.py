"""CircuitPython is in no package, so this is how the device code is checked for it: its imports, and a type checker over PyPI's
circuitpython-stubs (ulab's are among them)."""

import ast
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from support import require

import l3mote

PACKAGE = Path(l3mote.__file__).parent
MODULES = {"array", "binascii", "gc", "json", "math", "os", "struct", "sys", "time", "ulab", "l3mote", "alarm", "machine"}
STAND_IN = {("kernels/ulab.py", "numpy")}  # only reached on CPython
OWN = {"mic_circuitpython.py": {"audiobusio", "audioi2sin", "board"}, "watchdog.py": {"microcontroller", "watchdog"}}  # CircuitPython's, where the board has them

# What CircuitPython's ulab has and its stubs do not list (they lag behind ulab's own documentation), and what only the NumPy
# stand-in needs. Anything else that the stubs do not know is an error.
NOT_IN_STUBS = {"frombuffer", "bitwise_and", "right_shift", "left_shift", "itemsize", "scratchpad", "out", "convolve"}
NUMPY_ONLY = {"float32", "abs", "fft"}

# viper, native code, machine.I2S and sockets are MicroPython's only: kernels.choose, mic.open_source and the app pass over them
MICROPYTHON_ONLY = {"viper.py", "native.py", "capture_viper.py", "capture_native.py", "mic_machine.py", "mqtt.py", "mqtt_packets.py"}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name not in MICROPYTHON_ONLY)


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_imports_only_what_every_board_has(path):
    for name in imported(ast.parse(path.read_text())):
        assert name in MODULES | OWN.get(path.name, set()) or (str(path.relative_to(PACKAGE)), name) in STAND_IN


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_no_syntax_or_method_that_circuitpython_lacks(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, (ast.AsyncFunctionDef, ast.Match, ast.NamedExpr)), f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Call):
            assert not (isinstance(node.func, ast.Name) and node.func.id == "zip" and node.keywords), path.name
        if isinstance(node, ast.Attribute):  # memoryview.cast, dataclasses and friends
            assert node.attr not in {"cast", "fromhex", "removeprefix", "removesuffix"}, f"{path.name}:{node.lineno}"


def test_the_type_checker_knows_every_name_it_uses(tmp_path):
    try:
        version("circuitpython-stubs")
        version("mypy")
    except PackageNotFoundError as e:
        require(False, f"{e.name} is not installed: pip install 'l3mote[dev]'")
    # unannotated code and unions in ulab's stubs make noise in these; what counts is unknown names, arguments and modules
    noise = ["operator", "index", "arg-type", "assignment", "no-redef", "call-overload"]
    command = [sys.executable, "-m", "mypy", "--check-untyped-defs", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    command += [f"--disable-error-code={code}" for code in noise]
    done = subprocess.run([*command, *map(str, FILES)], capture_output=True, text=True)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    unknown = [e for e in errors if not allowed(e)]
    assert not unknown, "\n".join(unknown)
    assert any("frombuffer" in e for e in errors), f"the stubs were not read: {done.stdout}{done.stderr}"


def allowed(error):
    if 'named "machine"' in error:
        return True  # tried on MicroPython, imported nowhere else
    name = re.search(r'"(\w+)"(?:  \[attr-defined\]| for |  \[call-arg\])', error)
    if '"Integer' in error:
        return True  # methods that its subclasses, in viper.py and native.py, bring
    if "capture_ulab.py" in error and 'no attribute "signal"' in error:
        return True  # the stubs say that ulab.scipy is there, not what is in it
    if "HeapError" in error and '"missing"' in error:
        return True  # set on the instance: MicroPython's exceptions have no __init__ to override
    return bool(name) and "ulab.py" in error and name.group(1) in NOT_IN_STUBS | NUMPY_ONLY
