"""Milliseconds of a clock that never goes back, on every firmware: ticks_ms, ticks_add, ticks_diff as MicroPython has them."""

import sys
import time

if sys.implementation.name == "micropython":
    from time import ticks_add, ticks_diff, ticks_ms
else:

    def ticks_ms():
        return time.monotonic_ns() // 1000000

    def ticks_add(ticks, ms):
        return ticks + ms

    def ticks_diff(later, earlier):
        return later - earlier
