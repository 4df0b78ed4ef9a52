"""capture.py in viper, bit for bit. viper.py says how words of 32 and 64 bits give the same result."""

import micropython

from l3mote.kernels.forms import measured, offset_memory, state

__all__ = ("take", "remove_offset", "decimate", "measure", "offset_memory", "state", "measured")


@micropython.viper
def take(raw: ptr16, out: ptr16, p: ptr32):
    # p, take_t in C: first step samples is_unsigned
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
def remove_offset(x: ptr16, s: ptr32, p: ptr32):
    # p, part_t in C: first stop; s: see capture.remove_offset
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    last = int(s[0])
    mean = ((int(s[1]) & mask) ^ sign) - sign
    seen = int(s[2])
    shift = int(s[3])
    least = 32767
    largest = -32768
    clipped = 0
    i = int(p[0])
    stop = int(p[1])
    while i < stop:
        v = (int(x[i]) ^ 0x8000) - 0x8000
        if v < least:
            least = v
        if v > largest:
            largest = v
        if v == 32767 or v == -32768:
            clipped += 1
        if shift < last:
            seen += 1
            shift += seen >> (shift + 1)
        mean += ((v << 13) - mean) >> shift
        v -= (mean + 4096) >> 13
        if v < -32768:
            v = -32768
        if v > 32767:
            v = 32767
        x[i] = v
        i += 1
    k = 1
    s[k] = mean
    s[k + 1] = seen
    s[k + 2] = shift
    s[k + 3] = least
    s[k + 4] = largest
    s[k + 5] = clipped


@micropython.viper
def _decimate(low: ptr16, t: ptr16, high: ptr16, p: ptr32, ring: ptr16, n: int, n_ring: int) -> int:
    """Only the first three locals live in registers: those that the inner loop uses most. low, high come in as x, t as taps."""
    # p, decimate_t in C: samples factor to
    taps = int(t)
    middle = taps + n
    to = int(p[2])
    at = int(low)
    step = 2 * int(p[1])
    last = at + 2 * (int(p[0]) - n)
    made = 0
    while at <= last:
        low = ptr16(at)
        high = ptr16(at + 2 * n - 4)
        t = ptr16(taps)
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
        a = ((a >> 1) + (b >> 1) + 8192) >> 14
        if a > 32767:
            a = 32767
        if a < -32768:
            a = -32768
        ring[to] = a
        to += 1
        if to == n_ring:
            to = 0
        at += step
        made += 1
    return made


def decimate(x, taps, ring, p):
    return _decimate(x, taps, x, p, ring, len(taps), len(ring))


@micropython.viper
def measure(x: ptr16, s: ptr32, p: ptr32):
    # p, part_t in C: first stop
    one = 1
    sign = one << 31
    mask = (sign << 1) - 1
    c = ((int(s[6]) & mask) ^ sign) - sign
    plain = 0
    plain_low = 0
    weighted = 0
    weighted_low = 0
    i = int(p[0])
    stop = int(p[1])
    while i < stop:
        v = (int(x[i]) ^ 0x8000) - 0x8000
        square = v * v
        plain += square >> 16
        plain_low += square & 65535
        v <<= 2
        k = 9  # the high passes' levels are s[9] to s[12], their coefficients s[0], s[0], s[2], s[4]
        j = 0
        while k < 13:
            y = ((int(s[k]) & mask) ^ sign) - sign
            y += ((v - (y >> 10)) * int(s[j])) >> (int(s[j + 1]) - 10)
            s[k] = y
            v -= y >> 10
            if v < -262144:
                v = -262144
            if v > 262143:
                v = 262143
            if k > 9:
                j += 2
            k += 1
        while k < 17:  # the low passes' last inputs and outputs
            y = (((int(s[k]) & mask) ^ sign) - sign) * int(s[8]) + (((int(s[k + 1]) & mask) ^ sign) - sign) * c
            s[k] = v
            v = (y + v * int(s[7]) + 1024) >> 11
            if v < -262144:
                v = -262144
            if v > 262143:
                v = 262143
            s[k + 1] = v
            k += 2
        v = v >> 1
        if v < -65535:
            v = -65535
        if v > 65534:
            v = 65534
        square = v * v
        weighted += (square >> 16) & 65535
        weighted_low += square & 65535
        i += 1
    k = 17
    s[k] = plain
    s[k + 1] = plain_low
    s[k + 2] = weighted
    s[k + 3] = weighted_low
