"""Light sleep, for the app's mode `every`."""

import math
import sys
import time


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
