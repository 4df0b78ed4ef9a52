"""Runs on the emulated board: job.py's work, the self-test's window with a clock around each layer. Writes layers.json besides.

job.py lies in the library as measured_job.py. Weights are decoded, summed, rectified and pooled inside the clock's time; reading
the file is outside. The windows before have no clock: it takes some thousand cycles a chunk.
"""

import json
import sys
import time

import measured_job as job

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


def work(folder):
    models = []

    def make(*args, **options):
        models.append(TimedModel(*args, **options))
        return models[0]

    for _ in job.work(folder, make):
        yield
    with open(folder + "/layers.json", "w") as f:
        json.dump([models[0].us[id(layer)] for layer in models[0].layers], f)


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
