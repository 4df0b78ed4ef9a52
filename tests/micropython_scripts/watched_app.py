"""Board side of test_watchdog.py: the app with a watchdog of a second, and a microphone that falls silent after three."""

import time

from l3mote.app import Monitor
from l3mote.mic import Callback
from l3mote.output import Output
from l3mote.settings import check

SECONDS = 3


class Microphone:
    def __init__(self):
        self.taken, self.since = 0, time.ticks_ms()

    def readinto(self, x):
        due = min(time.ticks_diff(time.ticks_ms(), self.since), 1000 * SECONDS) * 8 - self.taken
        n = max(0, min(due, len(x)))
        for i in range(n):
            x[i] = (self.taken + i) * 7919 & 1023
        self.taken += n
        return n


def work(folder):
    settings = check({"mic": "callback", "log": "", "level_every": 0.5, "watchdog": 1})
    source = Callback(Microphone().readinto, 8000)
    monitor = Monitor(folder + "/model.l3m", settings, Output(settings), source, None, None)
    for _ in monitor.steps():
        yield
