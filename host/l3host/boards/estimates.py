"""What a model costs on a board, in heap and seconds. Times are estimates and name their basis."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, TypedDict

import l3mote
from l3host.boards import energy
from l3host.boards.table import BOARDS, FIRMWARE
from l3host.boards.traffic import macs_in_lists, moved
from l3mote.format import CONV
from l3mote.kernels import FIXED, first_that_fits, integer, preferred, python, ulab
from l3mote.limits import possible_hop
from l3mote.listener import hearings
from l3mote.memory import HeapError
from l3mote.model import buffer_heap
from l3mote.plan import Plan, lowest, plan
from l3mote.reader import Reader

# Heap that package, native kernel and a model's tables take, precompiled: 66.4 kB measured on the emulated RP2040, and holes.
PACKAGE_BYTES = 69_000
# The same with a float kernel: 33 + 17 kB measured in 32-bit MicroPython + ulab and CircuitPython on a PC, from sources.
FLOAT_PACKAGE_BYTES = 50_000
# What the listening app takes besides its ring, at least: 9 kB of modules before the model, 8 after it, 9 with a microphone's
# driver, 3 kept for files; and the holes between them, which the model's buffers do not fit into. Measured on the emulated RP2040:
# of 168 kB at the prompt (166 to a deployment's probe) the smallest plan listens, of less none was seen to.
APP_BYTES = 38_000
MQTT_BYTES = 24_000  # of which 15,000 stay once a connection has begun
TLS_BYTES = (
    36_000  # the same for TLS: 34,000 measured in the unix port (64 bits), of which 28,000 stay; most are buffers of 16 and 4 kB
)

STOCK = "MicroPython"

# (cycles a multiply-accumulate, cycles a frame of 1,024 samples of the front-end, basis), of a board or of its core in the table
_COUNTED = "instructions of the shipped model and of a pruned layer counted on {} in QEMU, one a cycle assumed: no caches or flash"
_M33, _RV32, _LX7 = (_COUNTED.format(core) for core in ("a Cortex-M33", "a RISC-V core", "an emulated LX7"))
COSTS: dict[str, dict[str | None, tuple[float, float, str]]] = {
    "native": {
        "rp2040": (4.53, 237_500, "emulated RP2040 (a cycle model, no flash stalls), shipped model; BENCHMARKS.md"),
        "m33": (1.41, 151_000, _M33),
        "rv32": (3.55, 178_000, _RV32),
        "lx7": (2.44, 182_000, _LX7),
    },
    "viper": {
        "rp2040": (33.4, 2_640_000, "emulated RP2040 (a cycle model, no flash stalls), shipped model; BENCHMARKS.md"),
        "m33": (18.9, 1_640_000, _M33),
        "rv32": (16.9, 2_810_000, _RV32),
        "lx7": (18.2, 1_580_000, _LX7),
    },
    "ulab": {
        "rp2040": (260, 7_400_000, "emulated RP2040: ulab dot 260 cycles a MAC, FFT 6.9 M"),
        "rv32": (260, 7_400_000, "guess: the RP2040's cycles, for there is no FPU either"),
        None: (20, 400_000, "guess: single-precision FPU, no measurement"),
    },
    "python": {None: (5_000, 100_000_000, "guess: interpreted, 270 ns a MAC on a PC")},
}

BUSY = 0.6  # share of the time that windows may take: the rest is for capture, log, MQTT and collections

# The same of a multiply-accumulate whose weight stands in a list: the layer 32->32, 32x25 at 10 % of BENCHMARKS.md.
IN_LISTS = {"rp2040": 5.18, "m33": 2.43, "rv32": 4.19, "lx7": 4.05}


class Buffer(TypedDict):
    name: str
    bytes: int  # 0: shares another buffer's memory


class Fit(TypedDict):
    """Whether a model fits a heap; sizes in bytes. The plan's figures are given only if it does."""

    fits: bool
    heap_free: int
    heap_needed: int
    missing: int
    kernel: NotRequired[str]
    heap_peak: NotRequired[int]
    buffers: NotRequired[list[Buffer]]
    flash_bytes_read: NotRequired[int]
    tiles: NotRequired[int]
    passes: NotRequired[int]
    macs: NotRequired[int]
    macs_in_lists: NotRequired[int]  # of them, those of pruned layers
    plane_bytes_moved: NotRequired[int]  # between memory and cache, which costs time where the heap is outside the chip


class Estimate(TypedDict):
    seconds: float
    basis: str


class OnBoard(Fit):
    """A model on a board or in a heap. listening: with the app, for a classifier; estimates: for boards that it fits.

    firmware: the same with each firmware of the table.
    """

    firmware: NotRequired[dict[str, OnBoard]]
    listening: NotRequired[Fit]
    source: NotRequired[str]
    seconds_estimate: NotRequired[dict[str, Estimate]]  # by kernel
    per_day_estimate: NotRequired[energy.PerDay]
    lowest_clock_estimate: NotRequired[int]  # MHz, for the setting freq; only where it is below the firmware's own
    frontend_share: NotRequired[float]  # of the time that sound takes, what its log-mel takes: from 1 on, sound is lost


def estimate_seconds(kernel: str, board: str, macs: int, reader: Reader, in_lists: int = 0) -> tuple[float, str]:
    """Return the seconds a window and the basis of the estimate. board may be a name of BOARDS."""
    table = COSTS[kernel]
    per_mac, per_frame, basis = table.get(board) or table.get(BOARDS[board].core) or table[None]
    fe = reader.frontend
    per_listed = IN_LISTS.get(board, IN_LISTS.get(BOARDS[board].core or "", per_mac)) if kernel == "native" else per_mac
    cycles = (macs - in_lists) * per_mac + in_lists * per_listed + fe.frames * per_frame * fe.n_fft / 1024
    return cycles / BOARDS[board].hertz, basis


def frontend_share(kernel: str, board: str, reader: Reader) -> float:
    """Return what share of the time that sound takes its log-mel takes. From 1 on a board that listens loses sound for ever."""
    fe = reader.frontend
    frame = estimate_seconds(kernel, board, 0, reader)[0] / fe.frames
    return frame * fe.sample_rate / fe.hop_length


def lowest_clock(board: str, seconds: float, hop: float) -> int | None:
    """Return the lowest clock in MHz at which windows every `hop` seconds take BUSY of the time, if there is one.

    seconds: of a window, at the clock of a board of the table.
    """
    needed = seconds * BOARDS[board].hertz / hop / BUSY
    return next((mhz for mhz in BOARDS[board].clocks if mhz * 1e6 >= needed), None)


def counter(kernel: str):
    """Return the module that counts a kernel's bytes: its own, or what both integer kernels have in common."""
    return integer if kernel in FIXED else {"ulab": ulab, "python": python}[kernel]


def loadable(arch: str | None, there: Iterable[str], reader: Reader) -> list[str]:
    """Return those of the kernels `there` that can run the model, the preferred one first."""
    return [name for name in preferred(arch) if name in there and (name not in FIXED or "FIXED" in reader.sections)]


def will_it_run(reader: Reader, heap: int, kernels: list[str], listening: bool = False, broker: int = 0) -> Fit:
    """Say whether the model, or the listening app with it, fits a board with `heap` bytes free before the package is imported.

    broker: bytes that the app needs to talk to one.
    kernels: those that load there, the one to prefer first. The board takes the first that fits, by the same function.
    """

    def package(kernel: str) -> int:
        app = (APP_BYTES if listening else 0) + broker
        return (PACKAGE_BYTES if kernel in FIXED else FLOAT_PACKAGE_BYTES) + app

    def needed(kernel: str) -> int:
        return heap_for(least(reader, kernel, listening).heap_bytes, package(kernel))

    def attempt(kernel: str) -> tuple[str, Plan]:
        return kernel, plan(reader, max(0, buffer_heap(heap - package(kernel))), counter(kernel), listening)

    try:
        kernel, best = first_that_fits(kernels, attempt)
    except HeapError:
        wanted = min(map(needed, kernels))
        return {"fits": False, "heap_free": heap, "heap_needed": wanted, "missing": wanted - heap}
    return {
        "fits": True,
        "kernel": kernel,
        "heap_free": heap,
        "heap_needed": needed(kernel),
        "missing": 0,
        "heap_peak": package(kernel) + best.heap_bytes,
        "buffers": [{"name": name, "bytes": n} for name, n in best.buffers],  # 0 bytes: shares another buffer's memory
        "flash_bytes_read": best.flash_bytes,
        "tiles": best.tiles,
        "passes": best.passes,
        "macs": best.macs,
        "macs_in_lists": macs_in_lists(best),
        "plane_bytes_moved": moved(best, counter(kernel).itemsize, kernel == "native"),
    }


def least(reader: Reader, kernel: str, listening: bool) -> Plan:
    """Return the smallest plan."""
    convs = [layer for layer in reader.layers if layer.kind == CONV]
    return lowest(reader, 0, counter(kernel), convs, listening)


def heap_for(buffers: int, package: int) -> int:
    """Return the free heap before the import at which a model plans for this many bytes of buffers (the inverse of buffer_heap)."""
    heap = package + buffers
    while buffer_heap(heap - package) < buffers:
        heap += buffers - buffer_heap(heap - package)
    return heap


def with_listening(reader: Reader, heap: int, kernels: list[str]) -> OnBoard:
    """Return will_it_run() and, as "listening", the same of the app, for a classifier."""
    result: OnBoard = {**will_it_run(reader, heap, kernels)}
    if reader.labels:
        in_time = [kernel for kernel in kernels if kernel != "python"]  # which is far from real time
        result["listening"] = will_it_run(reader, heap, in_time or kernels, listening=True)
    return result


def on_board(reader: Reader, name: str, firmware: str) -> OnBoard:
    """Return with_listening() for a board of the table with a firmware of the table, and the time of a window there."""
    board = BOARDS[name]
    there = [kernel for kernel in FIRMWARE[firmware] if kernel != "native" or native_module(board.arch).exists()]
    entry = with_listening(reader, board.heap, loadable(board.arch, there, reader))
    entry["source"] = board.source
    if entry["fits"]:
        taken, basis = estimate_seconds(entry["kernel"], name, entry["macs"], reader, entry["macs_in_lists"])
        if board.memory:
            taken += entry["plane_bytes_moved"] / board.memory.bytes_per_second
            basis = f"{basis}; moving planes from and to {board.memory.name}: {board.memory.source}"
        basis = f"{basis}, at {board.hertz / 1e6:g} MHz, garbage collections left out"
        entry["seconds_estimate"] = {entry["kernel"]: {"seconds": taken, "basis": basis}}
        if "listening" in entry and entry["listening"]["fits"]:
            entry["frontend_share"] = frontend_share(entry["listening"]["kernel"], name, reader)
        fe = reader.frontend
        clock = lowest_clock(name, taken, fe.hop / fe.sample_rate)
        if clock and clock < board.clocks[-1] and "listening" in entry and entry["listening"]["fits"]:
            entry["lowest_clock_estimate"] = clock
        heard = hearings(fe.window, possible_hop(fe, fe.hop))
        entry["per_day_estimate"] = energy.per_day(name, taken, fe.window / fe.sample_rate, fe.hop / fe.sample_rate, heard)
    return entry


def native_module(arch: str | None) -> Path:
    """Return the prebuilt module of kernel native for an architecture, which may not be there."""
    return Path(l3mote.__file__).parent / "kernels" / f"l3native_{arch}.mpy"


def report(reader: Reader, heap: int | None = None) -> dict[str, OnBoard]:
    """Return on_board() for every board of the table with stock MicroPython, "firmware" for each other one.

    With a heap: for that heap alone.
    """
    if heap is not None:
        return {"heap": with_listening(reader, heap, loadable(None, FIRMWARE[STOCK], reader))}
    boards = {}
    for name in BOARDS:
        each = {firmware: on_board(reader, name, firmware) for firmware in FIRMWARE}
        boards[name] = each[STOCK]
        boards[name]["firmware"] = {firmware: {**entry} for firmware, entry in each.items()}
    return boards
