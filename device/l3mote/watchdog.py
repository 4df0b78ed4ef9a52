"""The board's watchdog: it resets a board unless it is fed often enough. Once started, only a reset stops it."""

import sys


def start(seconds):
    """Start it; return the function that feeds it.

    Raises ImportError where the firmware has none, ValueError for too many seconds.
    """
    if sys.implementation.name == "circuitpython":
        from microcontroller import watchdog
        from watchdog import WatchDogMode

        if watchdog is None:
            raise ImportError("this board has none")
        watchdog.timeout, watchdog.mode = seconds, WatchDogMode.RESET
        return watchdog.feed
    from machine import WDT

    return WDT(timeout=1000 * seconds).feed
