"""The app's mode `every`: listen until there is an answer, then sleep. A module of its own, because the other modes do without."""

import math
import sys
import time

ONLINE = 10  # seconds that a cycle stays awake for MQTT, at most


def cycle(monitor):
    """Listen for as many windows as an answer takes, then sleep."""
    for _ in range(monitor.answer):
        monitor.window()
    monitor.close()
    monitor.output.serve(monitor.feed)  # sound is left unread now, on purpose
    monitor.output.drain(ONLINE)
    rest(monitor, monitor.settings["every"])
    monitor.reopen()


def rest(monitor, seconds):
    """Sleep, in stretches short enough for the watchdog."""
    piece, sleep = monitor.settings["watchdog"] / 2 or seconds, monitor.sleep or doze
    while seconds > 0:
        monitor.feed()
        sleep(min(seconds, piece))
        seconds -= piece


def doze(seconds):
    """Sleep, in light sleep where the board has it."""
    if sys.implementation.name == "circuitpython":
        from alarm import light_sleep_until_alarms
        from alarm import time as alarms

        # whole seconds since an epoch: after a year the monotonic clock, a float, no longer resolves seconds
        return light_sleep_until_alarms(alarms.TimeAlarm(epoch_time=time.time() + math.ceil(seconds)))
    try:
        from machine import lightsleep
    except ImportError:
        return time.sleep(seconds)
    while seconds > 0:
        lightsleep(int(1000 * min(seconds, 3600)))  # RP2 has 72 minutes at most
        seconds -= 3600
