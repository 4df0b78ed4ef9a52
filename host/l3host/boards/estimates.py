"""What a model costs on a board, in heap and seconds. Times are estimates and name their basis."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from l3host.boards import energy
from l3host.boards.table import BOARDS
from l3mote.kernels import FIXED, integer
from l3mote.kernels import python as floats
from l3mote.model import buffer_heap
from l3mote.plan import HeapError, plan
from l3mote.reader import Reader
from l3mote.ring import SAMPLES

# Heap that package, native kernel and a model's tables take: 33 + 26 + 10 kB measured on the emulated RP2040, precompiled.
PACKAGE_BYTES = 69_000
# What the listening app takes besides its ring, at least: 9 kB of modules before the model, 8 after it, 9 with a microphone's
# driver; measured on the emulated RP2040, where 180 kB free at the prompt leave 9 kB once it listens.
APP_BYTES = 26_000


# (cycles a multiply-accumulate, cycles a frame of 1,024 samples of the front-end, basis)
COSTS = {
    "native": {
        "rp2040": (4.85, 286_000, "emulated RP2040 (a cycle model, no flash stalls), shipped model; BENCHMARKS.md"),
        None: (4.85, 286_000, "guess: the RP2040's cycles; ESP32-S3 has no prebuilt module"),
    },
    "viper": {
        "rp2040": (37, 6_530_000, "emulated RP2040 (a cycle model, no flash stalls), shipped model; BENCHMARKS.md"),
        None: (37, 6_530_000, "guess: the RP2040's cycles"),
    },
    "ulab": {
        "rp2040": (260, 7_400_000, "emulated RP2040: ulab dot 260 cycles a MAC, FFT 6.9 M"),
        None: (20, 400_000, "guess: single-precision FPU, no measurement"),
    },
    "python": {None: (5_000, 100_000_000, "guess: interpreted, 270 ns a MAC on a PC")},
}


class Buffer(TypedDict):
    name: str
    bytes: int  # 0: shares another buffer's memory


class Fit(TypedDict):
    """Whether a model fits a heap, in bytes; the plan's figures only if it does."""

    fits: bool
    heap_free: int
    heap_needed: int
    missing: int
    heap_peak: NotRequired[int]
    buffers: NotRequired[list[Buffer]]
    flash_bytes_read: NotRequired[int]
    tiles: NotRequired[int]
    passes: NotRequired[int]
    macs: NotRequired[int]


class Estimate(TypedDict):
    seconds: float
    basis: str


class OnBoard(Fit):
    """A model on a board or in a heap. listening: with the app, for a classifier; estimates: for boards that it fits."""

    listening: NotRequired[Fit]
    source: NotRequired[str]
    seconds_estimate: NotRequired[dict[str, Estimate]]  # by kernel
    per_day_estimate: NotRequired[energy.PerDay]


def estimate_seconds(kernel: str, board: str, macs: int, reader: Reader) -> tuple[float, str]:
    """Seconds a window and the basis of the estimate. board may be a name of BOARDS."""
    table = COSTS[kernel]
    per_mac, per_frame, basis = table.get(board, table[None])
    fe = reader.frontend
    cycles = macs * per_mac + fe.frames * per_frame * fe.n_fft / 1024
    return cycles / BOARDS[board].hertz, basis


def arithmetic(reader: Reader):
    """What counts a plan's bytes: int16 planes for a calibrated file, else float32."""
    return integer if "FIXED" in reader.sections else floats


def smallest(reader: Reader, kernel) -> int:
    """Bytes of buffers of the smallest plan."""
    try:
        return plan(reader, 0, kernel).heap_bytes
    except HeapError as e:
        return e.missing


def will_it_run(reader: Reader, heap: int, kernel=None, listening: bool = False) -> Fit:
    """Does the model, or the listening app with it, fit a board with `heap` bytes free before the package is imported? In bytes.

    kernel: the module that counts the plan's bytes (default: arithmetic()).
    """
    kernel = kernel or arithmetic(reader)
    package, reader.ring = (PACKAGE_BYTES + APP_BYTES, SAMPLES) if listening else (PACKAGE_BYTES, 0)
    needed = heap_for(smallest(reader, kernel), package)
    result: Fit = {"fits": needed <= heap, "heap_free": heap, "heap_needed": needed, "missing": max(0, needed - heap)}
    if not result["fits"]:
        return result
    found = plan(reader, buffer_heap(heap - package), kernel)
    return result | {
        "heap_peak": package + found.heap_bytes,
        "buffers": [{"name": name, "bytes": n} for name, n in found.buffers],  # 0 bytes: shares another buffer's memory
        "flash_bytes_read": found.flash_bytes,
        "tiles": found.tiles,
        "passes": found.passes,
        "macs": found.macs,
    }


def heap_for(buffers: int, package: int = PACKAGE_BYTES) -> int:
    """Free heap before the import at which a model plans for this many bytes of buffers (the inverse of buffer_heap)."""
    heap = package + buffers
    while buffer_heap(heap - package) < buffers:
        heap += buffers - buffer_heap(heap - package)
    return heap


def with_listening(reader: Reader, heap: int) -> OnBoard:
    """will_it_run, and as "listening" the same of the app, for a classifier."""
    found: OnBoard = {**will_it_run(reader, heap)}
    if reader.labels:
        found["listening"] = will_it_run(reader, heap, listening=True)
    return found


def report(reader: Reader, heap: int | None = None) -> dict[str, OnBoard]:
    """will_it_run for every board of the table, or for one heap given."""
    if heap is not None:
        return {"heap": with_listening(reader, heap)}
    boards, calibrated = {}, "FIXED" in reader.sections
    for name, board in BOARDS.items():
        entry = with_listening(reader, board.heap)
        entry["source"] = board.source
        if entry["fits"]:
            kernels = [kernel for kernel in COSTS if calibrated or kernel not in FIXED]
            pairs = {kernel: estimate_seconds(kernel, name, entry["macs"], reader) for kernel in kernels}
            entry["seconds_estimate"] = {k: {"seconds": s, "basis": basis} for k, (s, basis) in pairs.items()}
            fe, fastest = reader.frontend, min(s for s, _ in pairs.values())
            entry["per_day_estimate"] = energy.per_day(name, fastest, fe.window / fe.sample_rate, fe.hop / fe.sample_rate)
        boards[name] = entry
    return boards
