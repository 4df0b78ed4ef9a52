"""What a file holds of a graph's numbers: float16, or few of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from l3host.errors import L3Error
from l3host.graph import palette
from l3host.graph.network import Graph

F16_MAX = 65504.0
F32_MAX = float(np.finfo(np.float32).max)
F16_TINY = 2.0**-14  # smallest normal float16


def to_half(weights: np.ndarray) -> tuple[np.ndarray, int]:
    """Round to float16, flush subnormals to zero; return the array and how many were flushed. Raises L3Error on overflow."""
    if not np.isfinite(weights).all() or np.abs(weights).max(initial=0) > F16_MAX:
        raise L3Error(f"a weight of {np.abs(weights).max():g} does not fit float16 (largest is {F16_MAX:g})")
    half = weights.astype(np.float16)
    subnormal = (half != 0) & (np.abs(half.astype(np.float32)) < F16_TINY)
    half[subnormal] = 0
    return half + np.float16(0), int(subnormal.sum())  # + 0 turns -0 into 0


def to_single(bias: np.ndarray) -> np.ndarray:
    """Return float32; raises L3Error on overflow."""
    largest = np.abs(bias).max(initial=0)
    if largest > F32_MAX:
        raise L3Error(f"a bias of {largest:g} does not fit float32")
    return bias.astype(np.float32)


def flushed(graph: Graph) -> int:
    """Return how many weights are too small for a normal float16: the file holds them as zero."""
    return sum(to_half(layer.kernel)[1] for layer in graph.layers)


def rounded(graph: Graph, encoding: str = "auto") -> Graph:
    """Return the graph as the file will hold it: float16 weights, float32 biases.

    encoding "palette" quantises every layer that this makes smaller; fixed-point scales, which were measured with the weights as
    they were, are then dropped. Raises L3Error.
    """
    layers, scales = [], graph.fixed
    for layer in graph.layers:
        try:
            exact, bias = to_half(layer.kernel)[0].astype(np.float32), to_single(layer.bias)
        except L3Error as e:
            raise L3Error(f"layer {layer.name}: {e}") from None
        kernel = exact
        if encoding == "palette" and palette.worth_it(exact):
            kernel = palette.restore(*palette.quantise(exact))
        layers.append(replace(layer, kernel=kernel, bias=bias))
        scales = scales if (kernel == exact).all() else None
    return replace(graph, layers=layers, fixed=scales)
