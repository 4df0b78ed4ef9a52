"""What a microphone's samples go through, in plain Python: the specification of the native and viper forms, bit for bit.

Buffers are int16 (raw, x, coefficients, ring) or int32 (state, p). The coefficients are those of filters.py.
"""

name = "python"

# Places in measure's state: coefficients, then what the sections remember, then what was found.
COEFFICIENTS, MEMORY, FOUND, STATE = 0, 9, 17, 24
LAG, HALF, FRACTION, FULL = 2048, 1024, 10, 1 << 18  # as filters.LAG; a section's value has 2 bits of fraction, its level 10 more


def take(raw, out, p):
    """out[i] = raw[first + i * step], its sign bit turned round where p[3]: one channel of what a driver writes."""
    # p: 0 first, 1 step, 2 samples, 3 samples are unsigned
    at = p[0]
    for i in range(p[2]):
        v = raw[at]
        out[i] = (v + 32768 & 65535) - 32768 if p[3] else v
        at += p[1]


def decimate(x, taps, ring, p):
    """Every factor-th sample of x through the low pass into the ring, as far as x reaches; returns how many. It wraps round.

    The halves of the symmetric filter are summed apart: each stays within 32 bits, both together would not.
    """
    # p: 0 samples in x, 1 factor, 2 place in the ring
    n, half, to = len(taps), len(taps) // 2, p[2]
    made = (p[0] - n) // p[1] + 1 if p[0] >= n else 0
    for i in range(made):
        at = i * p[1]
        a = b = 0
        for k in range(half):
            a += taps[k] * x[at + k]
        for k in range(half, n):
            b += taps[k] * x[at + k]
        v = ((a >> 1) + (b >> 1) + 8192) >> 14
        ring[to] = -32768 if v < -32768 else 32767 if v > 32767 else v
        to += 1
        if to == len(ring):
            to = 0
    return made


def limited(v, most):
    return -most if v < -most else most - 1 if v > most - 1 else v


def measure(x, state, p):
    """Level of samples p[0] to p[1] - 1 of x, fewer than 32,768 of them, through the A-weighting whose sections' memory is in state.

    Writes to state[FOUND:]: sum of squares, then A-weighted (each as high and low part of 16 bits a square: high * 65536 + low), least, largest
    sample, and samples at full scale.
    """
    c, m = state, MEMORY
    plain = plain_low = weighted = weighted_low = clipped = 0
    least, largest = 32767, -32768
    for i in range(p[0], p[1]):
        v = x[i]
        square = v * v
        plain += square >> 16
        plain_low += square & 65535
        least, largest = min(least, v), max(largest, v)
        clipped += v >= 32767 or v <= -32768
        v *= 4
        for k in range(4):
            j = 2 * max(k - 1, 0)
            d = v - (c[m + k] >> FRACTION)
            c[m + k] += d * c[j] >> c[j + 1] - FRACTION
            v = limited(v - (c[m + k] >> FRACTION), FULL)
        for k in range(m + 4, m + 8, 2):
            y = limited((c[6] * c[k + 1] + c[7] * v + c[8] * c[k] + HALF) >> 11, FULL)
            c[k], c[k + 1] = v, y
            v = y
        v = limited((v + 2) >> 2, 32768)
        square = v * v
        weighted += square >> 16
        weighted_low += square & 65535
    for i, v in enumerate((plain, plain_low, weighted, weighted_low, least, largest, clipped)):
        state[FOUND + i] = v
