"""Runs at a board's prompt after each reset: feeds a watchdog that the app may have started, which a soft reset does not stop.

A watchdog that is set but not running is started here; the app would start it anyway.
"""


def watchdog_is_set():
    """Return whether a version on the board has a watchdog in its settings."""
    import json
    import os

    root = os.getcwd().rstrip("/") + "/l3/"
    for name in os.listdir(root):
        try:
            with open(root + name + "/settings.json") as f:
                if json.load(f)["watchdog"]:
                    return True
        except (OSError, ValueError, KeyError, TypeError):  # not a version, or damaged; or it has no watchdog
            pass
    return False


def feed_for_ever():
    from machine import WDT, Timer

    feed = WDT(timeout=8000).feed
    try:
        timer = Timer(-1)
    except ValueError:  # ESP32
        timer = Timer(0)
    timer.init(period=500, callback=lambda _: feed())


try:
    if watchdog_is_set():
        feed_for_ever()
except (ImportError, OSError):  # no machine.WDT; nothing was ever deployed
    pass
