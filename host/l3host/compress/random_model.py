"""An EdgeL3 of random weights: every shape, sparsity and cost of the published network, and nothing to download.

Batch norm's statistics are measured on synthetic sounds, so that activations neither die nor explode and embeddings differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from l3host.compress.masks import masks
from l3host.compress.plans import find
from l3host.errors import L3Error
from l3host.graph.l3 import L3_FILTERS, POOLED
from l3host.graph.network import Conv, Graph, frontend
from l3host.l3m.finish import finish
from l3host.reference import floats
from l3host.sound import synth
from l3host.sound.hearing import hear
from l3mote.format import Frontend

INPUT_NORM = 1 / 40, 1.0  # scale and shift of the input batch norm: 80 dB become -1 to 1
EPSILON = 1e-3  # Keras's default for batch norm


def random_edgel3(plan: str, seed: int, encoding: str = "auto") -> Graph:
    """Return EdgeL3's convolutions pruned by a plan of Table II, with fixed-point scales.

    encoding: what the file will hold, as half.rounded takes it. Raises L3Error: unknown plan, seed below 0.
    """
    percents = find(plan)
    if seed < 0:
        raise L3Error(f"seed {seed}: at least 0")
    fe = frontend("mel256")
    fe.norm_scale, fe.norm_shift = INPUT_NORM
    provenance = {"source": f"random weights, seed {seed}", "passes": [f"pruned by magnitude to Table II's plan {plan}"]}
    windows = one_window_each(fe)
    graph = Graph(fe, [*layers(fe, percents, windows, seed)], provenance=provenance)
    return finish(graph, encoding, windows, "synthetic sounds")


def one_window_each(fe: Frontend) -> np.ndarray:
    """Return int16 windows (N, window), one of each synthetic sound."""
    return np.stack([hear(synth.sound(name, 1.0), synth.RATE, fe.sample_rate)[: fe.window] for name in synth.CALIBRATION])


def layers(fe: Frontend, percents: Sequence[float], windows: np.ndarray, seed: int) -> list[Conv]:
    """Return He weights, pruned, batch norm folded: measured on what the layers before make of the windows."""
    rng = np.random.default_rng(seed)
    x = floats.normalised(Graph(fe, []), windows / 32768, np.float32)[..., None]
    convs: list[Conv] = []
    for i, (filters, percent) in enumerate(zip(L3_FILTERS, percents, strict=True), 1):
        name, last = f"conv{i}", i == len(L3_FILTERS)
        weights = rng.normal(size=(3, 3, x.shape[3], filters)) * np.sqrt(2 / (9 * x.shape[3]))
        weights *= masks({name: weights}, [percent])[name]
        pool = x.shape[1:3] if last else (2, 2) if i in POOLED else (1, 1)
        layer = Conv(name, weights, np.zeros(filters), "none" if last else "relu", pool)
        sums = np.concatenate([floats.conv3x3(window[None], layer) for window in x])
        x = floats.max_pool(floats.activate(normalise(layer, sums, rng), layer.activation), pool)
        convs.append(layer)
    return convs


def normalise(layer: Conv, sums: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fold a batch norm of random scale and shift into the layer; its statistics are those of the layer's `sums`.

    sums: (N, H, W, filters), float32. Returns them normalised.
    """
    filters = sums.shape[3]
    scale = rng.uniform(0.8, 1.2, filters) / np.sqrt(sums.var(axis=(0, 1, 2)) + EPSILON)
    layer.kernel = layer.kernel * scale
    layer.bias = rng.normal(scale=0.3, size=filters) - scale * sums.mean(axis=(0, 1, 2))
    return sums * scale.astype(sums.dtype) + layer.bias.astype(sums.dtype)
