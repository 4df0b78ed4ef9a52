"""A level that a board's app measures."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

from l3host.deploy.monitor import events
from l3host.deploy.screen import number
from l3host.errors import L3Error
from l3host.sound.levels import STEADY

LINES = 4  # level lines that have to agree
SECONDS = 120  # to wait for them


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
