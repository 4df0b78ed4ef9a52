"""Work for processes, some of which kills them."""

import os
import signal
import time


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
