"""The tests under tests/device/, which pytest runs in CPython, once more in every MicroPython there is."""

import os
import re
import shutil

import pytest
from make_small import PATH, data
from support import ROOT, runtime_of

from l3host.emulate import runtimes
from l3host.package.library import SOURCE, copy_library

HERE = ROOT / "tests" / "device"


def test_small_model_is_what_make_small_makes():
    assert PATH.read_bytes() == data()


@pytest.mark.parametrize("name", ["unix", "wasm", os.environ.get("MICROPYTHON", "MICROPYTHON")])
def test_in_micropython(name, tmp_path):
    if name == "MICROPYTHON":
        pytest.skip("set MICROPYTHON=/path/to/micropython to run the device tests there too")
    runtime = runtime_of(name)
    folder, library = tmp_path / "device", tmp_path / "lib"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    library.mkdir()
    copy_library(library)
    done = runtimes.execute(runtime, folder / "run.py", library, folder)
    lines = done.stdout.strip().splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines[-1].endswith("passed, 0 failed on micropython")
    written = "\n".join(f.read_text() for f in HERE.glob("test_*.py"))
    assert len(lines) - 1 == written.count("\ndef test_")


def test_counters_wrap_on_a_cortex_m3(tmp_path):
    """With integers of 31 and floats of 32 bits."""
    folder, library = tmp_path / "device", tmp_path / "lib"
    folder.mkdir()
    library.mkdir()
    copy_library(library)
    for name in ("where.py", "helpers.py", "test_wraps.py"):
        shutil.copy(HERE / name, folder)
    only = re.sub(r"MODULES = \(.*?\)", 'MODULES = ("test_wraps",)', (HERE / "run.py").read_text(), flags=re.DOTALL)
    (folder / "run.py").write_text(only)
    done = runtimes.execute(runtime_of("qemu"), folder / "run.py", library, folder)
    assert done.returncode == 0 and done.stdout.endswith("6 passed, 0 failed on micropython\n"), done.stdout + done.stderr


def test_a_failing_device_test_fails_the_run(tmp_path):
    folder = tmp_path / "device"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "test_values.py").write_text("def test_wrong():\n    assert 1 == 2\n")
    done = runtimes.execute(runtime_of("unix"), folder / "run.py", SOURCE.parent, folder)
    assert done.returncode == 1 and "FAILED test_values.test_wrong" in done.stdout
