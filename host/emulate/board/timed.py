"""Runs on boards: a model whose self-test has a clock around each layer, `make bench`'s and `l3mote bench`'s.

Weights are decoded, summed, rectified and pooled inside the clock's time; reading the file is outside. The clock takes some
thousand cycles a chunk, so a whole window is to be timed before.
"""

import time

from l3mote import Model


class TimedModel(Model):
    """us: microseconds in the kernel of each layer, by its id(), once the self-test has run."""

    def selftest(self):
        self.us = {id(layer): 0 for layer in self.layers}
        self.kernel.conv, self.kernel.dense = self.timed(self.kernel.conv), self.timed(self.kernel.dense)
        return super().selftest()

    def timed(self, function):
        us, ticks = self.us, time.ticks_us

        def call(chunk, *rest):
            start = ticks()
            function(chunk, *rest)
            us[id(chunk.layer)] += time.ticks_diff(ticks(), start)

        return call
