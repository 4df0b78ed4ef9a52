"""capture.py in viper, bit for bit. How its words of 32 or 64 bits give the same: viper.py."""

import micropython

from l3mote.kernels.capture import found, state

__all__ = ("take", "decimate", "measure", "state", "found")


@micropython.viper
def take(raw: ptr16, out: ptr16, p: ptr32):
    # p: 0 first, 1 step, 2 samples, 3 samples are unsigned
    step = int(p[1])
    at = int(p[0])
    flip = 0
    if p[3]:
        flip = 0x8000
    n = int(p[2])
    i = 0
    while i < n:
        out[i] = int(raw[at]) ^ flip
        at += step
        i += 1


@micropython.viper
def decimated(low: ptr16, t: ptr16, high: ptr16, n: int) -> int:
    """One sample. The first three locals live in registers."""
    middle = int(t) + n
    a = 0
    b = 0
    while int(t) != middle:
        h = (int(t[0]) ^ 0x8000) - 0x8000
        a += h * (((int(low[0]) ^ 0x8000) + (int(high[1]) ^ 0x8000)) - 0x10000)
        h = (int(t[1]) ^ 0x8000) - 0x8000
        b += h * (((int(low[1]) ^ 0x8000) + (int(high[0]) ^ 0x8000)) - 0x10000)
        t = ptr16(int(t) + 4)
        low = ptr16(int(low) + 4)
        high = ptr16(int(high) - 4)
    v = ((a >> 1) + (b >> 1) + 8192) >> 14
    if v > 32767:
        v = 32767
    if v < -32768:
        v = -32768
    return v


@micropython.viper
def _decimate(x: ptr16, taps: ptr16, ring: ptr16, p: ptr32, n: int, n_ring: int) -> int:
    # p: 0 samples in x, 1 factor, 2 place in the ring
    to = int(p[2])
    at = int(x)
    step = 2 * int(p[1])
    last = at + 2 * (int(p[0]) - n)
    made = 0
    while at <= last:
        ring[to] = int(decimated(at, taps, at + 2 * n - 4, n))
        to += 1
        if to == n_ring:
            to = 0
        at += step
        made += 1
    return made


def decimate(x, taps, ring, p):
    return _decimate(x, taps, ring, p, len(taps), len(ring))


@micropython.viper
def high_pass(v: int, s: ptr32, i: int, j: int) -> int:
    """Section whose level is s[i] and whose coefficient s[j]."""
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    level = ((int(s[i]) & mask) ^ sign) - sign
    level += ((v - (level >> 10)) * int(s[j])) >> (int(s[j + 1]) - 10)
    s[i] = level
    v -= level >> 10
    if v < -262144:
        v = -262144
    if v > 262143:
        v = 262143
    return v


@micropython.viper
def low_pass(v: int, s: ptr32, i: int) -> int:
    """Section whose last input is s[i] and whose last output s[i + 1]."""
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    x = ((int(s[i]) & mask) ^ sign) - sign
    y = ((int(s[i + 1]) & mask) ^ sign) - sign
    c = ((int(s[6]) & mask) ^ sign) - sign
    y = (c * y + int(s[7]) * v + int(s[8]) * x + 1024) >> 11
    if y < -262144:
        y = -262144
    if y > 262143:
        y = 262143
    s[i] = v
    s[i + 1] = y
    return y


@micropython.viper
def measure(x: ptr16, s: ptr32, p: ptr32):
    # p: 0 first sample, 1 the one after the last
    plain = 0
    plain_low = 0
    weighted = 0
    weighted_low = 0
    least = 32767
    largest = -32768
    clipped = 0
    i = int(p[0])
    stop = int(p[1])
    while i < stop:
        v = (int(x[i]) ^ 0x8000) - 0x8000
        square = v * v
        plain += square >> 16
        plain_low += square & 65535
        if v < least:
            least = v
        if v > largest:
            largest = v
        if v == 32767 or v == -32768:
            clipped += 1
        v = int(high_pass(v << 2, s, 9, 0))
        v = int(high_pass(v, s, 10, 0))
        v = int(high_pass(v, s, 11, 2))
        v = int(high_pass(v, s, 12, 4))
        v = int(low_pass(v, s, 13))
        v = int(low_pass(v, s, 15))
        v = v >> 1
        if v < -65535:
            v = -65535
        if v > 65534:
            v = 65534
        square = v * v
        weighted += (square >> 16) & 65535
        weighted_low += square & 65535
        i += 1
    s[17] = plain
    s[18] = plain_low
    s[19] = weighted
    s[20] = weighted_low
    s[21] = least
    s[22] = largest
    s[23] = clipped
