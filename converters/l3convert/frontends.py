"""Front-end layers of Keras models -> Frontend: kapre 0.1.4's Melspectrogram and Spectrogram, and our own l3mote>LogMel."""

from __future__ import annotations

import numpy as np

from l3convert.keras_config import KerasLayer
from l3host.graph.network import FRONTENDS, frontend
from l3host.reference import floats
from l3mote import format as fmt
from l3mote.opening import frontend_problem

# What the one front-end that the device computes fixes; kapre's layers can do more.
MEL_ONLY = {
    "power_spectrogram": 2.0,
    "return_decibel_spectrogram": False,
    "power_melgram": 1.0,
    "return_decibel_melgram": True,
    "htk": True,
    "norm": 1,
    "image_data_format": "channels_last",
}
LINEAR_ONLY = {"power_spectrogram": 1.0, "return_decibel_spectrogram": True, "image_data_format": "channels_last"}
PADDING = {"same": fmt.PADDING_SAME, "valid": fmt.PADDING_VALID}
FLOOR, DYNAMIC_RANGE = 1e-10, 80.0  # constants in kapre's amplitude_to_decibel
KERNEL_TOLERANCE = 1e-5  # relative to the largest value; published files agree to 1e-7 (float32)


def mel(layer: KerasLayer, shape: list, name: str | None) -> fmt.Frontend:
    """Return the kapre Melspectrogram. shape: the input's (batch, 1, samples).

    Raises L3Error for settings that the device lacks.
    """
    config = layer.config
    _only(layer, MEL_ONLY)
    fmax = config["fmax"] if config.get("fmax") is not None else config["sr"] / 2
    window = _window(layer, shape)
    return fmt.Frontend(
        config["sr"], window, window // 2, config["n_dft"], config["n_hop"], config["n_mels"], fmt.SCALE_MEL, _padding(layer),
        float(config["fmin"]), float(fmax), FLOOR, DYNAMIC_RANGE, 1.0, 0.0,
    )  # fmt: skip


def linear(layer: KerasLayer, shape: list, name: str | None) -> fmt.Frontend:
    """Return the kapre Spectrogram. It does not know its sample rate, so it must be the published front-end, or the one named."""
    config = layer.config
    _only(layer, LINEAR_ONLY)
    ours = (_window(layer, shape), config["n_dft"], config["n_hop"], config["n_dft"] // 2 + 1, _padding(layer))
    for known in map(frontend, [name] if name else FRONTENDS):
        if ours == (known.window, known.n_fft, known.hop_length, known.bands, known.padding):
            return known
    raise layer.error(f"(window, DFT, hop, bands, padding) {ours} is not a known linear front-end: supported is 'linear'")


def log_mel(layer: KerasLayer, shape: list, name: str | None) -> fmt.Frontend:
    """Return the front-end of our own Keras layer: its configuration holds the fields themselves."""
    values = {"norm_scale": 1.0, "norm_shift": 0.0} | {k: v for k, v in layer.config.items() if k in fmt.Frontend.FIELDS}
    missing = [field for field in fmt.Frontend.FIELDS if field not in values]
    if missing:
        raise layer.error(f"{', '.join(missing)} missing from its configuration")
    if shape and shape[-1] not in (None, values["window"]):
        raise layer.error(f"window of {values['window']} on an input of {shape[-1]} samples")
    return fmt.Frontend(*(values[field] for field in fmt.Frontend.FIELDS))


LAYERS = {"Melspectrogram": mel, "Spectrogram": linear, "l3mote>LogMel": log_mel}


def read(layer: KerasLayer, shape: list, name: str | None) -> fmt.Frontend:
    """Return the front-end that a layer stands for, its stored kernels checked.

    name: the one that the caller asked for, or None.
    """
    try:
        fe = LAYERS[layer.class_name](layer, shape, name)
    except KeyError as e:
        raise layer.error(f"{e} missing from its configuration") from None
    problem = frontend_problem(fe)
    if problem:
        raise layer.error(f"{problem} {getattr(fe, problem)} is out of range")
    if name:
        _same(layer, fe, frontend(name), name)
    _check_kernels(layer, fe)
    return fe


def _same(layer: KerasLayer, fe: fmt.Frontend, asked: fmt.Frontend, name: str) -> None:
    for field in fmt.Frontend.FIELDS:
        mine, theirs = getattr(fe, field), getattr(asked, field)
        if field not in ("hop", "norm_scale", "norm_shift") and mine != theirs:
            raise layer.error(f"{field} is {mine}, front-end {name} has {theirs}: leave --frontend out")


def _only(layer: KerasLayer, supported: dict) -> None:
    for key, value in supported.items():
        if layer.config.get(key) != value:
            raise layer.error(f"{key} is {layer.config.get(key)!r}: supported is {value!r}")


def _padding(layer: KerasLayer) -> int:
    if layer.config["padding"] not in PADDING:
        raise layer.error(f"padding is {layer.config['padding']!r}: supported are {', '.join(PADDING)}")
    return PADDING[layer.config["padding"]]


def _window(layer: KerasLayer, shape: list) -> int:
    """Return the samples of a kapre input, (batch, channels, samples)."""
    if len(shape) != 3 or shape[1] != 1 or not shape[2]:
        raise layer.error(f"input {tuple(shape)}: supported is (batch, 1, samples) with a fixed number of samples")
    return shape[2]


def _check_kernels(layer: KerasLayer, fe: fmt.Frontend) -> None:
    """Check that the DFT kernels and mel matrix of the file (kapre lets them be trained) are those that the device computes."""
    for name, array in layer.weights.items():
        expected = floats.mel_matrix(fe) if array.ndim == 2 else _dft(fe, name)
        got = array.reshape(len(array), -1).astype(np.float64)
        if got.shape != expected.shape or _distance(got, expected) > KERNEL_TOLERANCE * expected.max():
            raise layer.error(f"{name} is not the Hann DFT or HTK mel matrix of its settings: a trained front-end is not supported")


def _distance(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference, up to a sign of the whole, which power does not have."""
    return min(np.abs(got - expected).max(), np.abs(got + expected).max())


def _dft(fe: fmt.Frontend, name: str) -> np.ndarray:
    """Return the windowed DFT kernels, (n_fft, n_fft / 2 + 1)."""
    n = np.arange(fe.n_fft)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / fe.n_fft)
    angles = 2 * np.pi * np.outer(n, np.arange(fe.n_fft // 2 + 1)) / fe.n_fft
    return hann[:, None] * (np.sin(angles) if name.startswith("imag") else np.cos(angles))
