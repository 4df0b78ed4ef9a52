"""How far the batches in work are: a small file each, in a folder that all processes see, so that it works on a cluster too."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

FOLDER = ".progress"  # beside the parts
EVERY = 1.0  # seconds between two writings


class Meter:
    """What a batch has done so far, for whoever shows progress; nothing depends on it. number: of the batch."""

    def __init__(self, parts: Path, number: int):
        self.path = parts / FOLDER / str(number)
        self.files, self.seconds, self.written = 0, 0.0, time.monotonic()

    def sound(self, seconds: float) -> None:
        """Count more seconds of sound as done."""
        self.seconds += seconds
        if time.monotonic() - self.written > EVERY:
            self.written = time.monotonic()
            with suppress(OSError):
                self.path.write_text(f"{self.files} {self.seconds:.1f}")

    def close(self) -> None:
        with suppress(OSError):
            self.path.unlink()


def opened(parts: Path) -> None:
    """Make room for meters, without those of an earlier run that was killed."""
    closed(parts)
    (parts / FOLDER).mkdir()


def closed(parts: Path) -> None:
    shutil.rmtree(parts / FOLDER, ignore_errors=True)


def read(parts: Path) -> tuple[int, float]:
    """Return the files and the seconds of sound that the batches in work have done."""
    files, seconds = 0, 0.0
    for path in (parts / FOLDER).glob("*"):
        with suppress(OSError, ValueError):  # it is gone, or being written
            some, lasted = path.read_text().split()
            files, seconds = files + int(some), seconds + float(lasted)
    return files, seconds
