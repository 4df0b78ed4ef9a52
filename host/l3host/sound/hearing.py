"""What a network hears of a sound: the one definition behind train, evaluate, classify, emulate, calibration and recipes.

A recording is made mono (the mean of its channels) and brought to the model's rate (audio.resample); if any of it is then beyond
full scale, all of it is scaled down; it is rounded to 16 bits; the offset is taken off. The last step is the board's own, bit for
bit (remove_offset in l3mote/kernels/capture.py), so a recording at the model's rate is heard alike on both.

A board does the same to what its microphone brings, with two differences: the offset goes before the rate is changed, and the
low-pass is the board's (l3mote/ring.py), which limits what it makes louder than full scale.

`embed` and get_embedding alone are the published packages': floats, nothing taken off.
"""

from __future__ import annotations

import warnings
from array import array

import numpy as np

from l3host.sound import audio
from l3mote.kernels.capture import offset_memory, remove_offset


def hear(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """What a network that takes `target` Hz hears: int16 (N,). samples: (N,) or (N, channels), signed integers or floats.

    Raises and warns as pcm does.
    """
    return without_offset(pcm(samples, rate, target), target)


def load(path: str, target: int) -> np.ndarray:
    """hear a file. Raises L3Error."""
    with audio.naming(path):
        return hear(*audio.read(path), target)


def pcm(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """int16 samples that a microphone's driver would give at `target` Hz, the offset still in them.

    Warns of sound beyond full scale, which is scaled down as a whole, and as audio.mono does. Raises L3Error.
    """
    mono = audio.mono(samples, rate)
    # the resampler takes what is outside for zeros: without its offset the sound has no step at its ends
    rest = np.round(mono.mean() * 32768) / 32768
    signal = audio.resample(mono - rest, int(rate), target) + rest
    loudest = np.abs(mono).max()
    if loudest > 1:
        warnings.warn(f"louder than full scale (its largest sample is {loudest:.4g}): all of it is scaled down", stacklevel=3)
    return audio.to_pcm(signal / max(1.0, np.abs(signal).max()))


def load_pcm(path: str, target: int) -> np.ndarray:
    """pcm of a file. Raises L3Error."""
    with audio.naming(path):
        return pcm(*audio.read(path), target)


def without_offset(samples: np.ndarray, rate: int) -> np.ndarray:
    """int16 samples as the board's capture passes them on."""
    x = array("h", samples.tobytes())
    remove_offset(x, offset_memory(rate), (0, len(x)))
    return np.frombuffer(x, np.int16)
