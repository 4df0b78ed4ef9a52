"""What a microphone's samples go through, in plain Python: the specification of the native and viper forms, bit for bit.

Buffers are int16 (raw, x, taps, ring) or int32 (state, p). The coefficients are those of filters.py. choose() picks a form.
"""

from array import array

from l3mote.kernels import load_first

FORMS = ("native", "viper", "ulab", "python")  # the one to prefer first

# Places in measure's state: coefficients, from 0; what the sections remember: four levels, then twice (x, y); what was found.
MEMORY, FOUND, STATE = 9, 17, 24
LAG = 2048  # 1 of the low pass's coefficients
FULL, FRACTION = 1 << 18, 10  # a section's value has 2 bits of fraction, its level 10 more
HIGH_PASSES = ((9, 0), (10, 0), (11, 2), (12, 4))  # level and coefficient of each section
LOW_PASSES = (13, 15)


def choose(name=None):
    """(name, module) of the form called `name`, or of the first that loads. Raises KernelError."""
    return load_first("capture form", FORMS, name, lambda form: "capture" if form == "python" else "capture_" + form)


def state(coefficients):
    """What measure() works with, from filters.weighting's coefficients."""
    return array("i", list(coefficients) + [0] * (STATE - MEMORY))


def found(state):
    """What measure() found, the seven numbers that it names."""
    return state[FOUND:]


def take(raw, out, p):
    """out[i] = raw[first + i * step], its sign bit turned round where p[3]: one channel of what a driver writes."""
    # p: 0 first, 1 step, 2 samples, 3 samples are unsigned
    at = p[0]
    for i in range(p[2]):
        v = raw[at]
        out[i] = (v & 65535) - 32768 if p[3] else v
        at += p[1]


def decimate(x, taps, ring, p):
    """Every factor-th sample of x through the low pass into the ring, as far as x reaches; returns how many. The ring wraps round.

    The filter is symmetric, so its coefficients are used in pairs of samples. Even and odd pairs are summed apart: each sum stays
    within 32 bits, both together would not.
    """
    # p: 0 samples in x, 1 factor, 2 place in the ring
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


def limited(v, most):
    return -most if v < -most else most - 1 if v > most - 1 else v


def measure(x, state, p):
    """Level of samples p[0] to p[1] - 1 of x, at most 32,767 of them, plain and A-weighted; the sections remember, in state.

    Finds: sum of squares, the same of twice the A-weighted samples (each as two sums, of the squares' high and low 16 bits), least
    and largest sample, samples at full scale.
    """
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
    for i, v in enumerate((plain, plain_low, weighted, weighted_low, least, largest, clipped)):
        state[FOUND + i] = v
