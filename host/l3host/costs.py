"""What a foreign file may cost, in one place: its size, its weights, the memory and the work of a window, the time to read it.

More is refused with one line before it is spent. `lifted()` (--unlimited, or L3_UNLIMITED=1) takes whatever comes, here and in the
processes that are started from here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from l3host.errors import L3Error

FILE_BYTES = 1 << 29  # of a model's file, before it is read
TEXT_BYTES = 1 << 22  # of a recipe, a configuration or a table
WEIGHTS = 1 << 26  # of a network, zeros included: EdgeL3 has 4.7 M
ARRAY_BYTES = 4 * WEIGHTS  # of the arrays of a foreign file, unpacked
MEMORY = 1 << 29  # bytes for a window's largest layer, unrolled, in float64: EdgeL3 takes 0.26 GB
WORK = 1 << 35  # multiply-accumulates of a window: EdgeL3 takes 11 G
LOOP = 10_000  # multiply-accumulates that a row of a filter counts as besides its own: what a loop around a kernel costs
BUTTERFLY = 4  # multiply-accumulates for each value and each stage of a transform, about
CHILD_SECONDS = 10  # of a processor, to read a foreign file; a wall's clock gets six times that
CHILD_BYTES = 3 << 28  # of memory, for the same

FLAG = "L3_UNLIMITED"
LIFT = "--unlimited takes it nevertheless"


def unlimited() -> bool:
    return bool(os.environ.get(FLAG))


@contextmanager
def lifted(lift: bool = True) -> Iterator[None]:
    """No limits until the block ends, for processes started in it too."""
    before = os.environ.get(FLAG)
    if lift:
        os.environ[FLAG] = "1"
    try:
        yield
    finally:
        os.environ.pop(FLAG, None)
        if before is not None:
            os.environ[FLAG] = before


class Product(NamedTuple):
    """A layer as a matrix product: each of rows x cols positions takes `taps` values and gives `outputs`."""

    rows: int
    cols: int
    taps: int
    outputs: int


class Cost(NamedTuple):
    """Of a network. memory: bytes of a window's largest layer; work: multiply-accumulates of a window, zeros included."""

    weights: int
    memory: int
    work: int


def cost(frontend, products: Iterable[Product]) -> Cost:
    """Return what a network costs. frontend: its l3mote.format.Frontend."""
    n, frames = frontend.n_fft, frontend.frames
    bins = n // 2 + 1
    memory = [8 * frames * (2 * n + bins)]
    work = frames * (BUTTERFLY * n * n.bit_length() + bins * frontend.bands + LOOP)
    weights = 0
    for rows, cols, taps, outputs in products:
        weights += taps * outputs
        memory.append(8 * rows * cols * (taps + outputs))
        work += rows * outputs * (cols * taps + LOOP)
    return Cost(weights, max(memory), work)


def check(name: str, cost: Cost) -> None:
    """Raise L3Error for a network that costs more than one for microcontrollers can. name: of its file."""
    units = "weights", "bytes for the values of a layer", "multiply-accumulates a window"
    for have, most, unit in zip(cost, (WEIGHTS, MEMORY, WORK), units, strict=True):
        if have > most and not unlimited():
            raise L3Error(f"{name} takes {have:,} {unit}, more than the {most:,} that a file may cost: {LIFT}")


def check_size(name: str, size: int, most: int) -> None:
    """Raise L3Error for something of more bytes than these, before it is read. name: what it is."""
    if size > most and not unlimited():
        raise L3Error(f"{name} has {size:,} bytes, more than the {most:,} that are read of such a file: {LIFT}")
