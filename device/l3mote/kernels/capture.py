"""The processing of a microphone's samples, in plain Python: the specification of the native and viper forms, bit for bit.

Buffers are int16 (raw, x, taps, ring) or int32 (offset, state, p). Coefficients: filters.py. Picking a form: forms.choose().
Each form is a module of this folder that offers the same functions: take, remove_offset, measure and decimate, and those that make
and read their state: offset_memory, state and measured.

Order: take() a channel from what a driver wrote, remove_offset(), measure() the level, decimate() to the model's rate. The
host's hearing.py gives recordings the same remove_offset() at the model's rate.
"""

from l3mote.kernels.forms import MEASURED, measured, offset_memory, state

__all__ = ("take", "remove_offset", "decimate", "measure", "offset_memory", "state", "measured")

OFFSET_FRACTION = 13  # bits of the mean's fraction: more than its shift, or the mean could not come back to 0
LAG = 2048  # 1 of the low pass's coefficients
FULL, FRACTION = 1 << 18, 10  # a section's value has 2 bits of fraction, its level 10 more
HIGH_PASSES = ((9, 0), (10, 0), (11, 2), (12, 4))  # level and coefficient of each section
LOW_PASSES = (13, 15)


def take(raw, out, p):
    """Set out[i] = raw[first + i * step], its sign bit flipped if p[3]: one channel of what a driver writes."""
    # p, take_t in C: first step samples is_unsigned
    at = p[0]
    for i in range(p[2]):
        v = raw[at]
        out[i] = (v & 65535) - 32768 if p[3] else v
        at += p[1]


def decimate(x, taps, ring, p):
    """Put every factor-th sample of x through the low pass into the ring, as far as x reaches; return how many. The ring wraps.

    The filter is symmetric, so its coefficients are used in pairs of samples. Even and odd pairs are summed separately:
    each sum fits 32 bits, both together would not.
    """
    # p, decimate_t in C: samples factor to
    n, to = len(taps), p[2]
    made = (p[0] - n) // p[1] + 1 if p[0] >= n else 0
    for i in range(made):
        low, high = i * p[1], i * p[1] + n - 1
        a = b = 0
        for k in range(0, n // 2, 2):
            a += taps[k] * (x[low + k] + x[high - k])
            b += taps[k + 1] * (x[low + k + 1] + x[high - k - 1])
        v = ((a >> 1) + (b >> 1) + 8192) >> 14
        ring[to] = -32768 if v < -32768 else 32767 if v > 32767 else v
        to += 1
        if to == len(ring):
            to = 0
    return made


def remove_offset(x, memory, p):
    """Subtract from samples p[0] to p[1] - 1 of x, in place, the mean of the sound so far, in which old samples count less.

    A first-order high pass: mean += (x - mean) / 2^shift. It starts as the mean of few samples: with shifts 0, 1, 1, 2, 2, 2, 2, 3
    and so on. A constant added to all samples is added to the mean, to the bit: from the first sample on the output
    does not depend on it. Leaves, of the samples as they came: least, largest, how many at full scale.
    """
    # memory, offset_t in C: last mean seen shift least largest clipped
    last, mean, seen, shift = memory[0], memory[1], memory[2], memory[3]
    least, largest, clipped = 32767, -32768, 0
    for i in range(p[0], p[1]):
        v = x[i]
        least, largest = v if v < least else least, v if v > largest else largest
        clipped += v >= 32767 or v <= -32768
        if shift < last:
            seen += 1
            shift += seen >> (shift + 1)
        mean += ((v << OFFSET_FRACTION) - mean) >> shift
        x[i] = limited(v - ((mean + (1 << (OFFSET_FRACTION - 1))) >> OFFSET_FRACTION), 32768)
    for i, v in enumerate((mean, seen, shift, least, largest, clipped)):
        memory[1 + i] = v


def limited(v, most):
    return -most if v < -most else most - 1 if v > most - 1 else v


def measure(x, state, p):
    """Measure the level of samples p[0] to p[1] - 1 of x, at most 32,767, plain and A-weighted; state keeps the sections' values.

    Leaves the sum of squares, and that of twice the A-weighted samples; each as two sums, of the squares' high and low 16 bits.
    """
    plain = plain_low = weighted = weighted_low = 0
    for i in range(p[0], p[1]):
        v = x[i]
        square = v * v
        plain += square >> 16
        plain_low += square & 65535
        v *= 4
        for k, j in HIGH_PASSES:
            state[k] += ((v - (state[k] >> FRACTION)) * state[j]) >> (state[j + 1] - FRACTION)
            v = limited(v - (state[k] >> FRACTION), FULL)
        for k in LOW_PASSES:
            y = limited((state[6] * state[k + 1] + state[7] * v + state[8] * state[k] + LAG // 2) // LAG, FULL)
            state[k], state[k + 1] = v, y
            v = y
        v = limited(v >> 1, 65535)
        square = v * v
        weighted += square >> 16
        weighted_low += square & 65535
    for i, v in enumerate((plain, plain_low, weighted, weighted_low)):
        state[MEASURED + i] = v
