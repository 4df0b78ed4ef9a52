"""Work for processes: some of it kills them, some takes long."""

import os
import signal
import time

from l3host.archive import meter
from l3host.archive.tasks import ClassifyTask


def work(item):
    """item: a number, how often it kills (as kills of a folder counts them), and that folder."""
    number, times, folder = item
    kills = len([name for name in os.listdir(folder) if name.startswith(f"{number}-")])
    if kills < times:
        with open(f"{folder}/{number}-{kills}", "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return number


class Slow(ClassifyTask):
    """Says that ten minutes of sound are done, three times, as often as a meter is written."""

    def run(self, path, add, progress):
        for _ in range(3):
            time.sleep(meter.EVERY + 0.1)
            progress(600.0)
        return super().run(path, add, progress)
