"""Graph: what converters return, the writer takes and the reference interprets.

Shapes follow the published networks: planes are (bands, frames, channels), kernels (3, 3, in, out) over (band, frame).
The file and the device turn them round (rows are time); only writer.py and load.py know that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from l3host.costs import Cost, Product, cost
from l3host.errors import L3Error
from l3host.graph.fixed_point import FixedPoint
from l3mote import format as fmt
from l3mote.opening import frontend_problem

ACTIVATIONS = {"none": fmt.NONE, "relu": fmt.RELU, "softmax": fmt.SOFTMAX, "sigmoid": fmt.SIGMOID}

# Front-ends of the published networks (facts: SEA at 8 kHz; L3/EdgeL3/OpenL3 at 48 kHz). The last two values, the input batch
# norm, are a network's own and stand here as identity. "two-seconds" is ours: SEA's bands at half the frames a second, so
# that a plane of SEA's size, and its work, hears twice as long; "two-seconds-16k" hears twice as high at the same work.
FRONTENDS = {
    "sea": (8000, 8000, 4000, 1024, 160, 64, fmt.SCALE_MEL, fmt.PADDING_SAME, 0.0, 4000.0, 1e-10, 80.0, 1.0, 0.0),
    "mel256": (48000, 48000, 24000, 2048, 242, 256, fmt.SCALE_MEL, fmt.PADDING_SAME, 0.0, 24000.0, 1e-10, 80.0, 1.0, 0.0),
    "mel128": (48000, 48000, 24000, 2048, 242, 128, fmt.SCALE_MEL, fmt.PADDING_SAME, 0.0, 24000.0, 1e-10, 80.0, 1.0, 0.0),
    "linear": (48000, 48000, 24000, 512, 242, 257, fmt.SCALE_LINEAR, fmt.PADDING_VALID, 0.0, 24000.0, 1e-10, 80.0, 1.0, 0.0),
    "two-seconds": (8000, 16000, 8000, 1024, 320, 64, fmt.SCALE_MEL, fmt.PADDING_SAME, 0.0, 4000.0, 1e-10, 80.0, 1.0, 0.0),
    "two-seconds-16k": (16000, 32000, 16000, 1024, 640, 64, fmt.SCALE_MEL, fmt.PADDING_SAME, 0.0, 8000.0, 1e-10, 80.0, 1.0, 0.0),
}


def frontend(name: str) -> fmt.Frontend:
    """Return a fresh copy of a published front-end by name; raises L3Error for an unknown one."""
    if name not in FRONTENDS:
        raise L3Error(f"unknown front-end {name!r}: choose from {', '.join(FRONTENDS)}")
    return fmt.Frontend(*FRONTENDS[name])


@dataclass
class Conv:
    """3x3 'same' convolution, bias, optional ReLU, max-pool of `pool` (bands, frames) with stride = size and floor."""

    name: str
    kernel: np.ndarray  # (3, 3, in, out) over (band, frame)
    bias: np.ndarray  # (out,)
    activation: str = "relu"
    pool: tuple[int, int] = (1, 1)


@dataclass
class Dense:
    name: str
    kernel: np.ndarray  # (in, out)
    bias: np.ndarray  # (out,)
    activation: str = "none"


@dataclass
class Graph:
    """A whole network. labels is empty for an embedding; otherwise one for each output of the last (dense) layer."""

    frontend: fmt.Frontend
    layers: list[Conv | Dense]
    labels: list[str] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    fixed: FixedPoint | None = None  # once calibrated

    @property
    def convs(self) -> list[Conv]:
        return [layer for layer in self.layers if isinstance(layer, Conv)]

    @property
    def denses(self) -> list[Dense]:
        return [layer for layer in self.layers if isinstance(layer, Dense)]

    def planes(self) -> list[tuple[int, int, int]]:
        """Return the shape (bands, frames, channels) of the input and after each convolution's pool."""
        bands, frames = self.frontend.bands, self.frontend.frames
        shapes = [(bands, frames, 1)]
        for conv in self.convs:
            bands, frames = bands // conv.pool[0], frames // conv.pool[1]
            shapes.append((bands, frames, conv.kernel.shape[3]))
        return shapes

    @property
    def embedding_size(self) -> int:
        return int(np.prod(self.planes()[-1]))

    def cost(self) -> Cost:
        """Return what a window costs."""
        planes = zip(self.planes(), self.convs, strict=False)
        products = [Product(frames, bands, 9 * inputs, len(conv.bias)) for (bands, frames, inputs), conv in planes]
        return cost(self.frontend, products + [Product(1, 1, *dense.kernel.shape) for dense in self.denses])

    def check(self) -> None:
        """Raise L3Error, naming the layer, unless shapes and values chain up to something that can be written."""
        problem = frontend_problem(self.frontend)
        if problem:
            raise L3Error(f"front-end: field {problem} is out of range")
        if not self.convs or self.layers != self.convs + self.denses:
            raise L3Error("a network is convolutions followed by dense layers, with at least one convolution")
        if len(self.layers) > fmt.MAX_LAYERS:
            raise L3Error(f"{len(self.layers)} layers: at most {fmt.MAX_LAYERS} fit the format")
        if any(min(layer.pool) < 1 for layer in self.convs):
            raise L3Error("a pool has at least one row and one column")
        for conv, shape in zip(self.convs, self.planes(), strict=False):
            if conv.kernel.shape[:3] != (3, 3, shape[2]):
                raise L3Error(f"layer {conv.name}: kernel {conv.kernel.shape} on an input of {shape}")
            if conv.activation not in ("none", "relu"):
                raise L3Error(f"layer {conv.name}: a convolution has no {conv.activation}")
            if conv.pool[0] > shape[0] or conv.pool[1] > shape[1]:
                raise L3Error(f"layer {conv.name}: pool {conv.pool} on a plane of {shape[:2]}")
        size = self.embedding_size
        for dense in self.denses:
            if dense.kernel.shape[0] != size:
                raise L3Error(f"layer {dense.name}: kernel {dense.kernel.shape} on {size} values")
            size = dense.kernel.shape[1]
        for layer in self.layers:
            if layer.bias.shape != (layer.kernel.shape[-1],):
                raise L3Error(f"layer {layer.name}: bias {layer.bias.shape} for {layer.kernel.shape[-1]} filters")
            if not (np.isfinite(layer.kernel).all() and np.isfinite(layer.bias).all()):
                raise L3Error(f"layer {layer.name}: weights are not finite")
        if self.labels and (not self.denses or len(self.labels) != size):
            raise L3Error(f"{len(self.labels)} labels for {size} outputs")
