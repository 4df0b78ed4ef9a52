"""Skips with a reason on a user's machine; under L3_REQUIRE=all (CI) a missing part is a failure, ../shared/ aside."""

import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

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
