"""Fixed-point arithmetic, defined once: scales calibrated on audio, and a bit-exact interpreter that kernels are compared with.

An activation x is stored as the int16 round(x * 2^exponent), saturated to `bits` bits; a float16 weight as an int16 in units of
2^-shift of its filter. A filter's shift is the largest for which `limit * sum|w| + |bias| + rounding < 2^31`: no accumulator can
overflow. Rounding is half up: (x + 2^(r-1)) >> r. Here rows are bands and columns frames, as in the rest of the host.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l3host.errors import L3Error
from l3host.graph.fixed_point import FixedPoint, LayerScale
from l3host.graph.half import rounded
from l3host.graph.network import Conv, Graph
from l3host.reference import fixed_mel, floats
from l3host.threads import one_blas_thread

HEADROOM = 2.0  # above the largest activation seen in calibration: losing a bit costs less than saturating one value
WEIGHT_BITS = 9.5  # of the 31 bits, for a layer's weights; the rest goes to its input
LEAST_BITS, MOST_BITS = 12, 15
ACCUMULATOR = 2**31 - 1
BATCH = 2  # windows calibrated at once: few, so that their largest matrix about fits the cache


def shift_round(x: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return x / 2^shift rounded half up, for shift >= 0 (x, shift: int64)."""
    return (x + ((1 << shift) >> 1)) >> shift


def to_integer(x: np.ndarray, shift: np.ndarray | np.int64) -> np.ndarray:
    """Return round-half-up(x * 2^shift): exact for float16 and float32 x, since a power of two only moves the exponent."""
    return np.floor(np.ldexp(x.astype(np.float64), shift) + 0.5).astype(np.int64)


def matrix(layer) -> np.ndarray:
    """Return a layer's weights as (taps, filters)."""
    return layer.kernel.reshape(-1, layer.kernel.shape[-1]).astype(np.float64)


def input_bits(layer) -> int:
    """Return the bits of a layer's input: fewer where dense layers with long sums need them for the weights."""
    w = np.abs(matrix(layer))
    largest = w.max(axis=0)
    ratio = np.median((w.sum(axis=0) / np.where(largest, largest, 1))[largest > 0]) if largest.any() else 1.0
    return int(np.clip(np.floor(31 - WEIGHT_BITS - np.log2(ratio)), LEAST_BITS, MOST_BITS))


def filter_shift(weights: np.ndarray, bias: float, limit: int, exponent: int) -> int:
    """Return the largest shift at which one filter's sum cannot overflow and its weights fit int16. weights: (taps,)."""
    magnitude = np.abs(weights).sum(dtype=np.float64)
    room = (ACCUMULATOR - 2**29) / limit + len(weights) / 2  # for the sum of weights, each rounded down by at most a half
    highest = min(30, int(np.floor(np.log2(room / magnitude))) + 1) if magnitude else 30  # with a larger shift the sum does not fit
    for shift in range(highest, -31, -1):
        w = to_integer(weights, np.int64(shift))
        b = abs(int(to_integer(np.array(bias), np.int64(shift + exponent))))
        if np.abs(w).max(initial=0) <= 32767 and limit * int(np.abs(w).sum()) + b + 2**29 <= ACCUMULATOR:
            return shift
    raise L3Error("cannot calibrate: no shift keeps the filter's sum within 32 bits")


def exponent_for(largest: float, bits: int) -> int:
    """Return the largest exponent at which `largest`, with its headroom, stays below 2^bits."""
    return int(np.floor(bits - np.log2(max(largest * HEADROOM, 2.0**-14))))


def calibrate(graph: Graph, windows: np.ndarray) -> FixedPoint:
    """Return the scales for a graph from windows of int16 (N, window): every activation's range, with headroom."""
    graph = rounded(graph)
    peaks = activation_peaks(graph, windows)
    fe = graph.frontend
    edge = max(abs(fe.norm_shift), abs(fe.norm_shift - fe.dynamic_range * fe.norm_scale))
    bits = input_bits(graph.layers[0])
    input_exponent = int(np.floor(bits - np.log2(max(edge, 2.0**-14)) - 1e-9))
    exponent, input_b, layers = input_exponent, bits, []
    for i, layer in enumerate(graph.layers):
        limit = 2**bits
        w = matrix(layer)
        shifts = np.array([filter_shift(w[:, f], layer.bias[f], limit, exponent) for f in range(w.shape[1])])
        out_bits = input_bits(graph.layers[i + 1]) if i + 1 < len(graph.layers) else MOST_BITS
        out = min(exponent_for(peaks[i], out_bits), exponent + int(shifts.min()))
        out = max(out, exponent + int(shifts.max()) - 30)
        layers.append(LayerScale(out, out_bits, shifts))
        exponent, bits = out, out_bits
    return FixedPoint(input_exponent, input_b, layers, fixed_mel.tables(fe), fixed_mel.scale(fe, input_exponent))


def activation_peaks(graph: Graph, windows: np.ndarray) -> list[float]:
    """Return the largest magnitude of each layer's output over windows of int16 (N, window), a few at a time.

    Memory stays bounded.
    """
    peaks = np.zeros(len(graph.layers))
    with one_blas_thread():
        for start in range(0, len(windows), BATCH):
            run = floats.run(graph, windows[start : start + BATCH] / 32768, np.float32)
            peaks = np.maximum(peaks, [np.abs(out).max() for out in pre_activations(graph, run)])
    return peaks.tolist()


def pre_activations(graph: Graph, run: floats.Run) -> list[np.ndarray]:
    """Return each layer's output before a softmax or sigmoid (whose integers are logits)."""
    outputs = list(run.outputs)
    for i, layer in enumerate(graph.layers):
        if layer.activation in ("softmax", "sigmoid"):
            x = outputs[i - 1] if i > len(graph.convs) else run.embedding
            outputs[i] = x @ layer.kernel + layer.bias
    return outputs


def layer_sums(layer, x: np.ndarray, scale: LayerScale, exponent: int) -> np.ndarray:
    """Return the accumulators (..., filters) of one layer on integer inputs, before requantisation."""
    w = to_integer(layer.kernel, scale.shifts)
    b = to_integer(layer.bias, scale.shifts + exponent)
    if not isinstance(layer, Conv):
        return x @ w + b
    h, width = x.shape[1:3]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    # float64 products are exact below 2^53, and BLAS is a hundred times faster than integer matrix products
    padded, exact = padded.astype(np.float64), w.astype(np.float64)
    total = sum(padded[:, i : i + h, j : j + width] @ exact[i, j] for i in range(3) for j in range(3))
    return total.astype(np.int64) + b


def requantise(layer, sums: np.ndarray, scale: LayerScale, exponent: int) -> np.ndarray:
    """Turn accumulators into int16 activations: shift, round, ReLU, saturate."""
    y = shift_round(sums, (exponent + scale.shifts - scale.exponent).astype(np.int64))
    least = 0 if layer.activation == "relu" else -(2**scale.bits)
    return np.clip(y, least, 2**scale.bits - 1)


@dataclass
class FixedRun:
    """Integers of a run, oriented as reference.Run; output holds floats (probabilities, or the embedding)."""

    plane: np.ndarray  # (N, bands, frames)
    outputs: list[np.ndarray]
    embedding: np.ndarray
    flat: np.ndarray  # (N, values): the last layer's integers
    output: np.ndarray


def network(graph: Graph, fixed: FixedPoint, plane: np.ndarray) -> FixedRun:
    """Run integer planes (N, bands, frames) through the layers. graph: as the file holds it (see half.rounded)."""
    x, exponent, outputs = plane[..., None].astype(np.int64), fixed.input_exponent, []
    embedding = None
    for layer, scale in zip(graph.layers, fixed.layers, strict=True):
        if not isinstance(layer, Conv) and embedding is None:
            embedding = x = x.reshape(len(x), -1)
        x = requantise(layer, layer_sums(layer, x, scale, exponent), scale, exponent)
        if isinstance(layer, Conv):
            x = floats.max_pool(x, layer.pool)
        outputs.append(x)
        exponent = scale.exponent
    last = graph.layers[-1]
    flat = x.reshape(len(x), -1)
    output = floats.activate(flat * 2.0**-exponent, last.activation)
    return FixedRun(plane, outputs, flat if embedding is None else embedding, flat, output)


def run(graph: Graph, fixed: FixedPoint, pcm: np.ndarray) -> FixedRun:
    """Run windows of int16 (N, window); return every layer's integers."""
    plane = fixed_mel.plane(graph.frontend, fixed.tables, fixed.scale, pcm).transpose(0, 2, 1)
    return network(rounded(graph), fixed, plane)
