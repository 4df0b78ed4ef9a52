"""Random networks of awkward shapes, calibrated, and noise for them."""

import numpy as np
from models import conv, dense

from l3host.graph.half import rounded
from l3host.graph.network import Graph
from l3host.reference import fixed_point
from l3mote import format as fmt

# bands, frames, then (filters, pool rows, pool columns, density) of each convolution
SHAPES = {
    "one channel throughout": (8, 6, [(1, 1, 1, 1.0), (1, 1, 1, 1.0)]),
    "odd widths": (13, 7, [(3, 1, 1, 1.0), (5, 2, 2, 1.0), (4, 1, 1, 0.4), (3, 3, 5, 1.0)]),
    "narrow planes": (7, 9, [(4, 1, 1, 0.5), (3, 3, 2, 1.0), (4, 1, 1, 0.5), (2, 3, 3, 0.7)]),
    "one column": (1, 5, [(2, 1, 1, 1.0), (3, 2, 1, 0.5)]),
    "one row": (16, 1, [(4, 1, 2, 1.0), (4, 1, 2, 0.5)]),
    "all-zero filters": (16, 8, [(4, 1, 1, 0.0), (4, 2, 2, 0.0)]),
    "nearly empty": (24, 8, [(6, 1, 1, 1.0), (8, 2, 2, 0.03), (8, 2, 2, 0.03)]),
    "sparse": (24, 8, [(6, 1, 1, 0.3), (8, 2, 2, 0.1), (8, 2, 2, 0.25)]),
    "half": (24, 8, [(6, 1, 1, 0.5), (8, 2, 2, 0.5), (8, 2, 2, 0.5)]),
    "nearly dense": (24, 8, [(6, 1, 1, 0.9), (8, 2, 2, 0.9), (8, 2, 2, 0.95)]),
    "dense": (32, 16, [(8, 1, 1, 1.0), (12, 2, 2, 1.0), (16, 2, 2, 1.0), (8, 4, 8, 1.0)]),
    "more than 255 taps apart": (8, 4, [(64, 1, 1, 1.0), (4, 2, 2, 0.004)]),
    "pool of three": (18, 12, [(4, 3, 3, 1.0), (4, 2, 3, 0.5)]),
    "odd widths pooled once": (47, 9, [(4, 1, 1, 0.5), (4, 2, 2, 1.0), (4, 1, 1, 0.2), (3, 4, 21, 1.0)]),
    "no pool": (11, 6, [(3, 1, 1, 1.0), (4, 1, 1, 0.2), (3, 1, 1, 0.5)]),
}


def graph_of(shape, activation="relu"):
    bands, frames, convs = SHAPES[shape]
    rng = np.random.default_rng(list(SHAPES).index(shape))
    window = 256 + 128 * (frames - 1)
    frontend = fmt.Frontend(
        8000, window, window, 256, 128, bands, fmt.SCALE_MEL, fmt.PADDING_VALID, 0.0, 4000.0, 1e-10, 80.0, 0.02, 0.4
    )
    layers, channels, rows, cols = [], 1, frames, bands
    for i, (filters, pool_rows, pool_cols, density) in enumerate(convs):
        layers.append(conv(rng, f"conv{i}", channels, filters, density, (pool_cols, pool_rows), activation))
        channels, rows, cols = filters, rows // pool_rows, cols // pool_cols
    layers.append(dense(rng, "dense", channels * rows * cols, 5, 0.6, "none"))
    graph = rounded(Graph(frontend, layers))
    graph.fixed = fixed_point.calibrate(graph, noise(frontend, 4))
    return graph


def noise(frontend, n):
    rng = np.random.default_rng(n)
    return np.round(rng.normal(size=(n, frontend.window)) * 3000).clip(-32768, 32767).astype(np.int16)
