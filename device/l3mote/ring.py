"""From a source to the model's rate: its last samples, without their offset, and the level of all that passed through."""

import math
from array import array

from l3mote.kernels.forms import OFFSET_STATS, choose
from l3mote.limits import BLOCK, SoundError, decimation
from l3mote.memory import Zeros

DECIBEL = 10 / math.log(10)  # turns a natural logarithm into dB: CircuitPython's boards have no log10
QUIET = -120.0  # dB, the level of no sound at all: below the smallest step of 16 bits


def decibels(square):
    """Return the dB of a mean square of int16 samples; a full-scale sine has 0."""
    return max(QUIET, DECIBEL * math.log(square) - 87.2987) if square > 0 else QUIET  # 10 log10(32768^2 / 2)


class Meter:
    """Takes the offset off a source's samples and measures them, slot by slot, at the source's own rate.

    slots: how many are done; kept: of how many there is, by slot % kept: the mean squares plain and weighted, both without the
    offset; of the samples as they came, the number of clipped ones, and how long the sound was unmoved when the slot ended, in
    samples of one and the same value.
    A-weighting is right up to 0.45 of the source's rate (filters.weighting): sound above is not in the level.
    """

    def __init__(self, kernel, rate, slot, keep):
        self.kernel, self.rate = kernel, rate
        self.slot, self.kept = slot, keep
        self.slots = self.filled = self.still = 0
        self.last = None
        self.plain, self.weighted = array("f", [0.0] * keep), array("f", [0.0] * keep)
        self.clipped, self.unmoved = array("i", [0] * keep), array("i", [0] * keep)
        from l3mote.filters import weighting  # here, because the app forgets the module afterwards

        coefficients = weighting(rate)
        self.state = kernel.state(coefficients)
        self.p = array("i", [0, 0])
        self.gain = -gain(coefficients, rate, 1000) - 6.0206  # twice the samples are measured
        self._open()
        self.restart()

    def restart(self):
        """Start over: the sound that follows may have another offset."""
        self.offset = self.kernel.offset_memory(self.rate)

    def _open(self):
        self.filled = self.sum = self.weighted_sum = self.clips = 0

    def add(self, x, first, stop):
        """Take the offset off samples first to stop - 1 of x, in place, and measure them."""
        while first < stop:
            n = min(stop - first, self.slot - self.filled)
            self.p[0], self.p[1] = first, first + n
            self.kernel.remove_offset(x, self.offset, self.p)
            self.kernel.measure(x, self.state, self.p)
            self._count(n)
            first += n
            if self.filled == self.slot:
                self._close()

    def _count(self, n):
        high, low, a_high, a_low = self.kernel.measured(self.state)
        least, largest, clips = self.offset[OFFSET_STATS:]
        self.sum += (high << 16) + low
        self.weighted_sum += (a_high << 16) + a_low
        self.clips += clips
        self.filled += n
        if least != largest:
            self.still = 0
        else:
            self.still = self.still + n if self.last == least else n
        self.last = least if least == largest else None

    def _close(self):
        i = self.slots % self.kept
        self.plain[i] = self.sum / self.slot
        self.weighted[i] = self.weighted_sum / self.slot
        self.clipped[i], self.unmoved[i] = self.clips, min(self.still, 1 << 30)
        self.slots += 1
        self._open()

    def level(self, first, stop):
        """Return (dB of full scale, A-weighted Leq in the same dB) of slots first to stop - 1, if done and still kept."""
        first, stop = max(first, self.slots - self.kept, 0), min(stop, self.slots)
        plain = weighted = 0.0
        for k in range(stop - first):  # at most `kept`: range() takes no number beyond 31 bits
            i = (first + k) % self.kept
            plain += self.plain[i]
            weighted += self.weighted[i]
        n = max(1, stop - first)
        return decibels(plain / n), max(QUIET, decibels(weighted / n) + self.gain)


def gain(c, rate, hertz):
    """Return the dB of the A-weighting's sections at a frequency."""
    angle = 2 * math.pi * hertz / rate
    cos, squared = math.cos(angle), 1.0
    for k, runs in ((0, 2), (2, 1), (4, 1)):
        a = c[k] / (1 << c[k + 1])
        r = 1 - a
        squared *= (r * r * (2 - 2 * cos) / (1 + r * r - 2 * r * cos)) ** runs
    p, b0, b1 = c[6] / 2048, c[7] / 2048, c[8] / 2048
    squared *= ((b0 * b0 + b1 * b1 + 2 * b0 * b1 * cos) / (1 + p * p - 2 * p * cos)) ** 2
    return DECIBEL * math.log(squared)


class Ring:
    """The last samples of a source, without their offset, at source.rate / factor Hz, which is about `rate`.

    buffer: array('h') to keep them in, from its start on: sample number `first` stands at 0, and those up to `total` behind it.
    needed: samples from this number on are kept where there is room for them; older ones go. A live source has to be heard, so
    where there is none its oldest go all the same; another one waits.
    slot: samples (at `rate`) of the meter's slots, keep: how many it remembers. ended: the source said that the sound is over.
    Raises SoundError for a source of another rate than decimation() allows.
    """

    def __init__(self, source, rate, buffer, slot=None, keep=1, kernel=None):
        self.source, self.rate = source, rate
        self.factor = decimation(source.rate, rate)
        self.kernel_name, self.kernel = choose(kernel)
        self.buffer = buffer
        if len(self.buffer) < 2 * BLOCK:
            raise SoundError("a ring of %d samples is too small: %d at least" % (len(self.buffer), 2 * BLOCK))
        self.view = memoryview(self.buffer)
        from l3mote.filters import lowpass

        self.taps = lowpass(self.factor) if self.factor > 1 else array("h", [0])
        self.x = array("h", Zeros(BLOCK + len(self.taps) + self.factor))
        self.x_view = memoryview(self.x)
        # samples in x; zeros before the first one put the filter's middle there
        self.have = len(self.taps) // 2 if self.factor > 1 else 0
        self.p = array("i", [0, 0, 0])
        self.meter = Meter(self.kernel, source.rate, (slot or rate) * self.factor, keep)
        self.first = self.total = self.needed = 0
        self.ended = False

    def restart(self, source):
        """Continue with another source of the same rate."""
        self.source, self.ended = source, False
        self.meter.restart()

    def service(self):
        """Take a block of what the source has. Returns whether there was any, or its end.

        Call it often: a driver holds a fraction of a second.
        """
        if self.ended or not self._has_room():
            return False
        n = self.source.readinto(self.x_view[self.have : self.have + BLOCK])
        if n > 0:
            self.meter.add(self.x, self.have, self.have + n)
            self.have += n
            self._keep()
        elif n < 0:
            self._end()
        return n != 0

    def _has_room(self):
        """For a block, or for what the filter still holds at the end; makes it where that may be."""
        stand = self.total - self.first
        lacks = stand + (len(self.x) + self.factor - 1) // self.factor - len(self.buffer)
        if lacks <= 0:
            return True
        gone = min(stand, max(self.needed - self.first, lacks if self.source.live else 0))
        if gone > 0:
            self.view[: stand - gone] = self.view[gone:stand]
            self.first += gone
        return gone >= lacks

    def _end(self):
        """End the sound: zeros after its last sample move the filter's middle there."""
        self.ended = True
        if self.factor > 1:
            for i in range(len(self.taps) // 2):
                self.x[self.have + i] = 0
            self.have += len(self.taps) // 2
            self._keep()

    def _keep(self):
        """Put x behind what is kept, all but what the filter still needs."""
        at, n = self.total - self.first, self.have
        if self.factor > 1:
            self.p[0], self.p[1], self.p[2] = n, self.factor, at
            n = self.kernel.decimate(self.x, self.taps, self.buffer, self.p)
        else:
            self.view[at : at + n] = self.x_view[:n]
        self.total += n
        used = n * self.factor
        self.have -= used
        if used:
            self.x_view[: self.have] = self.x_view[used : used + self.have]
