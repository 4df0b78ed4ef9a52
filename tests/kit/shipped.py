"""The model that ships: what it costs a board, and sounds that it knows."""

import numpy as np

from l3host.sound import audio, synth
from l3host.sound.resampling import resample

WINDOW_SECONDS = 64.0e6 / 125e6  # what a window of the shipped model costs an RP2040: BENCHMARKS.md of version 0.1


def sounds(rate):
    """Thirteen seconds of four of the model's classes, with pauses, int16."""
    parts = [np.pad(synth.sound(name), (0, synth.RATE // 3)) for name in synth.SOUNDS]
    return audio.to_pcm(resample(np.concatenate(parts), synth.RATE, rate))
