"""The time of day, in UTC: from the network's clocks, where the firmware has none that goes on without power.

Until it is known, lines have "uptime" instead, whole seconds since the start; the queue's get their time when they are sent.
"""

import time

from l3mote.ticks import ticks_add, ticks_diff, ticks_ms

SECONDS = 0.5  # to wait for an answer
PAUSE = (2, 600)  # seconds between attempts: doubled from the first to the second
SET_BY_NOW = 2026  # the year that a clock which was set shows, or a later one
UPTIME = ', "uptime": '


def calendar(seconds):
    """Return a time.time() as 2026-11-30T16:08:00Z."""
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % tuple((getattr(time, "gmtime", None) or time.localtime)(seconds)[:6])


class Clock:
    """host: of the network's clock; "": none. Then, and where the firmware cannot ask one (a PC's), its own counts if it was set.

    .known: is the time of day known? .error: why not, or None.
    """

    def __init__(self, host):
        self.host = host
        self.ask = asker() if host else None
        self.begun = int(time.time())
        self.due, self.pause = ticks_ms(), PAUSE[0]
        self.error = None
        self.known = not self.ask and is_set()

    def service(self):
        """Ask the network's clock if it is time to: waits SECONDS at most, name resolution aside."""
        if self.known or not self.ask or ticks_diff(ticks_ms(), self.due) < 0:
            return
        before = int(time.time())
        try:
            self.ask(self.host)
        except Exception as e:  # OSError, and what libraries make of it
            self.error = e
            self.due = ticks_add(ticks_ms(), 1000 * self.pause)
            self.pause = min(2 * self.pause, PAUSE[1])
            return
        self.begun += int(time.time()) - before  # how far it jumped
        self.known, self.error = is_set(), None

    def stamp(self, age):
        """Return what a line about `age` milliseconds ago says of its time, as its last key."""
        uptime = int(time.time()) - self.begun - (age + 500) // 1000
        return ', "time": "%s"' % calendar(self.begun + uptime) if self.known else UPTIME + str(uptime)

    def dated(self, body):
        """Return a line of this start, up to its checksum, with its time in place of its uptime, if that is known by now."""
        head, key, uptime = body.rpartition(UPTIME)
        return '%s, "time": "%s"' % (head, calendar(self.begun + int(uptime))) if key and self.known else body


def is_set():
    return time.localtime()[0] >= SET_BY_NOW


def asker():
    """Return a function that sets this board's clock by that of a host, or None where the firmware has no client for it."""
    try:
        import ntptime
    except ImportError:
        try:
            from l3mote.circuitpython_net import set_clock
        except ImportError:
            return None
        return set_clock

    def ask(host):
        ntptime.host, ntptime.timeout = host, SECONDS
        ntptime.settime()

    return ask
