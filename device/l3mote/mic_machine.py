"""A microphone on MicroPython's machine.I2S: ESP32, RP2, STM32 and i.MX RT."""

import select
import time
from array import array

from machine import I2S as Driver
from machine import Pin

from l3mote.kernels.forms import choose
from l3mote.memory import Zeros

FRAMES = 256  # read from the driver at once
SLACK = 512  # samples by which a driver's buffers and clock may differ from ours between two reads
HELD = 10  # the driver holds a tenth of a second...
DRIVER_FRAME = 8  # ...in two slots of 32 bits, whatever the settings; RP2 takes it from our heap: 12.8 kB at 16 kHz
take = choose()[1].take  # imported now, so that no file is opened in the place of the driver's buffer


class I2S:
    """sck, ws, sd: pins (numbers or names). bits: of a slot, 16 or 32 (24-bit microphones: 32); the upper 16 are taken.

    The left channel is the driver's MONO; the right one is picked from its STEREO. ibuf: bytes of the driver's buffer. number: of
    the port's I2S: 0 or 1 on ESP32 and RP2, 1 or 2 on STM32 and i.MX RT. Overruns count from the first readinto() on.
    Raises what the driver raises: ValueError, OSError.
    """

    live = True

    def __init__(self, sck, ws, sd, rate=16000, bits=32, channel="left", ibuf=None, number=0):
        stereo = channel == "right"
        self.rate, self.frame = rate, bits // 8 * (1 + stereo)
        self.overruns = 0
        self.driver = Driver(
            number, sck=Pin(sck), ws=Pin(ws), sd=Pin(sd), mode=Driver.RX, bits=bits, rate=rate,
            format=Driver.STEREO if stereo else Driver.MONO, ibuf=ibuf or rate // HELD * DRIVER_FRAME,
        )  # fmt: skip
        words = self.frame // 2
        self.p = array("i", [words - 1, words, 0, 0])  # see capture.take
        self.raw = array("h", Zeros(FRAMES * words))
        self.view = memoryview(self.raw)
        poll = select.poll()
        poll.register(self.driver, select.POLLIN)
        poll.poll(0)  # from the first poll on, readinto() does not wait
        self.since, self.got = None, 0

    def readinto(self, x):
        if self.since is None:  # what the driver dropped before the first read does not count
            self.since = time.ticks_us()
        n = min(len(x), FRAMES)
        done = (self.driver.readinto(self.view[: n * self.frame // 2]) or 0) // self.frame
        if done:
            self.p[2] = done
            take(self.raw, x, self.p)
        self.got += done
        if done < n:
            self._count()
        return done

    def _count(self):
        """Count what an empty driver dropped without a report: samples due since it last was empty, less those that came."""
        now = time.ticks_us()
        late = time.ticks_diff(now, self.since) * self.rate // 1000000 - self.got
        if late > SLACK:
            self.overruns += late
        if late > SLACK or self.got:
            self.since, self.got = now, 0

    def close(self):
        self.driver.deinit()
