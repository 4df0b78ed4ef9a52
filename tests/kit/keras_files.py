"""Writes Keras files for the converters' tests: the layout of the published ones, with h5py alone and random weights.

Kernels of the DFT and the mel matrix are computed here from their definitions, independently of the package.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field

import h5py
import numpy as np

L3_FILTERS = (64, 64, 128, 128, 256, 256, 512, 512)
SEA_FILTERS = {
    64: (32, 32, 64, 64, 128, 128, 64, 64),
    128: (32, 32, 64, 64, 128, 128, 128, 128),
    256: (32, 32, 64, 64, 128, 128, 256, 256),
    512: L3_FILTERS,
}


@dataclass
class Layer:
    class_name: str
    name: str
    config: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def plain(class_name: str, name: str, **config) -> Layer:
    return Layer(class_name, name, config)


def image_input(bands: int = 64, frames: int = 50) -> Layer:
    return plain("InputLayer", "input_1", batch_input_shape=[None, bands, frames, 1])


def conv(name: str, inputs: int, outputs: int, density: float = 1.0, **config) -> Layer:
    """He-scaled random weights; density: share of them that are not zero."""
    size = config.get("kernel_size", [3, 3])
    kernel = random(outputs + inputs, *size, inputs, outputs) / np.float32(np.sqrt(4.5 * inputs * density))
    kernel[np.random.default_rng(1).random(kernel.shape, np.float32) >= density] = 0
    base = {
        "filters": outputs, "kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "data_format": "channels_last",
        "dilation_rate": [1, 1], "activation": "linear", "use_bias": True,
    }  # fmt: skip
    return Layer("Conv2D", name, base | config, {"kernel": kernel, "bias": 0.1 * random(3, outputs)})


def norm(name: str, channels: int, **config) -> Layer:
    weights = {
        "gamma": 1 + 0.2 * random(1, channels),
        "beta": 0.3 * random(2, channels),
        "moving_mean": 0.3 * random(3, channels),
        "moving_variance": 0.5 + np.abs(random(4, channels)),
    }
    return Layer("BatchNormalization", name, {"axis": -1, "epsilon": 0.001, "center": True, "scale": True} | config, weights)


def dense(name: str, inputs: int, outputs: int, activation: str = "linear") -> Layer:
    weights = {"kernel": random(inputs, inputs, outputs) / np.float32(np.sqrt(inputs)), "bias": random(5, outputs)}
    return Layer("Dense", name, {"units": outputs, "activation": activation, "use_bias": True}, weights)


# -- kapre's front-ends


def dft_kernels(n_fft: int) -> dict[str, np.ndarray]:
    """Windowed DFT kernels as kapre stores them: the transform of every windowed unit impulse."""
    spectra = np.fft.rfft(np.diag(np.hanning(n_fft + 1)[:-1]))
    parts = {"real_kernels": spectra.real, "imag_kernels": spectra.imag}
    return {name: part.astype(np.float32)[:, None, None, :] for name, part in parts.items()}


def mel_filterbank(sample_rate: int, n_fft: int, bands: int) -> np.ndarray:
    """(n_fft / 2 + 1, bands): triangles on the HTK mel scale from 0 to half the sample rate, each of area 1, bin by bin."""
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    centres = [700 * (10 ** (top * k / (bands + 1) / 2595) - 1) for k in range(bands + 2)]
    bank = np.zeros((n_fft // 2 + 1, bands), np.float64)
    for band in range(bands):
        left, centre, right = centres[band : band + 3]
        for k in range(n_fft // 2 + 1):
            f = k * sample_rate / n_fft
            height = (f - left) / (centre - left) if f < centre else (right - f) / (right - centre)
            bank[k, band] = max(0.0, height) * 2 / (right - left)
    return bank


def melspectrogram(sample_rate: int, n_fft: int, hop: int, bands: int, **config) -> Layer:
    base = {
        "n_dft": n_fft, "n_hop": hop, "padding": "same", "power_spectrogram": 2.0, "return_decibel_spectrogram": False,
        "trainable_kernel": False, "image_data_format": "channels_last", "sr": sample_rate, "n_mels": bands, "fmin": 0.0,
        "fmax": None, "trainable_fb": False, "power_melgram": 1.0, "return_decibel_melgram": True, "htk": True, "norm": 1,
    }  # fmt: skip
    weights = dft_kernels(n_fft) | {"Variable": mel_filterbank(sample_rate, n_fft, bands).astype(np.float32)}
    return Layer("Melspectrogram", "melspectrogram_1", base | config, weights)


def spectrogram(n_fft: int, hop: int, **config) -> Layer:
    base = {
        "n_dft": n_fft, "n_hop": hop, "padding": "valid", "power_spectrogram": 1.0, "return_decibel_spectrogram": True,
        "trainable_kernel": False, "image_data_format": "channels_last",
    }  # fmt: skip
    return Layer("Spectrogram", "spectrogram_1", base | config, dft_kernels(n_fft))


FRONT_ENDS = {
    "sea": lambda: (8000, melspectrogram(8000, 1024, 160, 64)),
    "mel256": lambda: (48000, melspectrogram(48000, 2048, 242, 256)),
    "mel128": lambda: (48000, melspectrogram(48000, 2048, 242, 128)),
    "linear": lambda: (48000, spectrogram(512, 242)),
}


# -- whole networks


def published(front_end: str, filters: tuple, pooled: bool, density: float = 1.0) -> list[Layer]:
    """L3's audio network with the layers and names of the published files. pooled (SEA): BN, ReLU, whole pool end it."""
    window, first = FRONT_ENDS[front_end]()
    layers = [plain("InputLayer", "input_1", batch_input_shape=[None, 1, window]), first, norm("batch_normalization_1", 1)]
    inputs = 1
    for i, outputs in enumerate(filters, 1):
        layers.append(conv("audio_embedding_layer" if i == 8 else f"conv2d_{i}", inputs, outputs, density))
        inputs = outputs
        if i < 8 or pooled:
            layers += [norm(f"batch_normalization_{i + 1}", outputs), plain("Activation", f"activation_{i}", activation="relu")]
        if i in (2, 4, 6):
            layers.append(max_pool(f"max_pooling2d_{i // 2}", [2, 2]))
    if pooled:
        layers += [max_pool("max_pooling2d_4", [8, 6]), plain("Flatten", "flatten_1")]
    return layers


def max_pool(name: str, size: list[int], **config) -> Layer:
    return plain("MaxPooling2D", name, **({"pool_size": size, "strides": size, "padding": "valid"} | config))


def small() -> list[Layer]:
    """A classifier on a 64 x 50 plane; the refusal tests change one thing in it."""
    return [
        image_input(), norm("bn0", 1), conv("conv_a", 1, 4), norm("bn_a", 4), plain("ReLU", "relu_a"),
        max_pool("pool_a", [4, 4]), conv("conv_b", 4, 4), plain("Activation", "relu_b", activation="relu"),
        plain("GlobalMaxPooling2D", "global"), dense("dense_a", 4, 3), plain("Softmax", "softmax"),
    ]  # fmt: skip


# -- writing


def model_config(layers: list[Layer]) -> dict:
    """A Functional chain as Keras 2 wrote it."""
    entries = []
    for i, layer in enumerate(layers):
        inbound = [[[layers[i - 1].name, 0, 0, {}]]] if i else []
        config = {"name": layer.name} | layer.config
        entries.append({"name": layer.name, "class_name": layer.class_name, "config": config, "inbound_nodes": inbound})
    ends = {"input_layers": [[layers[0].name, 0, 0]], "output_layers": [[layers[-1].name, 0, 0]]}
    return {"class_name": "Model", "config": {"name": "audio_model", "layers": entries} | ends}


def write_h5(path, layers: list[Layer], whole: bool = True, config: dict | None = None) -> str:
    """The legacy layout; whole: with model_config (config, or the chain's), as model.save wrote it, not save_weights."""
    with h5py.File(path, "w") as file:
        group = file
        if whole:
            file.attrs["model_config"] = json.dumps(config or model_config(layers)).encode()
            group = file.create_group("model_weights")
        group.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            stored = group.create_group(layer.name)
            names = [f"{layer.name}/{name}:0" for name in layer.weights]
            stored.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, layer.weights.values(), strict=True):
                stored[name] = array
    return str(path)


def rewrite_keras(source, target, edit_config=None, edit_weights=None) -> str:
    """Copy a .keras file, its configuration (a dict) and its weights (an open h5py.File) edited in place."""
    with zipfile.ZipFile(source) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    if edit_config:
        config = json.loads(parts["config.json"])
        edit_config(config)
        parts["config.json"] = json.dumps(config).encode()
    if edit_weights:
        buffer = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(buffer, "r+") as file:
            edit_weights(file)
        parts["model.weights.h5"] = buffer.getvalue()
    with zipfile.ZipFile(target, "w") as new:
        for name, data in parts.items():
            new.writestr(name, data)
    return str(target)
