"""Microphones on CircuitPython: audioi2sin.I2SIn (CircuitPython 10.3) and audiobusio.PDMIn. Their record() waits for its samples.

I2SIn records in the background, so asking it only for samples that are due costs no time. PDMIn records only while record()
runs: it misses all sound while a model runs.
"""

import time
from array import array

import board

from l3mote.kernels.forms import choose
from l3mote.limits import OFF_RATE, SoundError

FRAMES = 256  # recorded at once


def pin(name):
    """Return a pin by its name in `board`. Raises SoundError."""
    if not hasattr(board, str(name)):
        raise SoundError("this board has no pin called %s: dir(board) lists them" % name)
    return getattr(board, str(name))


class Recorder:
    """What both have in common. driver.record(raw, n) fills raw with n samples, or fewer, and returns how many.

    rate: the one asked for; the driver's own is used where it is close. Overruns count from the first read on.
    Raises SoundError.
    """

    def __init__(self, driver, rate, words, first, is_unsigned):
        self.driver, self.words = driver, words
        self.rate = driver.sample_rate
        if 100 * abs(self.rate - rate) > OFF_RATE * rate:
            driver.deinit()
            raise SoundError("the microphone's driver gives %d Hz for a rate of %d Hz: set another rate" % (self.rate, rate))
        self.overruns = 0
        self.kernel = choose()[1]
        self.p = array("i", [first, words, FRAMES, is_unsigned])  # see capture.take
        self.raw = array("H" if is_unsigned else "h", bytes(2 * FRAMES * words))
        self.since, self.got = None, 0

    def due(self):
        """Return the samples that came since the last was read."""
        if self.since is None:
            self.since = time.monotonic_ns()
        return self.samples(self.since) - self.got

    def samples(self, since):
        return (time.monotonic_ns() - since) * self.rate // 1000000000

    def record(self, x):
        n = self.driver.record(self.raw, FRAMES * self.words) // self.words
        self.p[2] = n  # what follows is old sound
        self.kernel.take(self.raw, x, self.p)
        self.overruns += FRAMES - n
        self.got += FRAMES
        return n

    def go_on(self):
        """Count samples from now on."""
        self.since, self.got = time.monotonic_ns(), 0

    def lose(self, samples):
        """Count samples that were not recorded."""
        self.overruns += max(1, samples)
        self.go_on()

    def close(self):
        self.driver.deinit()


class I2SIn(Recorder):
    """sck, ws, sd: pins by name. bits: of a slot, 16 or 32; channel: left or right."""

    live = True

    def __init__(self, sck, ws, sd, rate=16000, bits=32, channel="left"):
        try:
            import audioi2sin
        except ImportError:
            raise SoundError("this firmware has no I2S input: CircuitPython 10.3 and later have audioi2sin, on some boards")
        stereo = channel == "right"
        driver = audioi2sin.I2SIn(
            pin(sck), pin(ws), pin(sd), sample_rate=rate, bit_depth=bits, output_bit_depth=16, mono=not stereo
        )
        Recorder.__init__(self, driver, rate, 1 + stereo, int(stereo), 0)
        self.says_overflow = hasattr(driver, "overflow")  # later than audioi2sin itself, whose record() then brings less

    def readinto(self, x):
        if self.since is None:
            self.overflowed()  # samples from before the first read do not count
        due = self.due()
        if len(x) < FRAMES or due < FRAMES:
            return 0
        before = time.monotonic_ns()
        n = self.record(x)
        if self.overflowed():
            self.lose(due - FRAMES)
        elif self.samples(before) > FRAMES // 2:
            self.go_on()  # record() had to wait: the driver's clock is slower than ours
        return n

    def overflowed(self):
        """Return whether the driver dropped samples since the last call."""
        return self.says_overflow and self.driver.overflow


class PDM(Recorder):
    """clock, data: pins by name."""

    live = False

    def __init__(self, clock, data, rate=16000):
        import audiobusio

        driver = audiobusio.PDMIn(pin(clock), pin(data), sample_rate=rate, bit_depth=16)
        Recorder.__init__(self, driver, rate, 1, 0, 1)

    def readinto(self, x):
        if len(x) < FRAMES:
            return 0
        due = self.due()
        if due > FRAMES:
            self.lose(due)
        return self.record(x)
