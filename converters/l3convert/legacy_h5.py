"""Keras .h5: whole models of Keras 2 and 3 (model_config), and the published weights-only files.

Layout: attribute layer_names on the group of weights (root, or /model_weights in a whole model), one group a layer, whose
attribute weight_names holds the paths of its arrays below it.
"""

from __future__ import annotations

import json

import h5py
import numpy as np

from l3convert.hdf5 import opened
from l3convert.keras_config import KerasLayer, chain
from l3convert.published import architecture
from l3host.errors import L3Error, malformed, reason


def read(data: bytes) -> list[KerasLayer]:
    """Return the layers of an HDF5 file, in order, with weights. Raises L3Error for a damaged or a foreign file."""
    try:
        with opened(data) as file:
            return _whole_model(file) if "model_config" in file.attrs else architecture(_weights_only(file))
    except malformed() as e:
        raise L3Error(f"damaged or no Keras .h5 file: {reason(e)}") from None


def _whole_model(file: h5py.File) -> list[KerasLayer]:
    layers = chain(json.loads(_text(file.attrs["model_config"])))
    group = file["model_weights"]
    for layer in layers:
        if layer.name in group:
            layer.weights = _weights(group[layer.name])
    return layers


def _weights_only(file: h5py.File) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Return (layer name, weights) of every layer that has weights, in the file's order."""
    if "layer_names" not in file.attrs:
        raise L3Error(
            "an HDF5 file without model_config or layer_names: save the whole Keras model (.keras or .h5), not its weights"
        )
    named = [(name, _weights(file[name])) for name in map(_text, file.attrs["layer_names"])]
    return [(name, weights) for name, weights in named if weights]


def _weights(group: h5py.Group) -> dict[str, np.ndarray]:
    paths = map(_text, group.attrs.get("weight_names", ()))
    return {path.rsplit("/", 1)[-1].split(":")[0]: group[path][()] for path in paths}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
