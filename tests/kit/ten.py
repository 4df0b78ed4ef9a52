"""A real classifier for tests, what it costs a board, and sounds that it knows.

It shipped until November 2026: ten sounds at 8 kHz, calibrated. What ships may change without tests that only need such a model.
"""

from pathlib import Path

import numpy as np

from l3host.sound import audio, synth
from l3host.sound.resampling import resample

TEN = str(Path(__file__).with_name("ten-8k.l3m"))
WINDOW_SECONDS = 64.0e6 / 125e6  # what a window of it costs an RP2040: BENCHMARKS.md of version 0.1


def sounds(rate):
    """Thirteen seconds of four of the model's classes, with pauses, int16."""
    parts = [np.pad(synth.sound(name), (0, synth.RATE // 3)) for name in synth.SOUNDS]
    return audio.to_pcm(resample(np.concatenate(parts), synth.RATE, rate))
