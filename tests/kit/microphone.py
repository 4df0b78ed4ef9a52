"""A microphone of the app's that is an array, and what it hears."""

import numpy as np

from l3host.sound import synth
from l3host.sound.audio import to_pcm
from l3host.sound.resampling import resample
from l3mote.mic import Callback

RATE = 8000


def sound():
    """Near silence for 13 seconds, with 4 of a chainsaw from second 3 on, at the model's rate."""
    quiet = 1e-3 * np.random.default_rng(1).normal(size=13 * RATE)
    quiet[3 * RATE : 7 * RATE] = resample(synth.sound("chainsaw", 4.0), synth.RATE, RATE)
    return to_pcm(quiet)


class Microphone(Callback):
    """Sound from an array that waits to be read, `step` samples a call; errors by the number of the call."""

    live = False

    def __init__(self, pcm, errors=(), step=2000):
        super().__init__(self.read, RATE)
        self.pcm, self.errors, self.step = pcm, dict(errors), step
        self.at = self.calls = self.closed = 0

    def read(self, x):
        self.calls += 1
        if self.calls in self.errors:
            raise self.errors.pop(self.calls)
        n = min(len(x), self.step, len(self.pcm) - self.at)
        x[:n] = memoryview(self.pcm[self.at : self.at + n].tobytes()).cast("h")
        self.at += n
        return n or -1

    def close(self):
        self.closed += 1
