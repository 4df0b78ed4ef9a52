"""Counters that outgrow an integer of 30 or 31 bits, and clocks that begin anew: as from 0. Floats have no part in it."""

import os
import sys
import time
from array import array

from helpers import Hears
from where import FOLDER

from l3mote import log
from l3mote.listener import Listener
from l3mote.seconds import Seconds, samples

DAY = 86400
YEARS = 36525 * DAY  # seconds of a hundred


def test_a_hundred_years_are_counted_to_the_millisecond():
    for seconds in (DAY // 24, 12 * DAY, 116 * DAY, YEARS):
        for extra, message in (
            (0, "000"),
            (1, "000"),
            (4, "001"),
            (12, "002"),
            (4000, "500"),
            (7995, "999"),
        ):  # samples; halves go up
            assert str(Seconds(seconds * 8000 + extra, 8000)) == str(seconds) + "." + message
    assert str(Seconds(YEARS * 8000 + 7996, 8000)) == "3155760001.000"
    assert str(Seconds(YEARS * 15625 + 1, 15625)) == "3155760000.000"
    assert Seconds(16001, 16000) == Seconds(8000, 8000) != Seconds(8008, 8000)  # to the millisecond
    assert log.text({"t": Seconds(YEARS * 48000 + 48, 48000), "event": "level"}) == '{"event": "level", "t": 3155760000.001}'


def test_settings_in_seconds_are_whole_samples():
    for seconds, rate, message in ((0.001, 8000, 8), (1.001, 8000, 8008), (1.234, 22050, 27210), (3600, 48000, 172800000)):
        assert samples(seconds, rate) == message, (seconds, samples(seconds, rate))
    assert samples(86400, 8000) == 691200000


def model():
    """Two labels whose scores follow from the samples."""

    def judge(sums):
        s = sum(sums)
        return 0.75 if s % 3 == 0 else 0.25, 0.75 if s % 5 < 2 else 0.25

    return Hears(["dog", "cat"], [0.5, 0.5], 2048, 1024, 256, lambda pcm, at: sum([pcm[at + i] for i in range(0, 256, 50)]), judge)


class Noise:
    live, overruns, rate = False, 0, 8000

    def __init__(self, n):
        self.x, self.left = 12345, n

    def readinto(self, x):
        n = min(len(x), self.left)
        for i in range(n):
            self.x = (self.x * 1103 + 12345) & 0xFFFF
            x[i] = self.x - 32768
        self.left -= n
        return n or -1


def events_from(base, n):
    """Events of a Listener that has counted to `base` already, their times in ms less the base's; what it counted since then."""
    listener = Listener(model(), Noise(n), {"refractory": 0.3, "votes": 1, "of": 2})
    listener.ring.first = listener.ring.total = listener.covered = base
    listener.rows.begin(base // listener.hop)
    listener.slots = listener.ring.meter.slots = base // listener.slot
    events = [(e["event"], e["label"], e["score"], e["level"], e["t"].ms - base // 8) for e in listener.run()]
    return events, listener.t.ms - base // 8, listener.windows, listener.rows.skipped, listener.lost


def test_events_are_the_same_across_each_power_of_two_and_after_a_hundred_years():
    n = 30000
    first = events_from(0, n)
    assert len(first[0]) > 10 and first[1:] == (3750, 28, 0, 0)
    for base in [(1 << bits) - 8192 for bits in (29, 30, 31, 32, 33)] + [YEARS * 8192]:
        assert events_from(base, n) == first, base


def test_slots_of_the_meter_go_on_across_a_power_of_two():
    def levels(slots):
        listener = Listener(model(), Noise(20000))
        meter = listener.ring.meter
        meter.slots = listener.slots = slots
        while not listener.ring.ended:
            if listener.capture():
                listener.pass_over()
        return [meter.level(meter.slots - k, meter.slots - k + 3) for k in range(meter.kept)]

    kept = Listener(model(), Noise(0)).ring.meter.kept
    first = levels(0)
    for bits in (29, 30, 31, 32, 33):
        base = ((1 << bits) // kept - 1) * kept  # where the same places are written
        assert levels(base) == first


def test_the_logs_number_grows_beyond_an_integer():
    path = FOLDER + "/wrap"
    try:
        os.remove(path)
    except AttributeError:
        return  # the QEMU board's files can be read only
    except OSError:
        pass
    for number in ((1 << 30) - 2, (1 << 31) - 2, (1 << 32) - 2):
        events = log.Log(path, 4096)
        try:
            with open(events.paths[0], "wb") as f:
                f.write(log.seal({"log": number}).encode() + b"\n")
            lines = [log.seal({"n": n}) for n in range(400)]
            for line in lines:
                events.append(line)
            assert max(events.numbers) >= number + 4
            result = [line for line, _ in log.Log(path, 4096).lines()]
            assert result == lines[-len(result) :] and len(result) > 20
        finally:
            for name in events.paths:
                os.remove(name)


# -- machine.I2S and its clock, which begins anew every 18 minutes


class Clock:
    """MicroPython's ticks with a period of 2^30, at a time of ours."""

    period = 1 << 30

    def __init__(self, now):
        self.now = now

    def ticks_us(self):
        return self.now % self.period

    def ticks_diff(self, a, b):
        if hasattr(time, "ticks_add") and time.ticks_add(self.period - 1, 1) == 0:
            return time.ticks_diff(a, b)  # this board's own
        return (a - b + self.period // 2) % self.period - self.period // 2

    def sleep(self, seconds):
        self.now += int(seconds * 1000000)


class Driver:
    """What mic_machine uses of machine.I2S: `waiting` frames."""

    RX = MONO = STEREO = 0
    waiting = 0

    def __init__(self, *args, **more):
        self.frame = more["bits"] // 8

    def readinto(self, buffer):
        n = min(Driver.waiting, len(buffer) * 2 // self.frame)
        Driver.waiting -= n
        return n * self.frame

    def deinit(self):
        pass


class machine:
    I2S = Driver

    @staticmethod
    def Pin(number):
        return number


class poll:
    def register(self, *_):
        pass

    def poll(self, *_):
        pass


class select:
    POLLIN = 1
    poll = poll


def dropped(now):
    """Overruns of a driver that loses nothing for 2 s, half a second then, and nothing again; the clock begins anew on the way."""
    __import__("l3mote.mic_machine")  # not the one that the package may remember
    mic_machine = sys.modules["l3mote.mic_machine"]
    mic_machine.time = clock = Clock(now)
    Driver.waiting = 0
    source, x, result = mic_machine.I2S(16, 17, 18, 16000), array("h", bytes(1024)), []
    for step in range(300):
        clock.now += 10000
        if not 200 <= step < 250:
            Driver.waiting += 160
        while source.readinto(x):
            pass
        if step in (199, 299):
            result.append(source.overruns)
    return result


def test_a_microphone_loses_nothing_when_the_clock_begins_anew():
    kept = [(name, sys.modules.get(name)) for name in ("machine", "select", "l3mote.mic_machine")]
    sys.modules["machine"], sys.modules["select"] = machine, select
    sys.modules.pop("l3mote.mic_machine", None)
    try:
        first = dropped(0)
        assert first[0] == 0 and 7488 <= first[1] <= 8000  # less the slack of 512
        for before in (500000, 1000000, 2250000):  # µs until then: amid the good, and amid the loss
            assert dropped((1 << 30) - before) == first
    finally:
        for name, module in kept:
            sys.modules.pop(name, None)
            if module:
                sys.modules[name] = module
