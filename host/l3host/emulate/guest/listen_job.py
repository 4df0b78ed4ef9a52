"""Runs on the emulated board: the listening app on a folder's sound.wav, with model.l3m and job.json. Its output is the app's.

Writes result.json. work() is a generator, because MicroPython in WebAssembly collects garbage only between calls.
"""

import json
import sys
import time

from l3mote.app import Monitor
from l3mote.log import text
from l3mote.output import Output
from l3mote.settings import check
from l3mote.wav import Wav


class Recording(Wav):
    """A recording that goes on while the app sleeps."""

    def sleep(self, seconds):
        self.left = max(0, self.left - int(seconds * self.rate))
        self.file.seek(-2 * self.channels * self.left, 2)


def live(recording):
    """Return a source that plays in real time, whether the app sleeps or not."""
    from l3mote.paced import Paced  # here, because a package for boards does not have it

    class Wall:
        """Wall-clock time as a Paced source's clock, in microseconds from its start."""

        def __init__(self):
            self.begin = time.time_ns()

        @property
        def us(self):
            return (time.time_ns() - self.begin) // 1000

    class Live(Paced):
        def sleep(self, seconds):
            time.sleep(seconds)
            self.source.sleep(seconds)
            self.played += int(seconds * self.rate)

    return Live(recording, Wall())


def ticks():
    return time.ticks_us() if hasattr(time, "ticks_us") else time.perf_counter_ns() // 1000


def work(folder):
    with open(folder + "/job.json") as f:
        job = json.load(f)
    settings = check(job["settings"])
    source = Recording(folder + "/sound.wav")
    if job["live"]:
        source = live(source)
    monitor = Monitor(folder + "/model.l3m", settings, Output(settings), source, None, source.sleep)
    us, start = 0, ticks()
    for _ in monitor.steps():
        us += ticks() - start & (1 << 29) - 1  # a board's microseconds wrap around
        yield
        start = ticks()
    facts = monitor.listener.status()
    facts["kernel"], facts["us"] = monitor.model.kernel_name, us
    with open(folder + "/result.json", "w") as f:
        f.write(text(facts))


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
