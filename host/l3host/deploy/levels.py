"""Levels that a board's app measures."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import numpy as np

from l3host.deploy.monitor import events
from l3host.deploy.screen import number
from l3host.errors import L3Error
from l3host.sound.levels import STEADY

LINES = 4  # level lines that have to agree
SECONDS = 120  # to wait for them


@dataclass
class BoardLevels:
    """The LAeq lines of a board, each the mean of the time since the one before. offset: added to each, in dB."""

    offset: float = 0.0
    times: list[float] = field(default_factory=list)  # seconds of the board's clock, at each one's end
    values: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.times[-1] - self.times[0] + self.step if self.times else 0.0

    @property
    def step(self) -> float:
        """Return the seconds between two lines, as most of them have it."""
        return median(b - a for a, b in pairwise(self.times)) if len(self.times) > 1 else 1.0

    @staticmethod
    def mean(values: list[float]) -> float:
        """Return the level of the mean power."""
        return 10 * math.log10(sum(10 ** (value / 10) for value in values) / len(values))

    def exceeded(self, per_cent: float) -> float:
        """Return the level that the lines exceed for this share of the time."""
        return float(np.percentile(self.values, 100 - per_cent))

    def over_time(self, every: float) -> Iterator[dict]:
        """Yield t and LAeq of each `every` seconds that have lines."""
        numbers = [int((t - self.times[0]) // every) for t in self.times]
        for at in dict.fromkeys(numbers):
            values = [value for n, value in zip(numbers, self.values, strict=True) if n == at]
            yield {"t": at * every, "LAeq": round(self.mean(values), 2)}

    def to_json(self) -> dict:
        """Return the figures of all lines. Lmax: of the lines, which are means."""
        figures = {"LAeq": self.mean(self.values), "Lmax": max(self.values)}
        figures |= {f"L{share}": self.exceeded(share) for share in (10, 50, 90)}
        return {"seconds": round(self.seconds, 1), "lines": len(self.values), **{k: round(v, 2) for k, v in figures.items()}}


def of_board(port: str, seconds: float | None, offset: float = 0.0) -> Iterator[BoardLevels]:
    """Yield what a board has measured so far, after each of its level lines, for so many seconds (None: without end).

    Raises L3Error where no line comes within SECONDS.
    """
    levels, begun = BoardLevels(offset), time.monotonic()
    for event in events(port):
        level, t = (number((event or {}).get(name)) for name in ("level", "t"))
        if event and event["event"] == "level" and level is not None and t is not None:
            if levels.times and t < levels.times[-1]:  # it has started anew
                levels = BoardLevels(offset)
            levels.times.append(t)
            levels.values.append(level + offset)
            yield levels
        passed = time.monotonic() - begun
        if not levels.times and passed > SECONDS:
            raise L3Error(f"{port}: no level line in {SECONDS} s: is the app there, with level_every set (--set level_every=1)?")
        if seconds is not None and passed > seconds:
            return


def of_steady_sound(port: str) -> float:
    """Return the level in dB of full scale, unweighted, on which LINES level lines agree. Raises L3Error where they do not."""
    levels: list[float] = []
    end = time.monotonic() + SECONDS
    for event in events(port):
        level = number((event or {}).get("dbfs")) if event and event["event"] == "level" else None
        if level is not None:
            levels.append(level)
            if max(levels[-LINES:]) - min(levels[-LINES:]) <= STEADY and len(levels) >= LINES:
                return median(levels[-LINES:])
        if time.monotonic() > end:
            break
    if len(levels) < LINES:
        raise L3Error(f"{port}: {len(levels)} level lines in {SECONDS} s: is the app there, and level_every short (2)?")
    spread = max(abs(a - b) for a, b in pairwise(levels[-LINES:]))
    raise L3Error(f"{port}: the level varies by {spread:.1f} dB, a calibrator's by {STEADY} at most: hold it on the microphone")
