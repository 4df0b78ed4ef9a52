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
class Memory:
    """Of a heap outside the chip, behind a data cache (l3mote.kernels.parts.NEAR): what moving its bytes costs."""

    name: str
    bytes_per_second: float
    source: str


@dataclass(frozen=True)
class Board:
    arch: str  # of native code, as kernels.ARCHITECTURES calls it
    heap: int  # bytes of gc.mem_free() at the prompt of stock MicroPython
    hertz: int
    source: str  # of both
    currents: Currents
    clocks: tuple[int, ...]  # MHz that machine.freq takes and USB and Wi-Fi work at, the firmware's own last
    core: str | None = None  # the runtime in QEMU that is most like its core
    memory: Memory | None = None  # of the heap, where it is not the chip's own; None: moving bytes costs nothing
    larger: str | None = None  # the same board with more memory


PICO = "21 waiting and 1.0 to 1.5 asleep were measured on a Pico (MicroPython's issue 8770 and PR 8832); computing: a guess"
S3 = "32 awake was measured on a DevKitM-1 (lucidar.me), 2 asleep on other boards (the chip's datasheet: 0.24); computing: a guess"
# USB needs 48 MHz on RP2, and more than that only quotients of its PLL; an ESP32's Wi-Fi needs 80.
RP2040, RP2350, ESP32 = (48, 72, 96, 125), (48, 72, 96, 125, 150), (80, 160)
ONE_CORE = "guess: one core where the S3 has two"

# All of MicroPython's heap stands in PSRAM where there is one: its build for ESP32 has CONFIG_SPIRAM_USE_MALLOC, and only pieces of
# up to 8 kB come from the chip.
PSRAM = Memory("PSRAM", 50e6, "guess: 40 to 60 MB/s")

BOARDS = {
    "rp2040": Board(
        "armv6m", 240_000, 125_000_000, "measured: RPI_PICO firmware 1.25 on an emulated RP2040",
        Currents(25, 21, 1.5, PICO), RP2040,
    ),
    "rp2350": Board(
        "armv7emsp", 480_000, 150_000_000, "guess: 520 kB of SRAM less the firmware's own",
        Currents(25, 21, 1.5, "guess: the Pico's"), RP2350, "m33",
    ),
    "rp2350-riscv": Board(
        "rv32imc", 480_000, 150_000_000, "guess: as with its ARM cores", Currents(25, 21, 1.5, "guess: the Pico's"), RP2350, "rv32"
    ),
    "esp32s3": Board(
        "xtensawin", 220_000, 240_000_000, "guess: 512 kB of SRAM less ESP-IDF's own; varies with Wi-Fi",
        Currents(60, 32, 2, S3), (*ESP32, 240), "lx7", larger="esp32s3-psram",
    ),
    "esp32s3-psram": Board(
        "xtensawin", 8_000_000, 240_000_000, "guess: 8 MB of PSRAM less a few buffers",
        Currents(60, 32, 2, "guess: as without PSRAM"), (*ESP32, 240), "lx7", PSRAM,
    ),
    "esp32c3": Board(
        "rv32imc", 170_000, 160_000_000, "guess: 400 kB of SRAM less ESP-IDF's own; varies with Wi-Fi",
        Currents(35, 22, 2, ONE_CORE), ESP32, "rv32",
    ),
    "esp32c6": Board(
        "rv32imc", 250_000, 160_000_000, "guess: 512 kB of SRAM less ESP-IDF's own; varies with Wi-Fi",
        Currents(35, 22, 2, ONE_CORE), ESP32, "rv32",
    ),
}  # fmt: skip

# Kernels that a firmware can load, besides those whose native module a board lacks (estimates.loadable).
FIRMWARE = {
    "MicroPython": ("native", "viper", "python"),
    "MicroPython with ulab": ("native", "viper", "ulab", "python"),
    "CircuitPython": ("ulab", "python"),
}
