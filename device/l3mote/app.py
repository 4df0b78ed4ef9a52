"""The noise monitor: microphone, network, log and MQTT in one loop, in one of three duty cycles.

always  listens without a gap
every   listens for as long as one answer takes, then is in light sleep for `every` seconds
wake    measures levels without a gap, and runs the network on windows of at least `wake_level`

Each event is a line of JSON on stdout and in the log, each level a line on stdout.
"""

import gc
import time

from l3mote.classify import Listener
from l3mote.mic import open_source
from l3mote.model import Model, buffer_heap
from l3mote.output import Output, reason
from l3mote.settings import load

SPARE = 8192  # bytes of heap left beside the model for lines, files and sockets
PAUSE = (1, 60)  # seconds after an error, doubled from the first to the second
ONLINE = 10  # seconds awake for MQTT before a sleep


def noise_monitor(folder):
    """Listen with a folder's model.l3m and settings.json: what a deployed main.py starts."""
    listen(folder + "/model.l3m", load(folder + "/settings.json"))


def doze(seconds):
    """Light sleep where there is one."""
    try:
        from machine import lightsleep
    except ImportError:
        return time.sleep(seconds)
    while seconds > 0:  # RP2 sleeps for 72 minutes at most
        lightsleep(int(1000 * min(seconds, 3600)))
        seconds -= 3600


def listen(path, settings, sleep=doze):
    """Listen with a model for ever, or to the end of a WAV file. settings: those of settings.check, complete."""
    monitor = Monitor(path, settings, sleep)
    monitor.run()
