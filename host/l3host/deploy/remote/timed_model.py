"""Runs on boards: a model whose self-test times a window as programs run it, then each layer, for `make bench` and `l3mote bench`.

In a layer's time weights are decoded, summed, rectified and pooled; reading the file is outside. That clock takes some thousand
cycles a chunk, so the window is timed before.
"""

import gc
import time

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
