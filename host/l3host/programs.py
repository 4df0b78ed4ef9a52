"""Where the parts that runtimes are made of lie: programs, npm packages, and what `make emulators` built."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def venv_tool(name: str) -> str | None:
    """A program beside this Python, or on the PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def npm_package(name: str) -> Path | None:
    """An npm package's folder, in node_modules of the environment or of the working folder."""
    candidates = [root / "node_modules" / name for root in (Path(sys.prefix), Path.cwd())]
    return next((p for p in candidates if (p / "package.json").exists()), None)


def emulators() -> Path:
    """The folder of `make emulators`, which may not be there: L3_EMULATORS, or emulators/ in the environment."""
    return Path(os.environ.get("L3_EMULATORS") or Path(sys.prefix, "emulators"))
