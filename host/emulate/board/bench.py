"""Runs on the emulated board: job.py's work, with a clock around each layer's arithmetic. Writes layers.json besides.

job.py lies in the library as measured_job.py. Weights are decoded, summed, rectified and pooled inside the clock's time; reading
the file is outside.
"""

import json
import sys

import measured_job as job

from l3mote import Model


class TimedModel(Model):
    """us: microseconds in the kernel of each layer, by its id(), over all windows, the self-test's included."""

    def __init__(self, source, heap=None, kernel=None):
        super().__init__(source, heap=heap, kernel=kernel)
        self.us = {id(layer): 0 for layer in self.layers}
        self.watch = job.Stopwatch()
        self.kernel.conv, self.kernel.dense = self.timed(self.kernel.conv), self.timed(self.kernel.dense)

    def timed(self, function):
        def call(chunk, *rest):
            before = self.watch.total
            self.watch.start()
            function(chunk, *rest)
            self.watch.stop()
            self.us[id(chunk.layer)] += self.watch.total - before

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
