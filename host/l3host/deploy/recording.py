"""What a board's microphone hears, as WAVs: blocks that it prints, put together, checked for gaps, cut into clips."""

from __future__ import annotations

import base64
import binascii
import contextlib
import math
import time
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l3host import files
from l3host.deploy import remote
from l3host.deploy.links import Link
from l3host.errors import L3Error

FIRST = 20  # seconds in which the first sound must have come, and that a board may take longer than it was asked to record
LOUDEST = 200  # dB that a level can be above or below full scale
RATES = 1000, 200_000  # Hz, of sources and what is made of their sound


class Block(NamedTuple):
    """samples: int16; lost: by the board so far, of its source; level: dB(A) of full scale."""

    samples: np.ndarray
    lost: int
    level: float


def open_stream(link: Link, folder: str, rate: int | None, seconds: float | None) -> tuple[int, Generator[Block | None]]:
    """Return the rate in Hz, and blocks as they come; None twice a second without one. folder: of the version on the board.

    Raises L3Error for an answer that is none, a block that is missing, and a board that gives no sound.
    """
    result = streamed(link, folder, rate, seconds)
    kept = next(item for item in result if item is not None)
    assert isinstance(kept, int)

    def sound() -> Generator[Block | None]:
        with contextlib.closing(result):
            for item in result:
                assert not isinstance(item, int)  # the rate comes once
                yield item

    return kept, sound()


def streamed(link: Link, folder: str, rate: int | None, seconds: float | None) -> Generator[Block | int | None]:
    """What the board says: its rate, then blocks. Raises L3Error as open_stream does."""
    code = f"FOLDER = {folder!r}\nRATE = {rate!r}\nSECONDS = {seconds!r}\n{remote.source('record')}"
    silent, kept, end, heard = 0, 0, None, 0
    asked, start = math.inf if seconds is None else seconds, time.monotonic()
    for line in link.stream(code):
        if time.monotonic() - start > asked + FIRST or heard > (asked + 1) * (kept or 1):
            raise L3Error(f"the board on {link.port} goes on after the {asked:g} s that were asked for; clips saved before stay")
        if not line:
            silent += 1
            if silent > 2 * FIRST:
                raise L3Error(f"no sound from the board on {link.port} for {FIRST} s: is its microphone wired as the settings say?")
            yield None
            continue
        silent, words = 0, line.split()
        try:
            if not kept:
                kept = int(words[0])
                if not RATES[0] <= kept <= RATES[1]:
                    raise ValueError
                yield kept
                continue
            total, lost, level = int(words[0]), int(words[1]), float(words[2])
            if not -LOUDEST <= level <= LOUDEST:
                raise ValueError
            samples = np.frombuffer(base64.b64decode(words[3], validate=True), "<i2")
        except (ValueError, IndexError, binascii.Error):
            raise L3Error(f"the board on {link.port} printed no block of sound: {line[:60]!r}") from None
        gap = 0 if end is None else total - len(samples) - end
        end, heard = total, heard + len(samples)
        yield Block(samples, lost + max(0, gap), level)


class Clips:
    """Writes blocks as WAVs of some seconds to folder/LABEL/TIME.wav. saved: their paths; dropped: clips with lost samples."""

    def __init__(self, folder: Path, rate: int, seconds: float):
        self.folder, self.rate, self.length = folder, rate, round(seconds * rate)
        self.label, self.have = "", 0
        self.parts: list[np.ndarray] = []
        self.lost, self.before = 0, 0
        self.saved: list[Path] = []
        self.dropped = 0

    def switch(self, label: str) -> None:
        """What follows has this label; what was heard before is cut there."""
        self.close()
        self.label = label

    def add(self, block: Block) -> None:
        """Take a block; clips that are full are written."""
        self.lost = block.lost
        left = block.samples
        while len(left):
            part = left[: self.length - self.have]
            self.parts.append(part)
            self.have += len(part)
            left = left[len(part) :]
            if self.have == self.length:
                self.close()

    def close(self) -> None:
        """Write what was heard, unless samples of it were lost or it is one and the same value: a microphone that is not there."""
        samples = np.concatenate(self.parts) if self.parts else np.zeros(0, np.int16)
        whole, self.before, self.parts, self.have = self.lost == self.before, self.lost, [], 0
        if len(samples) < self.rate // 2:
            return
        if not whole:
            self.dropped += 1
            return
        if samples.min() == samples.max():
            raise L3Error(
                "the microphone gives silence, one and the same value: nothing more was saved; check its wires and settings"
            )
        self.saved.append(write(self.folder / self.label, samples, self.rate))


def write(folder: Path, samples: np.ndarray, rate: int, more: str = "") -> Path:
    """A WAV named by the time of day, which no other file there has, and `more`. Raises L3Error (disk full, no permission)."""
    import soundfile

    name, number = datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")[:-3], 1
    path = folder / f"{name}{more}.wav"
    while path.exists():  # two may be written in the same millisecond
        number += 1
        path = folder / f"{name}-{number}{more}.wav"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.replace(path) as temporary:
            soundfile.write(temporary, samples, rate, format="WAV", subtype="PCM_16")
    except (OSError, soundfile.LibsndfileError) as e:
        raise L3Error(f"cannot write {path}: {getattr(e, 'strerror', None) or e}; clips saved before stay") from None
    return path
