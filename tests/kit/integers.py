"""Integers of networks in the device's order, as micropython_scripts/integer_window.py computes them, and sounds for them."""

from io import BytesIO

import numpy as np
from support import SCRIPTS

from l3host.l3m.writer import to_bytes
from l3host.sound import synth
from l3host.sound.audio import to_pcm
from l3host.sound.resampling import resample
from l3host.sound.windows import windows_of
from l3mote import plan
from l3mote.kernels import integer
from l3mote.reader import Reader

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


class Sizes:
    """What either integer kernel allocates at most."""

    itemsize = 2
    plane_bytes = staticmethod(integer.plane_bytes)
    workspace = staticmethod(lambda p: max(integer.workspace(p), 8 * p.max_values + 8 * p.max_cols))
    frontend_bytes = staticmethod(integer.frontend_bytes)


def smallest_heaps(graph):
    """(width, bytes) of a tile and what strips of one row need with it, for each width that there is."""
    reader = Reader(BytesIO(to_bytes(graph)))
    convs = reader.layers[: len(graph.convs)]
    heights = [plan.used_rows(convs[0])] + [1] * (len(convs) - 1)
    return [(width, plan.Plan(reader, Sizes, heights, width).heap_bytes) for width in plan.tile_widths(convs[-1])]
