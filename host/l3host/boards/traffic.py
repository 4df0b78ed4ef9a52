"""What a plan's convolutions do: products in lists, and bytes that planes move between memory and cache."""

from __future__ import annotations

from l3mote.kernels.parts import NEAR, part_bytes, size
from l3mote.plan import Plan
from l3mote.strips import schedule


def channels_read(inputs: int, weights: float) -> float:
    """Return how many channels a filter of so many weights reads, which stand anywhere."""
    return inputs * (1 - (1 - 1 / inputs) ** weights)


def macs_in_lists(plan: Plan) -> int:
    """Count the multiply-accumulates of a window whose weights are a list of single ones, because zeros are left out of them."""
    total = 0
    for i, first, stop in schedule(plan.convs, plan.heights):
        layer = plan.convs[i]
        if 8 * layer.nonzeros < 7 * layer.outputs * layer.taps:
            total += (stop - first) * plan.columns[i] * layer.nonzeros
    return total


def moved(plan: Plan, itemsize: int, in_parts: bool) -> int:
    """Count the bytes of planes that the convolutions read and write in a window.

    in_parts: with l3mote.kernels.parts, as `native` does. A strip, or a part of one, that fits into the cache comes once a chunk,
    with a row above and below; what is beside it is still there. Of any other, the channels that a filter has weights in come once
    a filter. Weights and samples are left out.
    """
    total = 0.0
    for i, first, stop in schedule(plan.convs, plan.heights):
        layer, rows, columns = plan.convs[i], stop - first, plan.columns[i] // plan.tiles
        pool_columns = plan.step if i == len(plan.convs) - 1 else layer.pool_cols
        height, width = size(layer.inputs, rows, columns, layer.pool_rows, pool_columns) if in_parts else (rows, columns)
        read = itemsize * rows * columns * layer.outputs * channels_read(layer.inputs, layer.nonzeros / layer.outputs)
        if part_bytes(layer.inputs, height, width) <= NEAR and itemsize == 2:
            read = min(read, layer.chunks * part_bytes(layer.inputs, height, columns) * -(-rows // height))
        written = itemsize * layer.outputs * rows * columns / (layer.pool_rows * pool_columns)
        total += plan.tiles * (read + written)
    return round(total)
