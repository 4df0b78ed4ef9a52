"""Windows of sound: of a signal, of a recording as a board would hear it, and of what a model is calibrated on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from l3host.sound import audio, hearing, synth
from l3mote.format import Frontend


def windows_of(signal: np.ndarray, length: int, hop: int, center: bool) -> np.ndarray:
    """Cut a signal into overlapping windows (N, length), padded so that every sample is in one.

    center: pad half a window before, so that a timestamp is the middle of its window (published convention).
    """
    if center:
        signal = np.pad(signal, (length // 2, 0))
    missing = length - len(signal) if len(signal) < length else -(len(signal) - length) % hop
    signal = np.pad(signal, (0, missing))
    return np.lib.stride_tricks.sliding_window_view(signal, length)[::hop]


def recording_windows(signal: np.ndarray, fe: Frontend, hop: int, center: bool = False) -> np.ndarray:
    """windows_of a recording at the front-end's rate; warns when it is shorter than one window."""
    if len(signal) < fe.window:
        warnings.warn("audio is shorter than one window: padded with zeros", stacklevel=3)
    return windows_of(signal, fe.window, hop, center)


def pcm_windows(fe: Frontend, name: str) -> np.ndarray:
    """The int16 windows of a file that a board would hear one after the other."""
    with audio.naming(name):
        return recording_windows(hearing.load(name, fe.sample_rate), fe, fe.hop)


def calibration_windows(fe: Frontend, files: Sequence[str] = ()) -> np.ndarray:
    """int16 windows of the recordings given, or of synthesised sounds when none is."""
    if files:
        return np.concatenate([pcm_windows(fe, name) for name in files])
    sounds = [hearing.hear(synth.sound(name), synth.RATE, fe.sample_rate) for name in synth.CALIBRATION]
    return np.concatenate([windows_of(sound, fe.window, fe.window // 2, center=False) for sound in sounds])
