"""The clock that QEMU's MicroPython lacks. With -icount shift=0 an instruction takes a nanosecond, so it counts instructions."""

from machine import mem32

CONTROL, VALUE, RELOAD = 0x50000000, 0x50000004, 0x50000008  # CMSDK timer 0: 32 bits, down, at 20 MHz
TICKS_PER_US = 20
PERIOD_US = 214_000_000  # it wraps after that, 214 G instructions

mem32[RELOAD] = mem32[VALUE] = 0xFFFFFFFF
mem32[CONTROL] = 1


def ticks_us():
    return (0xFFFFFFFF - (mem32[VALUE] & 0xFFFFFFFF)) // TICKS_PER_US


def ticks_ms():
    return ticks_us() // 1000


def ticks_diff(end, start):
    return end - start
