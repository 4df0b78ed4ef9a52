"""What Keras files of all versions have in common: the model's configuration, as a chain of layers from input to output."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from l3host.errors import L3Error


@dataclass
class KerasLayer:
    """One layer as the file describes it. weights: name without path or ':0' -> array, as stored."""

    class_name: str  # as registered, e.g. "Conv2D" or "l3mote>LogMel"
    name: str
    config: dict
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def error(self, what: str) -> L3Error:
        return L3Error(f"layer {self.name} ({self.class_name}): {what}")


def chain(model: dict) -> list[KerasLayer]:
    """The model's layers without weights, in order, an InputLayer first.

    model: Keras's {"class_name", "config"}. Raises L3Error for a branch, a shared layer or a custom class, and
    one of malformed() for a dictionary that Keras did not write.
    """
    kind, config = model["class_name"], model["config"]
    if kind == "Sequential":
        return _sequential(config)
    if kind in ("Model", "Functional"):
        return _functional(config)
    raise L3Error(f"model of class {kind}: supported are Sequential and linear Functional models")


def _layer(entry: dict) -> KerasLayer:
    config = entry["config"]
    return KerasLayer(entry.get("registered_name") or entry["class_name"], entry.get("name") or config["name"], config)


def _sequential(config) -> list[KerasLayer]:
    """Return the layers in file order; an InputLayer is made up from the recorded shape where the file has none (Keras 2)."""
    entries = config if isinstance(config, list) else config["layers"]
    layers = [_layer(entry) for entry in entries]
    if layers[0].class_name != "InputLayer":
        shape = layers[0].config.get("batch_input_shape")
        if shape is None and isinstance(config, dict):
            shape = config.get("build_input_shape")
        layers.insert(0, KerasLayer("InputLayer", "input", {"batch_shape": shape}))
    return layers


def _functional(config: dict) -> list[KerasLayer]:
    """Follow the connections from the one input; every layer must have one producer and one consumer."""
    entries = {_layer(entry).name: entry for entry in config["layers"]}
    consumers: dict[str, list[str]] = {}
    sources = []
    for name, entry in entries.items():
        producers = _producers(entry["inbound_nodes"])
        if len(producers) > 1:
            raise _layer(entry).error(f"takes {' and '.join(producers)}: supported is one chain of layers, each used once")
        for producer in producers:
            consumers.setdefault(producer, []).append(name)
        if not producers:
            sources.append(name)
    if len(sources) != 1:
        raise L3Error(f"inputs {', '.join(sources) or 'none'}: supported is a model of one input")
    names = sources
    while names[-1] in consumers:
        following = consumers[names[-1]]
        if len(following) > 1 or len(names) > len(entries):
            raise _layer(entries[names[-1]]).error(f"feeds {' and '.join(following)}: supported is one chain of layers")
        names.append(following[0])
    outputs = _output_names(config["output_layers"])
    if outputs != [names[-1]]:
        raise L3Error(f"outputs {', '.join(outputs)}: supported is one output, at the end of the chain (layer {names[-1]})")
    return [_layer(entries[name]) for name in names]


def _output_names(outputs: list) -> list[str]:
    """Return [["name", 0, 0], ...], or ["name", 0, 0] alone as Keras 3 writes it."""
    return [outputs[0]] if isinstance(outputs[0], str) else [output[0] for output in outputs]


def _producers(nodes: list) -> list[str]:
    """Return names of the layers that feed a layer, over all its calls, in either form of inbound_nodes.

    Keras 2: [[["name", 0, 0, {}], ...], ...]; Keras 3: [{"args": [{"class_name": "__keras_tensor__", ...}], ...}, ...].
    """
    names: list[str] = []
    for node in nodes:
        names += _tensors(node) if isinstance(node, dict) else [connection[0] for connection in node]
    return names


def _tensors(value) -> list[str]:
    """Return names of the layers behind every Keras 3 tensor inside a nested value."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return [value["config"]["keras_history"][0]]
        value = list(value.values())
    if isinstance(value, list):
        return [name for item in value for name in _tensors(item)]
    return []
