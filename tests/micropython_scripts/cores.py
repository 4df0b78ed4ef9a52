"""Board side of test_cores.py: fixed.py's work, here fixed_board.py, on each folder that the job names, in one run of the board."""

import gc
import json

import fixed_board


def work(folder):
    with open(folder + "/job.json") as f:
        names = json.load(f)
    for name in names:
        for _ in fixed_board.work(folder + "/" + name):
            yield
        gc.collect()
