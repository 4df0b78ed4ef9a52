"""Runs in MicroPython: a Publisher that does what the lines on stdin say, and answers each with a line of JSON on stdout.

usage: publish.py FOLDER SETTINGS (JSON)
"""

import json
import sys
import time

from l3mote import mqtt, settings, ticks
from l3mote.log import seal
from l3mote.output import reason


class Simulated:
    """A clock that moves only when told to, with a board's ticks: after 2^30 ms, which are twelve days, they begin anew."""

    period = 1 << 30

    def __init__(self, begin):
        self.begin, self.now = begin, 0

    def ticks_ms(self):
        return (self.begin + self.now) % self.period

    def ticks_add(self, a, b):
        return (a + b) % self.period

    def ticks_diff(self, a, b):
        return (a - b + self.period // 2) % self.period - self.period // 2


served = 0  # times that the microphone would have been


def between():
    global served
    served += 1


def state(slowest=0):
    return {
        "served": served,
        "number": publisher.client.number,
        "connected": publisher.connected,
        "error": publisher.error and reason(publisher.error),
        "waiting": publisher.queue.waiting,
        "dropped": publisher.queue.dropped,
        "slowest": slowest,
    }


def send(first, count=1):
    slowest = 0
    for i in range(first, first + count):
        if publisher.left <= 0 and not publisher.queue.waiting:
            publisher.service()  # as the app does for each window
        slowest = max(slowest, timed(lambda i=i: publisher.send(seal({"event": "start", "n": i}))))
    return state(slowest)


def timed(function):
    start = time.ticks_ms()
    function()
    return time.ticks_diff(time.ticks_ms(), start)


def service(times, done=lambda: False):
    slowest = 0
    for _ in range(times):
        slowest = max(slowest, timed(publisher.service))
        if done():
            break
        if not publisher.connected:
            time.sleep_ms(20)
    return state(slowest)


def drain():
    """Service until the queue is empty, for 20 seconds at most."""
    return service(1000, lambda: publisher.connected and not publisher.queue.waiting)


def hour(step, begin=0):
    """An hour of a clock that begins at `begin`, a line every `step` seconds, a service each second: when did it try to connect?"""
    clock, tries, online = Simulated(begin), [], publisher.online
    mqtt.ticks, publisher.due = clock, begin
    publisher.online = lambda: bool(tries.append(clock.now)) or online()
    for second in range(3600):
        clock.now = second * 1000
        if second % step == 0:
            publisher.send(seal({"event": "start", "n": second // step}))
        publisher.service()
    mqtt.ticks, publisher.online, publisher.due = ticks, online, ticks.ticks_ms()
    return {"tries": tries, "waiting": publisher.queue.waiting}


def number(last):
    """The line before the next had this number."""
    publisher.client.number = last
    return state()


class House:
    """What commands need of the app: two labels, and an output whose lines are counted."""

    muted = False
    t = 0

    def __init__(self):
        self.model = self.listener = self.detector = self.output = self
        self.labels, self.thresholds, self.on = ["dog", "rain"], [0.5, 0.5], [False, False]
        self.settings = {"name": "noise", "level_offset": 0}
        self.logged = 0

    def event(self, record):
        self.logged += 1

    def warn(self, label):
        self.event(label)
        publisher.send(seal({"event": "warning", "label": label}))

    def status(self, label, write=None):
        (write or self.event)({"event": "status", "label": label, "t": 0})

    def finish(self):
        return []

    def emit(self, events):
        pass


def house():
    """Take commands from now on."""
    publisher.monitor = House()
    mqtt.print = lambda line: None  # stdout is for our answers
    return state()


def held():
    """What the broker's messages led to: lines logged, the newest warning, bytes to send, topics and commands remembered."""
    there, client = publisher.monitor, publisher.client
    counts = {
        "warning": publisher.newest.get("warning"),
        "logged": there.logged,
        "out": len(client.out),
        "commands": len(publisher.commands),
    }
    return dict(state(), known=len(publisher.known), thresholds=there.thresholds, **counts)


publisher = mqtt.publisher(settings.check(json.loads(sys.argv[2])), sys.argv[1] + "/queue")
publisher.between = between
COMMANDS = {"number": number, "state": state, "send": send, "service": service, "drain": drain, "hour": hour}
COMMANDS["house"], COMMANDS["held"] = house, held
print(json.dumps(state()))
while True:
    line = sys.stdin.readline().split()
    if not line:
        break
    print(json.dumps(COMMANDS[line[0]](*[int(word) for word in line[1:]])))
