"""The published weights-only files: which network they belong to follows from the names and shapes of what is inside."""

from __future__ import annotations

import numpy as np

from l3convert.keras_config import KerasLayer
from l3host.errors import L3Error
from l3host.graph.l3 import POOLED
from l3host.graph.network import FRONTENDS, frontend
from l3mote.format import SCALE_MEL

CONVS = 8


def architecture(weights: list[tuple[str, dict[str, np.ndarray]]]) -> list[KerasLayer]:
    """Turn (layer name, weights) in file order into L3's audio network, with configurations made up from the published code.

    Front-end, input batch norm, then eight convolutions, each but the last followed by batch norm and ReLU. The last is bare
    (EdgeL3, OpenL3) or has batch norm, ReLU and a pool of the whole plane (SEA). OpenL3 0.4's files hold no front-end: the
    caller names it. Raises L3Error for any other file.
    """
    kinds = [_kind(name, arrays) for name, arrays in weights]
    stored = kinds[:1] == ["frontend"]
    bare = ["frontend"] * stored + ["BatchNormalization"] + ["Conv2D", "BatchNormalization"] * (CONVS - 1) + ["Conv2D"]
    if kinds not in (bare, bare + ["BatchNormalization"]):
        raise L3Error(
            f"weights of {' '.join(kinds)}: a weights-only file must be a published L3 audio network (front-end, batch norm, "
            f"{CONVS} convolutions with batch norm); save the whole Keras model (.keras or .h5) instead"
        )
    layers = _frontend(*weights[0]) if stored else [KerasLayer("InputLayer", "input", {"batch_shape": [None, None, None, 1]})]
    convs = 0
    for (name, arrays), kind in zip(weights[stored:], kinds[stored:], strict=True):
        layers.append(KerasLayer(kind, name, _CONFIGS[kind], arrays))
        if kind == "Conv2D":
            convs += 1
        elif convs:
            layers += _after_norm(convs)
    return layers


_CONFIGS = {"Conv2D": {"kernel_size": [3, 3], "padding": "same"}, "BatchNormalization": {}}


def _after_norm(convs: int) -> list[KerasLayer]:
    """Return the layers without weights that stand after the batch norm of a convolution (1 to 8)."""
    layers = [KerasLayer("ReLU", f"activation_{convs}", {})]
    if convs in POOLED:
        layers.append(KerasLayer("MaxPooling2D", f"max_pooling2d_{convs // 2}", {"pool_size": [2, 2]}))
    if convs == CONVS:
        layers.append(KerasLayer("GlobalMaxPooling2D", f"max_pooling2d_{convs // 2}", {}))
    return layers


def _kind(name: str, arrays: dict[str, np.ndarray]) -> str:
    if "real_kernels" in arrays:
        return "frontend"
    if "moving_variance" in arrays:
        return "BatchNormalization"
    if "kernel" in arrays and arrays["kernel"].ndim == 4:
        return "Conv2D"
    return name


def _frontend(name: str, arrays: dict[str, np.ndarray]) -> list[KerasLayer]:
    """Return the input and the front-end layer: the published front-end of this DFT length and number of bands."""
    n_fft = len(arrays["real_kernels"])
    mel = [array for array in arrays.values() if array.ndim == 2]
    bands = mel[0].shape[1] if mel else n_fft // 2 + 1
    for known in map(frontend, FRONTENDS):
        if (known.n_fft, known.bands, known.scale == SCALE_MEL) == (n_fft, bands, bool(mel)):
            shape = [None, 1, known.window]
            source = KerasLayer("InputLayer", "input", {"batch_shape": shape})
            return [source, KerasLayer("l3mote>LogMel", name, vars(known), arrays)]
    raise L3Error(f"layer {name}: no published front-end ({', '.join(FRONTENDS)}) has a DFT of {n_fft} and {bands} bands")
