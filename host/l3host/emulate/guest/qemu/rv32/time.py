"""The clock that QEMU's MicroPython lacks. With -icount shift=0 an instruction takes a nanosecond, so it counts instructions."""

from machine import mem32

MTIME = 0x0200BFF8  # the CLINT's, lower half: at 10 MHz it wraps after 429 G instructions
TICKS_PER_US = 10


def ticks_us():
    return (mem32[MTIME] & 0xFFFFFFFF) // TICKS_PER_US


def ticks_ms():
    return ticks_us() // 1000


def ticks_diff(end, start):
    return end - start
