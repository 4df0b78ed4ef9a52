"""Keras 3 .keras: a zip of config.json and model.weights.h5.

The weights stand at layers/<group>/vars/<number>. The group is the layer's class in snake case and a count within that class,
in the order of the configuration; newer Keras also writes the layer's own name as an attribute of vars.
"""

from __future__ import annotations

import io
import json
import re
import zipfile

import h5py
import numpy as np

from l3convert.hdf5 import WEIGHTS, opened, unpacked
from l3convert.keras_config import KerasLayer, chain
from l3host import costs
from l3host.errors import L3Error, malformed, reason


def read(data: bytes) -> list[KerasLayer]:
    """Return the layers of a .keras file, in order, with weights. Raises L3Error for a damaged or a foreign file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            model = json.loads(unpacked(archive, "config.json", costs.TEXT_BYTES))
            weights = unpacked(archive, WEIGHTS, costs.FILE_BYTES)
        layers = chain(model)
        with opened(weights) as file:
            groups = _groups(file["layers"], model["config"]["layers"])
            for layer in layers:
                if layer.name in groups:
                    layer.weights = _named(layer, groups[layer.name])
    except malformed() as e:
        raise L3Error(f"damaged or no .keras file: {reason(e)}") from None
    return layers


def _groups(stored: h5py.Group, entries: list[dict]) -> dict[str, h5py.Group]:
    """Return layer name -> the group of its variables: by the name written there or, where Keras wrote none, by class and count."""
    by_name = {group["vars"].attrs.get("name"): group["vars"] for group in stored.values() if "vars" in group}
    counts: dict[str, int] = {}
    groups = {}
    for entry in entries:
        name, base = entry["config"]["name"], snake_case(entry["class_name"])
        count = counts[base] = counts.get(base, -1) + 1
        by_class = f"{base}_{count}" if count else base
        if name in by_name:
            groups[name] = by_name[name]
        elif by_class in stored and "vars" in stored[by_class]:
            groups[name] = stored[by_class]["vars"]
    return groups


def snake_case(name: str) -> str:
    """Return a class's name by Keras's own rule: Conv2D -> conv2d, MaxPooling2D -> max_pooling2d, ReLU -> re_lu."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _named(layer: KerasLayer, variables: h5py.Group) -> dict[str, np.ndarray]:
    """Give the numbered variables the names that they have in an .h5: Keras writes the trainable ones first."""
    config = layer.config
    names = {
        "Conv2D": ["kernel"] + ["bias"] * bool(config.get("use_bias", True)),
        "Dense": ["kernel"] + ["bias"] * bool(config.get("use_bias", True)),
        "BatchNormalization": ["gamma"] * bool(config.get("scale", True))
        + ["beta"] * bool(config.get("center", True))
        + ["moving_mean", "moving_variance"],
    }.get(layer.class_name, [])
    if names and len(variables) != len(names):
        raise layer.error(f"{len(variables)} arrays in the file: supported are {', '.join(names)} (no quantised or LoRA layers)")
    return {name: variables[str(i)][()] for i, name in enumerate(names)}
