"""Board side of test_cores.py: fixed_board.py's work on each folder that the job names, one start of the board for all."""

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
