"""The noise monitor: microphone, network, log and MQTT in one loop, in one of three duty cycles.

always  listens without a gap
every   listens for as long as one answer takes, then is in light sleep for `every` seconds
wake    measures levels without a gap, and runs the network from a window of `wake_level` on until an answer is through

Each event is a line of JSON on stdout and in the log, each level a line on stdout; both go to the MQTT broker where one is set.
Times are seconds of recorded sound: time asleep does not count.
"""

import gc
import math
import sys
import time

from l3mote.limits import CA
from l3mote.memory import GARBAGE, collect_after, forget
from l3mote.model import Model
from l3mote.output import Output, free, reason
from l3mote.reader import Reader
from l3mote.seconds import samples

LATER = 32768  # bytes of heap for all that comes after the model, measured on the emulated RP2040: driver, modules, lines, files
# Where less is free the plan is small and its steps are short: 26 ms on a Pico, not 59. Then the driver may hold less, too.
SHORT_IBUF = 8000
SETTLE = 0.3  # seconds before a microphone gives sound: an INMP441 takes 2^18 clocks, 1.024 MHz at 16 kHz
PAUSE = (1, 60)  # seconds between an error and the next try: doubled from the first to the second


def noise_monitor(folder):
    """Listen with a folder's model.l3m and settings.json: what a deployed main.py starts."""
    from l3mote.settings import load

    settings = load(folder + "/settings.json")
    if settings["mqtt_tls"] == CA:  # that travels with the deployment
        settings["mqtt_tls"] = folder + "/" + CA
    del load
    forget("settings")
    listen(folder + "/model.l3m", settings)


def listen(path, settings, source=None, clock=None, sleep=None):
    """Listen with a model until stopped, or to the end of a recording.

    settings: all of them, from settings.check or settings.load. source: replaces the one that they name. clock: see Listener.
    sleep: called with seconds instead of a light sleep. Raises what opening source and model raises; later errors are events.
    """
    output = Output(settings)
    threshold = collect_after(GARBAGE)
    try:
        monitor = Monitor(path, settings, output, source, clock, sleep)
    except Exception as e:
        output.warn("cannot start: " + reason(e))
        raise
    finally:
        collect_after(threshold)
    monitor.run()


def open_model(source, later=LATER):
    """Open the model, for a Listener, before anything else that stays: while the heap is whole, each buffer fits in one piece."""
    return Model(source, listening=True, later=later)


class Monitor:
    def __init__(self, path, settings, output, source, clock, sleep):
        self.settings, self.output, self.sleep = settings, output, sleep
        self.given = source
        self.set_clock()
        self.place = bytearray(SHORT_IBUF if self.has_i2s() else 0)  # reserves the driver's buffer while the heap is whole
        reader = Reader(path)
        self._check(reader)
        self.model = open_model(reader, LATER + (self.for_mqtt() if output.mqtt else 0))
        gc.collect()
        output.keep_hole()
        self.ibuf = SHORT_IBUF if hasattr(gc, "mem_free") and gc.mem_free() < LATER else None
        self.source = source or self.microphone()
        output.connect(settings)
        from l3mote.listener import Listener

        __import__("l3mote.filters")  # a Listener needs it; loaded while there is a free piece to open its file
        self.listener = Listener(self.model, self.source, settings, clock)
        forget("filters")
        if self.source.live and not clock:
            self.check_pace()
        self.answer = self.listener.detector.smooth + self.listener.detector.of - 1  # windows until there is an answer
        self.awake = 0  # windows that the network still has to run on, in mode wake
        self.slot, self.power = 0, 0.0  # of the meter: the next one, and the sum since the last level line
        self.slots = 0
        self.muted = False  # by a command: the network does not run
        self.feed, self.fed = lambda: None, 0  # the watchdog, and the samples there were when it was fed last
        output.show(self)
        self.begin()

    def _check(self, reader):
        from l3mote.settings import suit

        suit(dict(self.settings, mic="callback") if self.given else self.settings, reader)
        del suit
        forget("settings")

    def for_mqtt(self):
        from l3mote.mqtt_heap import needed

        forget("mqtt_heap")
        return needed(self.settings)

    def check_pace(self):
        """Warn of a board that cannot keep up with the sound."""
        from l3mote.pace import too_slow

        line = too_slow(self.listener)
        if line:
            self.output.warn(line)
        del too_slow
        forget("pace")

    def set_clock(self):
        """Set the processor's clock, if it is given, before a driver derives its own from it."""
        if self.settings["freq"]:
            try:
                import machine

                machine.freq(self.settings["freq"] * 1000000)
            except Exception as e:
                self.output.warn("the clock stays as it is: " + reason(e))

    def has_i2s(self):
        """Return whether a machine.I2S will be opened, whose buffer comes from our heap."""
        return not self.given and self.settings["mic"] == "i2s" and sys.implementation.name == "micropython"

    def microphone(self):
        from l3mote.mic import open_source

        if self.has_i2s():
            __import__("l3mote.mic_machine")
        self.place = None  # once the modules are in
        return open_source(self.settings, self.ibuf)

    def begin(self):
        """Listen to self.source from now on."""
        self.listener.restart(self.source, SETTLE if self.settings["mic"] in ("i2s", "pdm") and not self.given else 0)
        if self.source.live:
            self.output.serve(self.listener.hear)

    def run(self):
        for _ in self.steps():
            pass

    def steps(self):
        """Do the same as run(), as a generator that yields after every window (or cycle)."""
        turn = Monitor.window
        if self.settings["mode"] == "every":
            from l3mote.duty import cycle as turn
        self.watch()
        self.status("listening")
        pause, broken = PAUSE[0], False
        while True:
            try:
                if broken:
                    self.reopen()
                turn(self)
                pause, broken = PAUSE[0], False
                yield
            except EOFError:
                break
            except Exception as e:  # a loose wire or a bad page of flash: warn and try again
                broken = True
                self.output.warn("listening stops for %d s: %s" % (pause, reason(e)))
                time.sleep(pause)
                pause = min(2 * pause, PAUSE[1])
        self.status("end of the recording")
        self.close()
        self.output.drain(1)

    def watch(self):
        """Start the watchdog, if one is set."""
        if self.settings["watchdog"]:
            try:
                from l3mote import watchdog

                self.feed = watchdog.start(self.settings["watchdog"])
            except Exception as e:  # firmware without one
                self.output.warn("no watchdog: " + reason(e))

    def alive(self):
        """Feed the watchdog if sound has come since it was last fed."""
        total = self.listener.ring.total
        if total != self.fed:
            self.fed = total
            self.feed()

    def status(self, label, write=None):
        """Write a status line. write: instead of to all outputs."""
        plan = self.model.plan
        record = {"event": "status", "label": label, "name": self.settings["name"], "mode": self.settings["mode"]}
        if hasattr(time, "localtime"):  # QEMU's board has no clock
            record["clock"] = "%04d-%02d-%02dT%02d:%02d:%02d" % tuple(time.localtime()[:6])
        record["kernel"], record["hop"] = self.model.kernel_name, self.listener.hop / self.listener.rate
        record["heap"], record["tiles"], record["flash"] = plan.heap_bytes, plan.tiles, plan.flash_bytes
        if self.output.publisher:
            record["mqtt"] = self.output.mqtt_heap
        if hasattr(gc, "mem_free"):
            record["free"] = free()
        record.update(self.listener.status())
        (write or self.output.event)(record)

    def window(self):
        """Listen for one window. Raises EOFError at the end of a recording."""
        listener, output = self.listener, self.output
        while not listener.capture():
            if listener.ring.ended:
                self.emit(listener.finish())
                raise EOFError
            listener.idle()
            self.alive()
        self.emit(listener.warned())
        if self.wanted():
            self.emit(listener.infer())
        else:
            listener.pass_over()
        output.t = listener.t
        self.level()
        output.service()

    def emit(self, events):
        for event in events:
            self.alive()
            if event:
                self.output.t = self.listener.t
                self.output.event(event)

    def wanted(self):
        """Return whether the network runs on the window that is ready."""
        if self.muted:
            return False
        if self.settings["mode"] != "wake":
            return True
        if self.listener.window_levels()[1] >= self.settings["wake_level"] + self.settings["level_offset"]:
            self.awake = self.answer
        self.awake -= 1
        return self.awake >= 0 or any(self.listener.detector.on)

    def level(self):
        """Add up the levels so far; write their mean as a line when it is due."""
        meter, listener = self.listener.ring.meter, self.listener
        self.slot = max(self.slot, meter.slots - meter.kept)
        while self.slot < meter.slots:  # range() has no number beyond 31 bits
            self.power += 10 ** (meter.level(self.slot, self.slot + 1)[1] / 10)
            self.slot += 1
            self.slots += 1
        every = self.settings["level_every"]
        if every and self.slots * listener.slot >= samples(every, listener.rate):
            record = listener.status()
            record["event"], record["t"] = "level", listener.seconds(self.slot * listener.slot)
            record["level"] = round(10 / math.log(10) * math.log(self.power / self.slots), 1)
            self.output.say(record)
            self.slots, self.power = 0, 0.0

    def close(self):
        self.output.serve(None)
        if not self.given:
            self.source.close()

    def reopen(self):
        self.close()
        if not self.given:
            self.source = self.microphone()
        self.begin()
