"""Integers of networks: what tests/board/fixed.py computes, in the order of the device, and sounds to compute them from."""

import numpy as np
from support import BOARD

from l3host.sound import synth
from l3host.sound.audio import resample, to_pcm
from l3host.sound.windows import windows_of

SCRIPT = BOARD / "fixed.py"


def sounds(graph, seconds=2.0):
    fe = graph.frontend
    signals = [resample(f(np.random.default_rng(1), seconds), synth.RATE, fe.sample_rate) for f in synth.CALIBRATION.values()]
    return np.concatenate([windows_of(to_pcm(s), fe.window, fe.window // 2, center=False) for s in signals])


def in_device_order(graph, run):
    """The reference's integers as the board writes them: plane, embedding, logits."""
    fe = graph.frontend
    plane = run.plane[0].T.reshape(fe.frames, fe.bands)
    return np.concatenate([plane.ravel(), run.embedding[0], run.outputs[-1].ravel()])
