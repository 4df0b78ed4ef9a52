"""The oracle: an obvious NumPy interpreter of a Graph, in float64 or float32, that keeps every layer's output.

Written from the published definitions (facts: SEA-64 exactly), independent of the device code that is compared with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l3host.graph.network import Conv, Graph
from l3mote.format import SCALE_MEL, Frontend


def mel_matrix(fe: Frontend) -> np.ndarray:
    """Return the area-normalised HTK mel filterbank, (n_fft / 2 + 1, bands), float64."""
    freqs = np.linspace(0, fe.sample_rate / 2, fe.n_fft // 2 + 1)
    low, high = (2595 * np.log10(1 + f / 700) for f in (fe.fmin, fe.fmax))
    edges = 700 * (10 ** (np.linspace(low, high, fe.bands + 2) / 2595) - 1)
    rising = (freqs[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - freqs[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))


def filterbank(fe: Frontend) -> np.ndarray:
    """Return the bands of a front-end as weights of the spectrum's bins, (n_fft / 2 + 1, bands)."""
    return mel_matrix(fe) if fe.scale == SCALE_MEL else np.eye(fe.n_fft // 2 + 1)


def frames(fe: Frontend, windows: np.ndarray) -> np.ndarray:
    """Cut windows (N, window) into frames (N, frames, n_fft), zero-padded as TensorFlow's 'same' or 'valid' does."""
    needed = (fe.frames - 1) * fe.hop_length + fe.n_fft
    before = fe.pad_before
    after = max(0, needed - before - windows.shape[1])
    padded = np.pad(windows, ((0, 0), (before, after)))
    return np.lib.stride_tricks.sliding_window_view(padded, fe.n_fft, axis=1)[:, :: fe.hop_length][:, : fe.frames]


def log_mel(fe: Frontend, windows: np.ndarray, dtype=np.float64) -> np.ndarray:
    """Return each window's plane in dB, (N, bands, frames), 0 at the window's maximum, before the input batch norm.

    windows: (N, window) samples in [-1, 1]. Kapre 0.1.4's definition: 10 log10 of the square root of the mel power.
    """
    n = np.arange(fe.n_fft)
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * n / fe.n_fft)).astype(dtype)
    spectrum = np.fft.rfft(frames(fe, windows.astype(dtype)) * hann)
    power = spectrum.real**2 + spectrum.imag**2
    if fe.scale == SCALE_MEL:
        power = power @ mel_matrix(fe).astype(dtype)
    db = 10 * np.log10(np.maximum(np.sqrt(power), fe.floor))
    db -= db.max(axis=(1, 2), keepdims=True)
    return np.maximum(db, -fe.dynamic_range).transpose(0, 2, 1).astype(dtype)


def conv3x3(x: np.ndarray, layer: Conv) -> np.ndarray:
    """Compute a 'same' convolution and bias: (N, H, W, in) -> (N, H, W, out), as one matrix product."""
    n, h, w, channels = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    columns = np.empty((n, h, w, 9, channels), x.dtype)
    for tap in range(9):
        i, j = divmod(tap, 3)
        columns[..., tap, :] = padded[:, i : i + h, j : j + w]
    out = columns.reshape(-1, 9 * channels) @ layer.kernel.reshape(9 * channels, -1).astype(x.dtype)
    return (out + layer.bias.astype(x.dtype)).reshape(n, h, w, -1)


def max_pool(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Max-pool with stride = size, floor: (N, H, W, C) -> (N, H // size[0], W // size[1], C)."""
    if size == (1, 1):
        return x
    rows, cols = x.shape[1] // size[0], x.shape[2] // size[1]
    x = x[:, : rows * size[0], : cols * size[1]]
    return x.reshape(len(x), rows, size[0], cols, size[1], -1).max(axis=(2, 4))


def activate(x: np.ndarray, activation: str) -> np.ndarray:
    if activation == "relu":
        return np.maximum(x, 0)
    if activation == "sigmoid":
        e = np.exp(-np.abs(x))  # never overflows
        return np.where(x >= 0, 1, e) / (1 + e)
    if activation == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    return x


@dataclass
class Run:
    """All results of a run. Planes are (N, bands, frames, channels) in the reference's orientation."""

    plane: np.ndarray  # (N, bands, frames): log-mel after the input batch norm
    outputs: list[np.ndarray]  # after each layer (a convolution's after its ReLU and pool)
    embedding: np.ndarray  # (N, D)
    output: np.ndarray  # (N, outputs of the last layer): scores, or the embedding


def network(graph: Graph, plane: np.ndarray) -> Run:
    """Run the layers on normalised log-mel planes (N, bands, frames), in the plane's dtype."""
    x = plane[..., None]
    outputs = []
    for layer in graph.convs:
        x = max_pool(activate(conv3x3(x, layer), layer.activation), layer.pool)
        outputs.append(x)
    embedding = x = x.reshape(len(x), -1)
    for dense in graph.denses:
        x = activate(x @ dense.kernel.astype(x.dtype) + dense.bias.astype(x.dtype), dense.activation)
        outputs.append(x)
    return Run(plane, outputs, embedding, x)


def normalised(graph: Graph, windows: np.ndarray, dtype=np.float64) -> np.ndarray:
    """Return the network's input: log-mel and input batch norm, (N, bands, frames)."""
    fe = graph.frontend
    return log_mel(fe, windows, dtype) * dtype(fe.norm_scale) + dtype(fe.norm_shift)


def run(graph: Graph, windows: np.ndarray, dtype=np.float64) -> Run:
    """Run windows of samples (N, window) in [-1, 1]; return every layer's output."""
    return network(graph, normalised(graph, windows, dtype))
