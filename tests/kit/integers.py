"""Integers of networks in the device's order, as micropython_scripts/integer_window.py computes them, and sounds for them."""

import numpy as np
from support import SCRIPTS

from l3host.sound import synth
from l3host.sound.audio import resample, to_pcm
from l3host.sound.windows import windows_of

SCRIPT = SCRIPTS / "integer_window.py"


def sounds(graph, seconds=2.0):
    fe = graph.frontend
    signals = [resample(f(np.random.default_rng(1), seconds), synth.RATE, fe.sample_rate) for f in synth.CALIBRATION.values()]
    return np.concatenate([windows_of(to_pcm(s), fe.window, fe.window // 2, center=False) for s in signals])


def in_device_order(graph, run):
    """The reference's integers as the board writes them: plane, embedding, logits."""
    fe = graph.frontend
    plane = run.plane[0].T.reshape(fe.frames, fe.bands)
    return np.concatenate([plane.ravel(), run.embedding[0], run.outputs[-1].ravel()])
