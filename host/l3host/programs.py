"""Paths of what runtimes consist of: programs, npm packages, and the files of `make emulators`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def venv_tool(name: str) -> str | None:
    """Return a program beside this Python, or on the PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def npm_package(name: str) -> Path | None:
    """Return an npm package's folder, in node_modules of the environment or of the working folder."""
    candidates = [root / "node_modules" / name for root in (Path(sys.prefix), Path.cwd())]
    return next((p for p in candidates if (p / "package.json").exists()), None)


def emulators() -> Path:
    """Return the folder of `make emulators`, which may not exist: L3_EMULATORS, or emulators/ in the environment."""
    return Path(os.environ.get("L3_EMULATORS") or Path(sys.prefix, "emulators"))
