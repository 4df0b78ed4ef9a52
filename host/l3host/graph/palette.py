"""Palettes: a layer's non-zero weights as few float16 values, chosen for the least squared error.

One-dimensional k-means (Lloyd 1982) from cells of equal error, as the optimum has them (Panter and Dite 1951). Deterministic.
Zero is not a level: it stays exactly zero.
"""

from __future__ import annotations

import heapq

import numpy as np

from l3mote.format import CHUNK_BYTES, PALETTE_BYTES

TINY = float(np.finfo(np.float16).tiny)  # the smallest normal float16
LEVELS = PALETTE_BYTES // 2 - 1  # one is left for zero, which a dense layer's palette may need
ROUNDS = 50  # of k-means at most
LEAST = PALETTE_BYTES + CHUNK_BYTES  # a palette costs as much as it saves with so many values


def worth_it(weights: np.ndarray) -> bool:
    """Return whether a palette makes the layer smaller in the file, whatever its position code."""
    return bool(np.count_nonzero(weights) > LEAST)


def quantise(weights: np.ndarray, levels: int = LEVELS) -> tuple[np.ndarray, np.ndarray]:
    """Return (palette, indices).

    At most `levels` ascending float16 values, none of them zero, and int16 indices shaped like weights.

    weights: what float16 holds (see half.to_half). A zero has index -1. Where no more than `levels` values occur nothing changes,
    so that quantising twice is quantising once.
    """
    used = weights != 0
    indices = np.full(weights.shape, -1, np.int16)
    values, inverse = np.unique(weights[used].astype(np.float16), return_inverse=True)
    palette = values
    if len(values) > levels:
        counts = np.bincount(inverse)
        palette = normal(lloyd(values.astype(np.float64), counts, levels))
        inverse = nearest(values, palette)[inverse]
    indices[used] = inverse
    return palette, indices


def restore(palette: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return the float32 weights of quantise's result, or of the same indices with a palette that was trained further."""
    return np.append(palette, 0).astype(np.float32)[indices]


def nearest(values: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Return the index of each value's nearest level of an ascending palette."""
    levels = palette.astype(np.float64)
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, values.astype(np.float64))


def lloyd(values: np.ndarray, counts: np.ndarray, levels: int) -> np.ndarray:
    """Run k-means on ascending values, more than `levels`, that occur `counts` times; return ascending centres."""
    number = np.concatenate([[0], np.cumsum(counts)])
    total = np.concatenate([[0], np.cumsum(counts * values)])
    edges = first_edges(values, counts, levels)
    for _ in range(ROUNDS):
        centres = np.diff(total[edges]) / np.diff(number[edges])
        middles = np.searchsorted(values, (centres[1:] + centres[:-1]) / 2)
        new_edges = np.unique([0, *middles, len(values)])  # a cell whose values all went to its neighbours is gone
        if np.array_equal(new_edges, edges):
            break
        edges = new_edges
    return centres


def first_edges(values: np.ndarray, counts: np.ndarray, levels: int) -> np.ndarray:
    """Return the edges of `levels` cells of roughly equal error: the worst is cut at its mean, again and again."""
    sums = np.cumsum(np.stack([counts, counts * values, counts * values**2]), axis=1)
    sums = np.concatenate([np.zeros((3, 1)), sums], axis=1)

    def cell(first: int, stop: int) -> tuple[float, int, int, int]:
        n, total, square = sums[:, stop] - sums[:, first]
        if stop - first == 1:
            return 0.0, first, stop, stop
        middle = int(np.searchsorted(values, total / n))
        return min(total**2 / n - square, 0.0), first, min(max(middle, first + 1), stop - 1), stop

    cells = [cell(0, len(values))]
    while len(cells) < levels:
        _, first, middle, stop = heapq.heappop(cells)
        for part in (cell(first, middle), cell(middle, stop)):
            heapq.heappush(cells, part)
    return np.array(sorted(c[1] for c in cells) + [len(values)])


def normal(centres: np.ndarray) -> np.ndarray:
    """Return the ascending float16 levels without repetition.

    What is too small for a normal one becomes the smallest of its sign.
    """
    least = np.where(np.abs(centres) < TINY, np.copysign(TINY, centres), centres)
    return np.unique(least.astype(np.float16))
