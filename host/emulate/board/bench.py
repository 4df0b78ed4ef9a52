"""Runs on the emulated board: job.py's work; then a window as a program runs it, and the self-test's with a clock around each
layer. Writes times.json besides.

job.py lies in the library as measured_job.py. Its window is for the heap: looking at it takes a collection every few steps,
which costs time. In a layer's time weights are decoded, summed, rectified and pooled; reading the file is outside.
"""

import gc
import json
import sys
import time

import measured_job as job

from l3mote import Model
from l3mote.model import test_signal


class TimedModel(Model):
    """times: microseconds of a window, of its front-end, and in the kernel of each layer, once the self-test has run."""

    def selftest(self):
        self.times = self.window()
        self.us = {id(layer): 0 for layer in self.layers}
        self.kernel.conv, self.kernel.dense = self.timed(self.kernel.conv), self.timed(self.kernel.dense)
        result = super().selftest()
        self.times["layers"] = [self.us[id(layer)] for layer in self.layers]
        return result

    def window(self):
        test_signal(self.pcm, self.reader.seed)
        steps = self.steps()
        gc.collect()
        start = time.ticks_us()
        for _ in range(self.reader.frontend.frames + 1):  # and the normalisation
            next(steps)
        middle = time.ticks_us()
        for _ in steps:
            pass
        stop = time.ticks_us()
        return {"window": time.ticks_diff(stop, start), "frontend": time.ticks_diff(middle, start)}

    def timed(self, function):
        us, ticks = self.us, time.ticks_us

        def call(chunk, *rest):
            start = ticks()
            function(chunk, *rest)
            us[id(chunk.layer)] += time.ticks_diff(ticks(), start)

        return call


def work(folder):
    models = []

    def make(*args, **options):
        models.append(TimedModel(*args, **options))
        return models[0]

    for _ in job.work(folder, make):
        yield
    with open(folder + "/times.json", "w") as f:
        json.dump(models[0].times, f)


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
