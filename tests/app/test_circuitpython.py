"""CircuitPython is in no package. So MicroPython + ulab, without what CircuitPython's boards lack (circuitpython_modules.py), runs
the device code; and a type checker reads it with PyPI's circuitpython-stubs (ulab's are among them)."""

import ast
import json
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
from support import ROOT, SCRIPTS, require, runtime_of
from ten import TEN

import l3mote
from l3host.emulate import emulate, runtimes
from l3host.l3m.load import load_graph
from l3host.reference import listening
from l3host.sound import audio, synth
from l3host.sound.resampling import resample

SOUNDS = ("rain", "chainsaw", "rain")
PRELUDE = SCRIPTS / "circuitpython_modules.py"
TABLE = runpy.run_path(str(PRELUDE))
PACKAGE = Path(l3mote.__file__).parent
MODULES = {"array", "binascii", "errno", "gc", "json", "math", "os", "struct", "sys", "time", "ulab", "l3mote", "alarm", "machine"}
STAND_IN = {("kernels/ulab.py", "numpy"), ("utc.py", "ntptime")}  # only reached on CPython, and MicroPython
LIBRARIES = {"adafruit_minimqtt", "adafruit_ntp"}  # that circup brings
OWN = {  # CircuitPython's, where the board has them
    "mic_circuitpython.py": {"audiobusio", "audioi2sin", "board"},
    "watchdog.py": {"microcontroller", "watchdog"},
    "mqtt.py": {"microcontroller"},
    "signature.py": {"hashlib"},
    "circuitpython_net.py": {"ssl", "socketpool", "wifi", "rtc", *LIBRARIES},
}

# viper, native code, what both have in common, machine.I2S and sockets are MicroPython's only: kernels.candidates, mic.open_source
# and the app pass over them
MICROPYTHON_ONLY = {
    "viper.py", "native.py", "integer.py", "loops.py", "capture_viper.py", "capture_native.py", "mic_machine.py", "mqtt_client.py",
    "mqtt_packets.py",
}  # fmt: skip
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name not in MICROPYTHON_ONLY)
CLASSES = {node.name for path in FILES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)}


# what runs


@pytest.fixture
def circuitpython(tmp_path, monkeypatch):
    """The runtime `circuitpython`."""
    wasm = runtime_of("wasm")

    def command(script, library, folder, heap):
        both = tmp_path / "both.py"
        both.write_text(PRELUDE.read_text() + "\n" + script.read_text())
        return wasm.command(both, library, folder, heap)

    runtime = replace(wasm, name="circuitpython", command=command)
    monkeypatch.setitem(runtimes.RUNTIMES, "circuitpython", lambda: runtime)
    return runtime


def run(runtime, tmp_path, script, files=()):
    folder = tmp_path / "job"
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    done = runtimes.execute(runtime, script, ROOT / "device", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


LACKS = """
def refused(code, error):
    try:
        exec(code)
    except error:
        return True

def work(folder):
    for code in ("import math; math.log10(1)", "import sys; sys.print_exception", "import gc; gc.threshold",
                 "import time; time.ticks_ms", "from ulab import numpy; numpy.take"):
        assert refused(code, AttributeError), code
    assert refused("from ulab import utils, numpy; utils.spectrogram(numpy.zeros(4), out=numpy.zeros(4))", TypeError)
    assert refused("from machine import lightsleep", ImportError)
    assert sys.implementation.name == "circuitpython"
    yield
"""


def test_the_runtime_lacks_what_boards_lack(circuitpython, tmp_path):
    script = tmp_path / "lacks.py"
    script.write_text(LACKS)
    run(circuitpython, tmp_path, script)


def test_the_device_tests_pass(circuitpython, tmp_path):
    device = ROOT / "tests" / "device"
    lines = run(circuitpython, tmp_path, device / "run.py", [f for f in device.iterdir() if f.is_file()]).strip().splitlines()
    assert lines[-1].endswith("passed, 0 failed on circuitpython")
    written = "\n".join(f.read_text() for f in device.glob("test_*.py"))
    assert len(lines) - 1 == written.count("\ndef test_")


def test_the_shipped_model_equals_the_reference_layer_by_layer(circuitpython):
    rain = audio.to_pcm(resample(synth.sound("rain", 2.0), synth.RATE, 8000))[None]
    emulation = emulate(TEN, rain, "circuitpython")
    assert emulation.ok, emulation.first_failure
    facts = emulation.to_json()
    assert facts["kernel"] == "ulab" and facts["selftest"]["ok"] and facts["labels"] == ["rain"]
    assert emulation.facts["implementation"] == "circuitpython"


def test_code_py_hears_what_the_reference_hears(circuitpython, tmp_path):
    played = [synth.sound(name) for name in (*SOUNDS, SOUNDS[-1])]  # the last one goes on until it was heard
    pcm = audio.to_pcm(resample(np.concatenate(played), synth.RATE, 16000))
    pcm.tofile(tmp_path / "sound.raw")
    settings = {"sck": "GP16", "ws": "GP17", "sd": "GP18", "level_every": 0}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    shutil.copy(TEN, tmp_path / "model.l3m")
    names = [tmp_path / name for name in ("sound.raw", "settings.json", "model.l3m")] + [ROOT / "device/examples/code.py"]
    run(circuitpython, tmp_path, SCRIPTS / "circuitpython_code.py", names)
    lines = [json.loads(line) for line in (tmp_path / "job" / "lines.jsonl").read_text().splitlines()]
    assert lines[0]["label"] == "listening" and lines[0]["kernel"] == "ulab", lines
    result = [line for line in lines if line["event"] != "status"]
    graph = load_graph(TEN)
    graph.fixed = None
    skipped = lines[0]["hop"]  # the microphone's first 0.3 s are in the first window
    expected = listening.listen(graph, pcm[int(skipped * 16000) :], 16000)
    assert [e["label"] for e in expected if e["event"] == "start"] == list(SOUNDS)
    for line, event in zip(result, expected, strict=False):
        assert (line["event"], line["label"]) == (event["event"], event["label"]), lines
        assert line["t"] == pytest.approx(event["t"] + skipped, abs=2e-3)
        assert line["score"] == pytest.approx(event["score"], abs=1e-3)  # ulab's samples are within 1 of the integers'
    assert len(result) >= len(expected) - 1  # the last sound ends with the recording, which ends with Ctrl-C


# what is read


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


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_no_name_of_math_that_boards_lack(path):
    """A type checker reads CPython's."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "math":
            assert node.attr in TABLE["HAS"]["math"].split(), f"{path.name}:{node.lineno}"


def test_the_type_checker_knows_every_name_it_uses(tmp_path):
    try:
        version("circuitpython-stubs")
        version("mypy")
    except PackageNotFoundError as e:
        require(False, f"{e.name} is not installed: pip install 'l3mote[dev]'")
    # unannotated code and unions in ulab's stubs make noise in these; what counts is unknown names, arguments and modules
    noise = ["operator", "index", "arg-type", "assignment", "no-redef", "call-overload", "misc", "union-attr"]
    command = [sys.executable, "-m", "mypy", "--check-untyped-defs", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    command += [f"--disable-error-code={code}" for code in noise]
    done = subprocess.run([*command, *map(str, FILES)], capture_output=True, text=True)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    unknown = [e for e in errors if not on_boards(e)]
    assert not unknown, "\n".join(unknown)
    assert any("frombuffer" in e for e in errors), f"the stubs were not read: {done.stdout}{done.stderr}"


def on_boards(error):
    """Is it about a name that boards have by the table and the stubs do not list, about a module that the runtime takes away, or
    about a class of ours, one half of which uses what another has?
    """
    has = TABLE["HAS"]
    names = {*has["ulab.numpy"].split(), *has["ulab.scipy"].split(), *has["gc"].split(), *TABLE["ATTRIBUTES"]}
    attribute = re.search(r'(?:Module|"ndarray") has no attribute "(\w+)"', error)
    ours = re.search(r'error: "(\w+)" has no attribute', error)
    module = re.search(r'(?:stub for module named|Skipping analyzing) "(\w+)', error)
    return (
        bool(attribute and attribute[1] in names)
        or bool(module and module[1] in {*TABLE["NOT_THERE"], *LIBRARIES, "ntptime"})
        or bool(ours and ours[1] in CLASSES)
        or "l3mote/ticks.py" in error  # which takes MicroPython's where they are
    )
