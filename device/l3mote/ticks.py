"""Milliseconds of a clock that never goes back, on every firmware: ticks_ms, ticks_add, ticks_diff as MicroPython has them."""

import time

if hasattr(time, "ticks_ms") and hasattr(time, "ticks_add") and hasattr(time, "ticks_diff"):
    ticks_ms, ticks_add, ticks_diff = time.ticks_ms, time.ticks_add, time.ticks_diff
else:  # CircuitPython

    def ticks_ms():
        return time.monotonic_ns() // 1000000

    def ticks_add(ticks, ms):
        return ticks + ms

    def ticks_diff(later, earlier):
        return later - earlier
