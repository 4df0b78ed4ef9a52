"""Board side of budget.py: times each piece of a window in a window of its own. Writes pieces.json, in microseconds.

A clock around a call costs a microsecond or two, so each window times only one kind of call.
"""

import gc
import json
import sys
import time

from l3mote import Model
from l3mote.kernels import native
from l3mote.model import test_signal

ticks, diff = time.ticks_us, time.ticks_diff
ROWS = 19  # slot of conv_t: rows that are computed


class Clock:
    """Microseconds in calls of a function."""

    def __init__(self):
        self.us = self.calls = 0

    def around(self, function):
        def call(*args):
            start = ticks()
            result = function(*args)
            self.us += diff(ticks(), start)
            self.calls += 1
            return result

        return call


def window(model):
    """Microseconds of a window and of its log-mel, and bytes of garbage. Allocates nothing itself, which costs time."""
    test_signal(model.pcm, model.reader.seed)
    steps = model.steps()
    gc.collect()
    free, start = gc.mem_free(), ticks()
    for _ in range(model.reader.frontend.frames + 1):  # and the normalisation
        next(steps)
    middle = ticks()
    for _ in steps:
        pass
    stop = ticks()
    return diff(stop, start), diff(middle, start), free - gc.mem_free()


def convolutions(model):
    """Microseconds in the native convolution, and what of it is left without rows of pixels: weights decoded, filters set up."""
    spent = [0, 0, 0]  # microseconds in all, those without rows, calls
    original = native.native_conv

    def conv(*args):
        p = args[3]
        n = p[ROWS]
        p[ROWS] = 1  # whose results the call of all rows makes once more
        start = ticks()
        original(*args)
        middle = ticks()
        p[ROWS] = n
        done = original(*args)
        one, whole = diff(middle, start), diff(ticks(), middle)
        spent[0] += whole
        spent[1] += one - (whole - one) // max(1, n - 1)
        spent[2] += 1
        return done

    native.native_conv = conv
    window(model)
    native.native_conv = original
    return spent


def reading(model):
    clock, weights, file = Clock(), model.weights, model.weights.file

    class File:
        seek = clock.around(file.seek)

    weights.file, weights.fill = File, clock.around(file.readinto)
    window(model)
    weights.file, weights.fill = file, file.readinto
    return clock.us


def checking(model):
    clock, check = Clock(), model.weights.check
    model.weights.check = clock.around(check)
    window(model)
    model.weights.check = check
    return clock.us


def planes(model):
    clock, kernel = Clock(), model.kernel
    kernel.slide, kernel.clear, kernel.flatten = map(clock.around, (kernel.slide, kernel.clear, kernel.flatten))
    window(model)
    return clock.us


def collection():
    start = ticks()
    gc.collect()
    return diff(ticks(), start)


def work(folder):
    with open(folder + "/job.json") as f:
        job = json.load(f)
    model = Model(folder + "/model.l3m", heap=job["plan_heap"], kernel="native")
    pieces = {}
    pieces["window"], pieces["log-mel"], pieces["garbage"] = window(model)
    yield
    pieces["convolutions"], pieces["decoding"], pieces["calls"] = convolutions(model)
    yield
    pieces["reading"] = reading(model)
    pieces["CRC"] = checking(model)
    pieces["planes"] = planes(model)
    pieces["collection"] = collection()
    for name, value in (("pieces", pieces), ("result", {})):
        with open(folder + "/%s.json" % name, "w") as f:
            json.dump(value, f)


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
