"""The noise monitor: microphone, network, log and MQTT in one loop, in one of three duty cycles.

always  listens without a gap
every   listens for as long as one answer takes, then is in light sleep for `every` seconds
wake    measures levels without a gap, and runs the network on windows of at least `wake_level`

Each event is a line of JSON on stdout and in the log, each level a line on stdout; both go to the MQTT broker where one is set.
"""

import gc
import time

from l3mote.classify import Listener
from l3mote.mic import open_source
from l3mote.model import Model, buffer_heap
from l3mote.output import Output, reason
from l3mote.settings import load

SPARE = 8192  # bytes of heap left beside the model for lines, files and sockets
PAUSE = (1, 60)  # seconds between an error and the next try: doubled from the first to the second
ONLINE = 10  # seconds that a cycle stays awake for MQTT, at most


def noise_monitor(folder):
    """Listen with a folder's model.l3m and settings.json: what a deployed main.py starts."""
    listen(folder + "/model.l3m", load(folder + "/settings.json"))


def listen(path, settings, sleep=None):
    """Listen with a model for ever, or to the end of a WAV file.

    settings: all of them, from settings.check or settings.load. sleep: called with seconds instead of a light sleep.
    """
    Monitor(path, settings, sleep or doze).run()


def doze(seconds):
    """Light sleep, where there is one."""
    try:
        from machine import lightsleep
    except ImportError:
        return time.sleep(seconds)
    while seconds > 0:
        lightsleep(int(1000 * min(seconds, 3600)))  # RP2 has 72 minutes at most
        seconds -= 3600


def room():
    """Bytes that the model's buffers may take, or None on CPython."""
    if not hasattr(gc, "mem_free"):
        return None
    gc.collect()
    return buffer_heap(gc.mem_free() - SPARE)


class Monitor:
    def __init__(self, path, settings, sleep):
        self.settings = settings
        self.sleep = sleep
        self.output = Output(settings)
        try:
            self.source = open_source(settings)
            self.model = Model(path, room())
            self.listener = Listener(self.model, self.source, settings)
        except Exception as e:
            self.output.warn("cannot start: " + reason(e))
            raise
        self.turn = self.cycle if settings["mode"] == "every" else self.window

    def run(self):
        self.status("listening")
        pause = PAUSE[0]
        while True:
            try:
                self.turn()
                pause = PAUSE[0]
            except EOFError:
                break
            except Exception as e:  # a loose wire or a bad page of flash: say so and try again
                self.output.warn("listening stops for %d s: %s" % (pause, reason(e)))
                time.sleep(pause)
                pause = min(2 * pause, PAUSE[1])
                self.restart()
        self.status("end of the recording")

    def window(self):
        """Listen for one window."""
        listener, output = self.listener, self.output
        for event in listener.step():
            output.event(event)
        output.t = listener.t
        every = self.settings["level_every"]
        if every and output.t >= self.level_due:
            output.level(self.level())
            self.level_due = output.t + every
        output.service()

    def cycle(self):
        """Listen for as many windows as an answer takes, then sleep."""
        for _ in range(max(self.settings["smooth"], self.settings["of"])):
            self.window()
        self.source.close()
        self.output.drain(ONLINE)
        self.sleep(self.settings["every"])
        self.restart()

    def restart(self):
        """Open the microphone again."""
        self.source.close()
        self.source = open_source(self.settings)
        self.listener.restart(self.source)
