"""The boards that we know: a row each, with its sources."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Currents:
    """mA of a board that computes, waits for samples, or is in light sleep."""

    busy: float
    idle: float
    sleep: float
    source: str


@dataclass(frozen=True)
class Board:
    heap: int  # bytes of gc.mem_free() at the prompt of stock MicroPython
    hertz: int
    source: str  # of both
    currents: Currents


PICO = "21 waiting and 1.0 to 1.5 asleep were measured on a Pico (MicroPython's issue 8770 and PR 8832); computing: a guess"
S3 = "32 awake was measured on a DevKitM-1 (lucidar.me), 2 asleep on other boards (the chip's datasheet: 0.24); computing: a guess"

BOARDS = {
    "rp2040": Board(
        240_000, 125_000_000, "measured: RPI_PICO firmware 1.25 on an emulated RP2040", Currents(25, 21, 1.5, PICO)
    ),
    "rp2350": Board(
        480_000, 150_000_000, "guess: 520 kB of SRAM less the firmware's own", Currents(25, 21, 1.5, "guess: the Pico's")
    ),
    "esp32s3": Board(
        220_000, 240_000_000, "guess: 512 kB of SRAM less ESP-IDF's own; varies with Wi-Fi", Currents(60, 32, 2, S3)
    ),
    "esp32s3-psram": Board(
        8_000_000, 240_000_000, "guess: 8 MB of PSRAM less a few buffers", Currents(60, 32, 2, "guess: as without PSRAM")
    ),
}
