"""Runs on the emulated board: job.py's work, with a clock around each layer's arithmetic. Writes layers.json besides.

job.py lies in the library. The clock runs while weights are decoded, summed, rectified and pooled, not while the file is read.
"""

import json
import sys

import job
from l3mote import Model


class TimedModel(Model):
    """us: microseconds in the kernel, layer by layer, over all windows, the self-test's included."""

    def __init__(self, source, heap=None, kernel=None):
        super().__init__(source, heap=heap, kernel=kernel)
        self.us = [0] * len(self.layers)
        self.watch = job.Stopwatch()
        self.kernel.conv, self.kernel.dense = self.timed(self.kernel.conv), self.timed(self.kernel.dense)

    def timed(self, function):
        def call(chunk, *rest):
            before = self.watch.total
            self.watch.start()
            function(chunk, *rest)
            self.watch.stop()
            self.us[self.layers.index(chunk.layer)] += self.watch.total - before

        return call


def work(folder):
    models = []

    def make(*args, **options):
        models.append(TimedModel(*args, **options))
        return models[0]

    for _ in job.work(folder, make):
        yield
    with open(folder + "/layers.json", "w") as f:
        json.dump(models[0].us, f)


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
