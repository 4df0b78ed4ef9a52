"""Microphones on CircuitPython: audioi2sin.I2SIn (CircuitPython 10) and audiobusio.PDMIn. Their record() waits for its samples.

I2SIn goes on recording in the background, so asking it only for samples that are due costs no time. PDMIn records while record()
runs and not otherwise: it hears nothing while a model runs.
"""

import time
from array import array

import board

from l3mote.kernels.capture import choose
from l3mote.mic import SoundError

FRAMES = 256  # recorded at once


def pin(name):
    """A pin by its name in board. Raises SoundError."""
    if not hasattr(board, str(name)):
        raise SoundError("this board has no pin called %s: dir(board) lists them" % name)
    return getattr(board, str(name))


class Recorder:
    """What both have in common. driver.record(raw, n) fills raw with n samples."""

    def __init__(self, driver, words, first, is_unsigned):
        self.driver, self.words = driver, words
        self.rate = driver.sample_rate
        self.overruns = 0
        self.kernel = choose()[1]
        self.p = array("i", [first, words, FRAMES, is_unsigned])  # see capture.take
        self.raw = array("H" if is_unsigned else "h", bytes(2 * FRAMES * words))
        self.since = time.monotonic_ns()
        self.got = 0

    def due(self):
        """Samples since the last of them was taken."""
        return (time.monotonic_ns() - self.since) * self.rate // 1000000000 - self.got

    def record(self, x):
        self.driver.record(self.raw, FRAMES * self.words)
        self.kernel.take(self.raw, x, self.p)
        self.got += FRAMES
        return FRAMES

    def lose(self, samples):
        """Some were not recorded: go on from now."""
        self.overruns += max(1, samples)
        self.since, self.got = time.monotonic_ns(), 0

    def close(self):
        self.driver.deinit()


class I2SIn(Recorder):
    """sck, ws, sd: pins by name. bits: of a slot, 16 or 32; channel: left or right."""

    live = True

    def __init__(self, sck, ws, sd, rate=16000, bits=32, channel="left"):
        import audioi2sin

        stereo = channel == "right"
        driver = audioi2sin.I2SIn(
            pin(sck), pin(ws), pin(sd), sample_rate=rate, bit_depth=bits, output_bit_depth=16, mono=not stereo
        )
        Recorder.__init__(self, driver, 1 + stereo, int(stereo), 0)

    def readinto(self, x):
        due = self.due()
        if len(x) < FRAMES or due < FRAMES:
            return 0
        n = self.record(x)
        if self.driver.overflow:
            self.lose(due - FRAMES)
        return n


class PDM(Recorder):
    """clock, data: pins by name."""

    live = False

    def __init__(self, clock, data, rate=16000):
        import audiobusio

        driver = audiobusio.PDMIn(pin(clock), pin(data), sample_rate=rate, bit_depth=16)
        Recorder.__init__(self, driver, 1, 0, 1)

    def readinto(self, x):
        if len(x) < FRAMES:
            return 0
        due = self.due()
        if due > FRAMES:
            self.lose(due)
        return self.record(x)
