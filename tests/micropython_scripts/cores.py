"""Board side of test_cores.py: integer_window.py's work on each folder that the job names, in one run of the board."""

import gc
import json

import integer_window


def work(folder):
    with open(folder + "/job.json") as f:
        names = json.load(f)
    for name in names:
        for _ in integer_window.work(folder + "/" + name):
            yield
        gc.collect()
