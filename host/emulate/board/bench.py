"""Runs on the emulated board: job.py's work, the self-test's window with a clock around each layer. Writes layers.json besides.

job.py and timed.py lie in the library as measured_job.py and timed_model.py.
"""

import json
import sys

import measured_job as job
from timed_model import TimedModel


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
