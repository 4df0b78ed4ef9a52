"""Estimates of what listening costs a battery in each mode of the noise monitor, from currents of whole boards with their sources.

Wi-Fi, which costs tens of mA while it is on, is not in them.
"""

from __future__ import annotations

from typing import TypedDict

from l3host.boards.table import BOARDS, Currents
from l3mote.settings import SETTINGS

EVERY = SETTINGS["every"][0]  # seconds, the mode's default
LOUD = 0.05  # share of the windows that wake the network
SETTLE = 0.3  # seconds until an INMP441 gives sound: 2^18 clocks of 1.024 MHz (16 kHz), by its datasheet
MICROPHONE = Currents(2.2, 2.2, 0.8, "INMP441's datasheet at 3.3 V; standby while its clock stands still")


class PerDay(TypedDict):
    mah: dict[str, float]  # by mode
    basis: str


def mean(busy: float, awake: float, currents: Currents) -> float:
    """Return the average mA: busy and awake (which contains busy) are shares of the time, the rest is light sleep."""
    return currents.busy * busy + currents.idle * (awake - busy) + currents.sleep * (1 - awake)


def modes(seconds: float, window: float, hop: float, windows: int = 1) -> dict[str, tuple[float, float]]:
    """Return (busy, awake) shares of the time in each mode.

    seconds: of computing a window; window and hop: in seconds of sound; windows: of an answer.
    """
    share = min(1, seconds / hop)
    cycle = SETTLE + window + (windows - 1) * max(hop, seconds) + seconds + EVERY
    return {
        "always": (share, 1),
        f"every {EVERY:g} s": (windows * seconds / cycle, 1 - EVERY / cycle),
        f"wake ({LOUD:.0%} loud)": (share * LOUD, 1),
    }


def per_day(board: str, seconds: float, window: float, hop: float, windows: int = 1) -> PerDay:
    """Return what a board of the table takes in each mode; arguments as modes() has them."""
    currents = BOARDS[board].currents
    return {
        "mah": {
            mode: 24 * (mean(busy, awake, currents) + mean(busy, awake, MICROPHONE))
            for mode, (busy, awake) in modes(seconds, window, hop, windows).items()
        },
        "basis": currents.source,
    }
