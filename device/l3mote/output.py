"""Where the app's lines go: to stdout, to the log on flash, to the MQTT broker. None of them stops the listening."""

import gc

from l3mote.log import Log, seal
from l3mote.memory import forget
from l3mote.seconds import Seconds

REASONS = {
    28: "the flash is full",
    30: "the flash is read-only for code: a computer has it mounted as a drive (boot.py can give it to code)",
}


def reason(error):
    """Return one line about an exception."""
    number = error.args[0] if isinstance(error, OSError) and error.args else None
    text = " ".join(str(error).split())  # mbedtls begins with a line break
    return REASONS.get(number) or "%s: %s" % (type(error).__name__, text)


def free():
    """Return the bytes of heap that are free; 0 on CPython, which does not say."""
    gc.collect()
    return gc.mem_free() if hasattr(gc, "mem_free") else 0


HOLE = 3072  # bytes: opening a file takes 1,148 in one piece, writing a line to it as much again


class Output:
    """Each line is a sealed record (log.seal), the same everywhere. t: the time of sound (Seconds), for warnings."""

    def __init__(self, settings):
        self.t = Seconds(0, 1)
        self.failing = set()  # outputs that a warning was given for and that have not worked since
        self.log = Log(settings["log"], settings["log_bytes"]) if settings["log"] else None
        self.publisher = self.hole = None
        self.mqtt_heap = 0  # bytes that MQTT has taken
        self.holds = False
        self.mqtt = settings["mqtt_host"] and self._suits(settings)

    def _suits(self, settings):
        """Return whether the firmware has what MQTT needs."""
        from l3mote.firmware import importable
        from l3mote.settings import SettingsError, suit_network

        try:
            suit_network(settings, importable)
            return True
        except SettingsError as e:
            self.warn("no MQTT: " + reason(e))
            return False
        finally:
            forget("settings")
            forget("firmware")

    def connect(self, settings):
        """Open MQTT, if it is set: apart from the rest, because its modules take heap that the model's buffers must have first."""
        if not self.mqtt:
            return
        before = free()
        try:
            from l3mote.mqtt import publisher

            self.publisher = publisher(settings)
        except Exception as e:  # no sockets, no network
            self.warn("no MQTT: " + reason(e))
        self.mqtt_heap = before - free()

    def show(self, monitor):
        """Have MQTT show what the app hears, and take its commands."""
        if self.publisher:
            self.publisher.monitor = monitor

    def event(self, record):
        """Write an event to all outputs."""
        line = self.say(record)
        if self.log:
            self._try("log", self.log.append, line)

    def say(self, record):
        """Write a level to all but the log, where levels would crowd out events. Returns the line."""
        publisher = self.publisher
        line = seal(record, publisher.stamp(self.t, record["t"]) if publisher else "")
        print(line)
        if publisher:
            publisher.note(record, line)
            self._try("MQTT queue", publisher.send, line)
        return line

    def warn(self, label):
        self.event({"event": "warning", "label": label, "t": self.t})

    def serve(self, function):
        """Set the function to call while MQTT waits: it keeps the ring of samples filled. None: no function."""
        if self.publisher:
            self.publisher.between = function or (lambda: None)

    def service(self):
        """Serve MQTT between windows, for half a second at most."""
        self._mqtt(lambda publisher: publisher.service())

    def drain(self, seconds):
        """Before a sleep: give MQTT this long to send what waits."""
        self._mqtt(lambda publisher: publisher.drain(seconds))

    def _mqtt(self, step):
        publisher = self.publisher
        if not publisher:
            return
        self.hole = error = None
        try:
            step(publisher)
        except (OSError, MemoryError) as e:  # from its queue
            error = e
        if self.holds:
            self.keep_hole()
        self._complain("MQTT", error or publisher.error)
        self._complain("time of day", publisher.clock.error)

    def keep_hole(self):
        """Keep a piece of the heap free for the next file that is opened: small objects would leave none of that size."""
        self.holds = True  # a flag, because looking at the hole itself may keep it from being collected for a while
        try:
            self.hole = bytearray(HOLE)
        except MemoryError:
            self.hole = None

    def _try(self, what, function, *arguments):
        self.hole = error = None
        try:
            function(*arguments)
        except (OSError, ValueError, MemoryError) as e:
            error = e
        if self.holds:
            self.keep_hole()
        self._complain(what, error)

    def _complain(self, what, error):
        """Warn of an error once, until it is gone."""
        if error is None:
            self.failing.discard(what)
        elif what not in self.failing:
            self.failing.add(what)
            self.warn("%s: %s" % (what, reason(error)))
