"""What listening costs a battery in each mode of the noise monitor: estimates, from currents of whole boards with their sources.

Wi-Fi, which costs tens of mA while it is on, is not in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from l3mote.settings import SETTINGS

EVERY = SETTINGS["every"][0]  # seconds, the mode's default
LOUD = 0.05  # share of the windows that wake the network
SETTLE = 0.3  # seconds until an INMP441 gives sound: 2^18 clocks of 1.024 MHz (16 kHz), by its datasheet


@dataclass(frozen=True)
class Currents:
    """mA of a board that computes, waits for samples, or is in light sleep."""

    busy: float
    idle: float
    sleep: float
    source: str


MICROPHONE = Currents(2.2, 2.2, 0.8, "INMP441's datasheet at 3.3 V; standby while its clock stands still")
PICO = "21 waiting and 1.0 to 1.5 asleep were measured on a Pico (MicroPython's issue 8770 and PR 8832); computing: a guess"
S3 = "32 awake was measured on a DevKitM-1 (lucidar.me), 2 asleep on other boards (the chip's datasheet: 0.24); computing: a guess"
CURRENTS = {
    "rp2040": Currents(25, 21, 1.5, PICO),
    "rp2350": Currents(25, 21, 1.5, "guess: the Pico's"),
    "rp2350-riscv": Currents(25, 21, 1.5, "guess: the Pico's"),
    "esp32s3": Currents(60, 32, 2, S3),
    "esp32s3-psram": Currents(60, 32, 2, "guess: as without PSRAM"),
    "esp32c3": Currents(35, 22, 2, "guess: one core where the S3 has two"),
    "esp32c6": Currents(35, 22, 2, "guess: one core where the S3 has two"),
}


def mean(busy: float, awake: float, currents: Currents) -> float:
    """mA on average: busy and awake (which contains busy) are shares of the time, the rest is light sleep."""
    return currents.busy * busy + currents.idle * (awake - busy) + currents.sleep * (1 - awake)


def modes(seconds: float, window: float, hop: float) -> dict[str, tuple[float, float]]:
    """(busy, awake) shares of the time in each mode. seconds: of computing a window; window and hop: in seconds of sound."""
    share = min(1, seconds / hop)
    cycle = SETTLE + window + seconds + EVERY
    return {
        "always": (share, 1),
        f"every {EVERY:g} s": (seconds / cycle, 1 - EVERY / cycle),
        f"wake ({LOUD:.0%} loud)": (share * LOUD, 1),
    }


def per_day(board: str, seconds: float, window: float, hop: float) -> dict:
    """{"mah": by mode, "basis"} of a board of the table."""
    return {
        "mah": {
            mode: 24 * (mean(busy, awake, CURRENTS[board]) + mean(busy, awake, MICROPHONE))
            for mode, (busy, awake) in modes(seconds, window, hop).items()
        },
        "basis": CURRENTS[board].source,
    }
