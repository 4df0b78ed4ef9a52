"""The device package as a board gets it."""

from __future__ import annotations

import shutil
from pathlib import Path

import l3mote

SOURCE = Path(l3mote.__file__).parent


def copy_library(to: Path) -> None:
    """The device package as a board gets it: /lib/l3mote."""
    shutil.copytree(SOURCE, to / "l3mote", ignore=shutil.ignore_patterns("__pycache__", "*.json"))
