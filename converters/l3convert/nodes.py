"""What graphs of operators (ONNX, TFLite) have in common: one chain from input to output, in Keras's terms.

Their readers return KerasLayers, planes (bands, frames, channels), as the readers of Keras files do: l3shape.py knows one language.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from l3convert.keras_config import KerasLayer
from l3host import costs
from l3host.errors import L3Error


@dataclass(eq=False)
class Node:
    """An operator of the graph. takes, gives: what its values are called; options: its attributes."""

    operator: str
    name: str
    takes: list[Any]  # names in ONNX, numbers in TFLite
    gives: list[Any]
    options: Any = field(default_factory=dict)

    def error(self, what: str) -> L3Error:
        return KerasLayer(self.operator, self.name, {}).error(what)

    def layer(self, class_name: str, weights: dict[str, np.ndarray] | None = None, **config) -> KerasLayer:
        return KerasLayer(class_name, self.name, config, weights or {})


def chain(nodes: Iterable[Node], source: Hashable, end: Hashable, known: Iterable[Hashable]) -> list[Node]:
    """Return the nodes from the value `source` to the value `end`, in order.

    known: the values that are weights. What only asks for a value's shape is left out. Raises L3Error for a branch.
    """
    consumers: dict[Hashable, list[Node]] = {}
    for node in nodes:
        for value in dict.fromkeys(node.takes):
            consumers.setdefault(value, []).append(node)
    path: list[Node] = []
    while source != end:
        following = [node for node in consumers.get(source, ()) if node.operator.upper() != "SHAPE"]
        if len(following) != 1 or following[0] in path:
            where = path[-1].name if path else "the input"
            feeds = " and ".join(node.name for node in following) or "nothing, and is not the output"
            raise L3Error(f"{where} feeds {feeds}: supported is one chain of layers")
        node = following[0]
        others = [value for value in node.takes if value != source and value not in known]
        if others and node.operator.upper() != "RESHAPE":  # a reshape's shape may be computed from the batch's size
            raise node.error("takes more than one value that is computed: supported is one chain of layers")
        path.append(node)
        source = node.gives[0]
    return path


def check_sizes(shapes: Iterable[tuple[Iterable[int], int]]) -> None:
    """Raise L3Error for arrays of more bytes than a network for microcontrollers has.

    shapes: (dimensions, bytes a value) of each.
    """
    size = 0
    for dims, itemsize in shapes:
        count = 1
        for n in dims:
            count *= int(n)
        if count < 0:
            raise L3Error("an array of negative size")
        size += count * itemsize
        costs.check_size("all arrays together", size, costs.ARRAY_BYTES)


@dataclass
class Affine:
    """y = x * scale + shift, a batch norm or what an exporter made of one; several in a row become one."""

    name: str
    scale: np.ndarray  # (channels,) or (1,)
    shift: np.ndarray

    @classmethod
    def of_norm(cls, node: Node, gamma, beta, mean, variance, epsilon: float) -> Affine:
        gamma, beta, mean, variance = (np.asarray(values, np.float64) for values in (gamma, beta, mean, variance))
        scale = gamma / np.sqrt(variance + epsilon)
        return cls(node.name, scale, beta - mean * scale)

    @classmethod
    def of_arithmetic(cls, node: Node, operator: str, constant: np.ndarray, axis: int, constant_first: bool) -> Affine:
        """operator: add, sub, mul or div. constant: one value, or one for each channel, along this axis. Raises L3Error."""
        values = np.asarray(constant, np.float64)
        if values.size != 1 and (values.ndim < -axis or values.shape[axis] != values.size):
            raise node.error(f"a constant of shape {values.shape}: supported are one value, or one for each channel")
        values = values.reshape(-1)
        one, nothing = np.ones_like(values), np.zeros_like(values)
        if operator == "add":
            return cls(node.name, one, values)
        if operator == "sub":
            return cls(node.name, -one, values) if constant_first else cls(node.name, one, -values)
        if operator == "div" and constant_first:
            raise node.error("divides by what it computes: not supported")
        return cls(node.name, values if operator == "mul" else one / values, nothing)

    def then(self, other: Affine) -> Affine:
        return Affine(other.name, self.scale * other.scale, self.shift * other.scale + other.shift)

    def layer(self) -> KerasLayer:
        scale, shift = np.broadcast_arrays(self.scale, self.shift)
        weights = {"gamma": scale, "beta": shift, "moving_mean": np.zeros(scale.shape), "moving_variance": np.ones(scale.shape)}
        return KerasLayer("BatchNormalization", self.name, {"axis": -1, "epsilon": 0.0}, weights)


def merged(parts: Iterable[KerasLayer | Affine | None]) -> list[KerasLayer]:
    """Return the layers, with what follows one another of scales and shifts as one batch norm. None has no effect."""
    layers: list[KerasLayer | Affine] = []
    for part in parts:
        if isinstance(part, Affine) and layers and isinstance(layers[-1], Affine):
            layers[-1] = layers[-1].then(part)
        elif part is not None:
            layers.append(part)
    return [part.layer() if isinstance(part, Affine) else part for part in layers]
