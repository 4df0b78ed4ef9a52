"""Layer-by-layer comparison of what a board computed with the reference. Tolerances: l3mote.tolerances."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from l3host.graph.network import Conv, Graph
from l3host.reference import fixed_point, floats
from l3mote.tolerances import LAYER_RELATIVE


@dataclass
class LayerParity:
    name: str
    max_abs: float  # largest difference
    max_rel: float  # the same, of the layer's largest magnitude
    tolerance: float  # of max_rel

    @property
    def ok(self) -> bool:
        return self.max_rel <= self.tolerance


def compare(name: str, device: np.ndarray, expected: np.ndarray, tolerance: float) -> LayerParity:
    difference = float(np.abs(device - expected).max())
    scale = float(np.abs(expected).max())
    return LayerParity(name, difference, difference / scale if scale else difference, tolerance)


def read_layers(data: bytes, graph: Graph, outputs: list[np.ndarray]) -> list[np.ndarray]:
    """Read job.py's layers.bin: one array a layer, shaped as the reference's output; NaN where the board computed nothing.

    Tiles overlap, and those of the last convolution may each hold the maximum of a part of a pool's group.
    """
    layers = [np.full(expected[0].shape, np.nan) for expected in outputs]
    at = 0
    while at < len(data):
        index, first, stop, first_band, bands, step = struct.unpack_from("<6H", data, at)
        at += 12
        if isinstance(graph.layers[index], Conv):
            channels = layers[index].shape[2]
            n = channels * (stop - first) * bands
            rows = np.frombuffer(data, "<f4", n, at).reshape(channels, stop - first, bands)
            to = np.arange(first_band, first_band + bands) * step // graph.layers[index].pool[0]
            # (channel, time, band) -> (band, time, channel)
            np.fmax.at(layers[index][:, first:stop], to, rows.transpose(2, 1, 0))
        else:
            n = layers[index].size
            layers[index][:] = np.frombuffer(data, "<f4", n, at)
        at += 4 * n
    return layers


def layer_parity(data: bytes, graph: Graph, plane: np.ndarray) -> list[LayerParity]:
    """Compare every layer; the reference runs in float64 on the same plane (bands, frames).

    What no later layer reads (cut off by a floored pool) is not computed on the device and not compared.
    """
    outputs = floats.network(graph, plane[None].astype(np.float64)).outputs
    return _compared(data, graph, outputs, LAYER_RELATIVE)


def integer_parity(data: bytes, graph: Graph, pcm: np.ndarray) -> list[LayerParity]:
    """Compare every layer's integers for one window of samples (window,), front-end included; no bit may differ."""
    assert graph.fixed is not None
    return _compared(data, graph, fixed_point.run(graph, graph.fixed, pcm[None]).outputs, 0.0)


def _compared(data: bytes, graph: Graph, outputs: list[np.ndarray], tolerance: float) -> list[LayerParity]:
    result = []
    needed = needed_part(graph)
    for i, (layer, device, expected) in enumerate(zip(graph.layers, read_layers(data, graph, outputs), outputs, strict=True)):
        if isinstance(layer, Conv):
            bands, frames = needed[i]
            device, expected = device[:bands, :frames], expected[:, :bands, :frames]
        result.append(compare(layer.name, device, expected[0], tolerance))
    return result


def needed_part(graph: Graph) -> list[tuple[int, int]]:
    """Return, for each convolution, how many (bands, frames) of its output any later layer reads: one more than is pooled."""
    shapes = graph.planes()
    needed = [shapes[-1][:2]]
    for conv, shape in zip(reversed(graph.convs[1:]), reversed(shapes[1:-1]), strict=True):
        bands, frames = (min(shape[axis], needed[-1][axis] * conv.pool[axis] + 1) for axis in (0, 1))
        needed.append((bands, frames))
    return needed[::-1]
