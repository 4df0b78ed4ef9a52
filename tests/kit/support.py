"""Skips with a reason on a user's machine; under L3_REQUIRE=all (CI) a missing part is a failure, ../shared/ aside."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
SCRIPTS = ROOT / "tests" / "micropython_scripts"
KIT = ROOT / "tests" / "kit"  # what a subprocess puts on its path

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # what a shell starts in the background; our children would not hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


def require(condition, reason):
    """Skip the test with this reason unless the condition holds; fail it where everything is required."""
    if condition:
        return
    if os.environ.get("L3_REQUIRE") == "all":
        pytest.fail(f"L3_REQUIRE=all, but {reason}")
    pytest.skip(reason, allow_module_level=True)


def shared(relative):
    """A path under ../shared/, which only the project's own machines have."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"../shared/{relative} is not here")
    return path


def runtime_of(name):
    """The runtime of this name or path, whose absence skips or fails the test as require() does."""
    from l3host.emulate import runtimes
    from l3host.errors import L3Error

    try:
        return runtimes.find(name)
    except L3Error as e:
        require(False, str(e))


def micropython(code, path=ROOT / "device"):
    """What a line of code prints in the unix port, with `path` to import from."""
    program = runtime_of("unix").where
    environment = {"MICROPYPATH": f"{path}:.frozen"}
    done = subprocess.run([program, "-X", "heapsize=4m", "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
