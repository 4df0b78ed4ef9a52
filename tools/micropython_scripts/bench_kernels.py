"""Runs on the emulated board: job.py's work; then a window as a program runs it, and the self-test's with a clock around each
layer. Also writes times.json.

job.py lies in the library as measured_job.py, beside timed_model.py. job.py's window is for the heap: looking at it takes
a collection every few steps, which costs time.
"""

import json
import sys

import measured_job as job
from timed_model import TimedModel


def work(folder):
    with open(folder + "/job.json") as f:
        if json.load(f).get("parts"):  # as on a board with PSRAM
            from l3mote.kernels.native import Kernel
            from l3mote.kernels.parts import parts

            Kernel.parts = staticmethod(parts)
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
