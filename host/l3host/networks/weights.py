"""Turn a file of weights into a network that can be trained further, its batch norms not folded; and a network into a Graph.

The published files (.h5, Keras 2.0.9) and .keras files are read by the converters, so TensorFlow never loads foreign code.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np

from l3convert import convert, formats, l3shape
from l3convert.keras_config import KerasLayer
from l3host.errors import L3Error
from l3host.graph.l3 import POOLED
from l3host.graph.network import Graph
from l3host.networks import build
from l3host.networks.backend import keras

EPSILON = keras.layers.BatchNormalization().epsilon
NORM = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}  # identity, for what the file lacks


def load(path: str, final_norm: bool | None = None) -> keras.Model:
    """Return the embedding network of a published .h5 or of a .keras file, waveform -> embedding; dense layers are left out.

    final_norm: None takes the file's; True adds an identity batch norm where the file ends in a bare convolution (the AVC net
    of a published EdgeL3), False taps the last convolution before its batch norm.
    Raises L3Error for what convert() refuses, and for a network that networks.audio() does not build.
    """
    name = Path(path).name
    try:
        layers = formats.layers(Path(path))
        graph = l3shape.build(layers)
        kernels, norms = _split(layers, len(graph.convs))
        in_file = len(norms) > len(kernels)
        _check_order(graph, in_file)
    except L3Error as e:
        raise L3Error(f"{name}: {e}") from None
    filters = [conv.kernel.shape[-1] for conv in graph.convs]
    model = build.audio(graph.frontend, filters, in_file if final_norm is None else final_norm)
    for layer, norm in zip([model.get_layer("mel_bn"), *_norms(model)], norms, strict=False):
        _assign(layer, norm, NORM)
    for layer, conv in zip(build.convolutions(model), kernels, strict=True):
        _assign(layer, conv, {"bias": 0.0})
    return model


def _norms(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the batch norms bn1 ... of the network, as many as it has."""
    return [layer for layer in model.layers if layer.name.startswith("bn")]


def _split(layers: list[KerasLayer], convs: int) -> tuple[list[KerasLayer], list[KerasLayer]]:
    """Return convolutions and batch norms (the input's first) of a chain that has one after each convolution but the last."""
    chain = [layer for layer in layers if layer.class_name in ("Conv2D", "BatchNormalization")]
    expected = ["BatchNormalization"] + ["Conv2D", "BatchNormalization"] * convs
    kinds = [layer.class_name for layer in chain[: 2 * convs + 1]]
    if kinds not in (expected, expected[:-1]):
        raise L3Error("an L3 network has batch norm on its input and after every convolution but, perhaps, the last")
    kernels, norms = chain[1 : 2 * convs : 2], chain[: 2 * convs + 1 : 2]
    for norm in norms:
        if norm.config.get("epsilon", EPSILON) != EPSILON:
            raise norm.error(f"epsilon {norm.config['epsilon']}: supported is {EPSILON}")
    return kernels, norms


def _check_order(graph: Graph, final_norm: bool) -> None:
    """Check the order: ReLU after every batch norm.

    Pools of 2x2 after the convolutions that L3 pools, and of the whole plane at the end.
    """
    convs = graph.convs
    if [conv.activation for conv in convs] != ["relu"] * (len(convs) - 1) + ["relu" if final_norm else "none"]:
        raise L3Error("an L3 network has ReLU after every batch norm of a convolution, and nowhere else")
    pools = [conv.pool for conv in convs]
    expected = [(2, 2) if i in POOLED else (1, 1) for i in range(1, len(convs))]
    if pools[:-1] != expected or graph.planes()[-1][:2] != (1, 1):
        raise L3Error(f"pools {pools}: an L3 network pools 2x2 after conv2, conv4 and conv6, and the whole plane at its end")


def _assign(layer: keras.layers.Layer, source: KerasLayer, missing: dict[str, float]) -> None:
    """Copy weights by name; a weight that the file lacks gets its value in `missing`."""
    for variable in layer.weights:
        value = source.weights[variable.name] if variable.name in source.weights else missing[variable.name]
        variable.assign(np.broadcast_to(value, variable.shape))


def to_graph(model: keras.Model, **provenance: str) -> Graph:
    """Return the checked Graph of an embedding network or a classifier, batch norms folded, zeros kept.

    writer.to_bytes makes it a file.

    provenance: source, licence, attribution as convert() knows them; sha256 is that of the weights (a .keras file holds the
    date), so that equal weights give equal bytes. Raises L3Error for a network that the format cannot hold.
    """
    digest = hashlib.sha256()
    for value in model.get_weights():
        digest.update(value.tobytes())
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / f"{model.name}.keras")
        model.save(path)
        graph = convert(path)
    graph.provenance |= {"sha256": digest.hexdigest()} | provenance
    return graph
