"""capture.py in ulab's floats: a sample is within 1 of the integers', a level within 0.1 dB.

There is no form with the same bits: ulab has no 32-bit integers, and a sum of products of 16-bit ones needs them.
"""

from ulab import numpy as np
from ulab import scipy  # a dotted import finds it on CircuitPython only

from l3mote.kernels.capture import LAG, OFFSET_FRACTION, take
from l3mote.kernels.capture import remove_offset as start
from l3mote.kernels.forms import OFFSET_STATS, offset_memory

__all__ = ("take", "remove_offset", "decimate", "measure", "offset_memory", "state", "measured")

sosfilt = scipy.signal.sosfilt


def state(coefficients):
    """Return the sections in sosfilt's form, their values, and a place for what measure() leaves."""
    c, sections = coefficients, []
    for k in (0, 0, 2, 4):
        a = c[k] / (1 << c[k + 1])
        sections.append([1 - a, a - 1, 0, 1, a - 1, 0])
    low = [c[7] / LAG, c[8] / LAG, 0, 1, -c[6] / LAG, 0]
    return [np.array(sections + [low, low]), np.zeros((6, 2)), None]


def measured(state):
    return state[2]


def remove_offset(x, memory, p):
    if memory[3] < memory[0]:  # the first moment, in integers
        return start(x, memory, p)
    v = np.frombuffer(x, dtype=np.int16)[p[0] : p[1]]
    least, largest = int(np.min(v)), int(np.max(v))
    clipped = sum([s in (32767, -32768) for s in v]) if largest == 32767 or least == -32768 else 0
    a, unit, last = 1 / (1 << memory[0]), 1 << OFFSET_FRACTION, v[len(v) - 1]
    y, z = sosfilt(np.array([[1 - a, a - 1, 0, 1, a - 1, 0]]), v * 1.0, zi=np.array([[(a - 1) * memory[1] / unit, 0]]))
    memory[1] = int((last - y[len(y) - 1]) * unit)
    v[:] = np.clip(y, -32768, 32767)  # rounds
    for i, value in enumerate((least, largest, clipped)):
        memory[OFFSET_STATS + i] = value


def decimate(x, taps, ring, p):
    # polyphase: each phase of the samples with its phase of the filter, reversed: in a symmetric filter that is another phase
    factor, to, n = p[1], p[2], len(taps) // p[1]
    made = (p[0] - len(taps)) // factor + 1 if p[0] >= len(taps) else 0
    if not made:
        return 0
    x, taps, out = np.frombuffer(x, dtype=np.int16), np.frombuffer(taps, dtype=np.int16), np.frombuffer(ring, dtype=np.int16)
    y = np.zeros(made)
    for k in range(factor):
        part = x[k : k + (made + n - 1) * factor : factor]
        y += np.convolve(part, taps[factor - 1 - k :: factor])[n - 1 : n - 1 + made]
    y = np.clip(y / 32768, -32768, 32767)
    first = min(made, len(ring) - to)
    out[to : to + first] = y[:first]  # rounds
    if first < made:
        out[: made - first] = y[first:]
    return made


def measure(x, state, p):
    x = np.frombuffer(x, dtype=np.int16)[p[0] : p[1]] * 1.0
    y, state[1] = sosfilt(state[0], x, zi=state[1])
    plain, weighted = int(np.dot(x, x)), int(4 * np.dot(y, y))
    state[2] = (plain >> 16, plain & 65535, weighted >> 16, weighted & 65535)
