"""The native module's C under sanitizers (native/fuzz.c): built once, run with any seed."""

import shutil
import subprocess
import sys
from pathlib import Path

from support import ROOT

NATIVE = ROOT / "device" / "native"
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{NATIVE}", f"-I{NATIVE / 'include'}"]


def possible() -> bool:
    return bool(shutil.which("gcc")) and sys.platform == "linux"


def build(folder: Path) -> Path:
    """The program."""
    program = folder / "fuzz"
    flags = [*WARNINGS, "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    files = [NATIVE / name for name in ("conv.c", "decode.c", "planes.c", "mel.c", "capture.c", "portable/arch.c")]
    subprocess.run(["gcc", *flags, ROOT / "tests" / "native" / "fuzz.c", *files, "-o", program], check=True)
    return program


def run(program: Path, rounds: int, seed: int = 1) -> list[int]:
    """How many calls of each group passed the checks. AssertionError with a sanitizer's report."""
    done = subprocess.run([program, str(rounds), str(seed)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [int(n) for n in done.stdout.split()]
