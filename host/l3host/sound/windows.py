"""Windows of sound: of a signal, of a recording as a board would hear it, and of what a model is calibrated on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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


def cut(sound: Iterable[np.ndarray], length: int, hop: int, center: bool, size: int, name: str = "") -> Iterator[np.ndarray]:
    """Yield windows_of() a signal that comes in blocks, `size` at a time, (size, length); the last ones may be fewer.

    Warns, with the file's name, when the signal is shorter than one window.
    """
    lead = length // 2 if center else 0
    rest, taken, made = np.zeros(lead), 0, 0
    span = (size - 1) * hop + length
    for block in sound:
        rest, taken = np.concatenate([rest.astype(block.dtype, copy=False), block]), taken + len(block)
        while len(rest) >= max(span, size * hop):
            yield np.lib.stride_tricks.sliding_window_view(rest[:span], length)[::hop]
            rest, made = rest[size * hop :], made + size
    if taken < length:
        audio.warn(name, "audio is shorter than one window: padded with zeros")
    left = 1 + max(0, -(-(lead + taken - length) // hop)) - made
    if left:
        windows = windows_of(np.pad(rest, (0, (left - 1) * hop + length - len(rest))), length, hop, center=False)
        yield windows[:size]
        if left > size:
            yield windows[size:]


def heard_windows(fe: Frontend, path: str, size: int) -> Iterator[np.ndarray]:
    """Yield the int16 windows of a file as a board would hear them, `size` at a time. Raises L3Error."""
    with audio.naming(path):
        yield from cut(hearing.blocks(audio.recording(path), fe.sample_rate), fe.window, fe.hop, False, size, path)


def pcm_windows(fe: Frontend, path: str) -> np.ndarray:
    """Return all of heard_windows()."""
    return np.concatenate(list(heard_windows(fe, path, 64)))


def calibration_windows(fe: Frontend, files: Sequence[str] = ()) -> np.ndarray:
    """Return int16 windows of the recordings given, or of synthesised sounds when none is."""
    if files:
        return np.concatenate([pcm_windows(fe, name) for name in files])
    sounds = [hearing.hear(synth.sound(name), synth.RATE, fe.sample_rate) for name in synth.CALIBRATION]
    return np.concatenate([windows_of(sound, fe.window, fe.window // 2, center=False) for sound in sounds])
