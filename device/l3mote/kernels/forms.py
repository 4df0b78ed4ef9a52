"""Forms of the capture (capture.py is the specification, in plain Python): which one runs, and the state that all work with."""

from array import array

from l3mote.kernels import loading

FORMS = ("native", "viper", "ulab", "python")  # the one to prefer first

# Slots of remove_offset's memory: shift, mean, samples so far (counted while it starts), shift by now; statistics. These, and the
# slots of p, are C's too: tests/kernels/test_slots.py.
OFFSET_STATS, OFFSET = 4, 7
MOST_SHIFT = 12
# Slots of measure's state: coefficients, from 0; the sections' values: four levels, then twice (x, y); the sums measured.
MEMORY, MEASURED, STATE = 9, 17, 21


def choose(name=None):
    """Return (name, module) of the form called `name`, or of the first that loads. Raises KernelError."""
    return next(loading("capture form", FORMS, name, lambda form: "capture" if form == "python" else "capture_" + form))


def offset_memory(rate):
    """Return remove_offset()'s memory at a rate in Hz, with the shift whose corner, rate / (2 pi 2^shift), is 2.5 to 5.1 Hz.

    MOST_SHIFT is enough up to 131 kHz; at twelve times 48 kHz the corner is 22 Hz.
    """
    shift = 0
    while shift < MOST_SHIFT and 32 << shift <= rate:
        shift += 1
    return array("i", [shift] + [0] * (OFFSET - 1))


def state(coefficients):
    """Return measure()'s state, from filters.weighting's coefficients."""
    return array("i", list(coefficients) + [0] * (STATE - MEMORY))


def measured(state):
    """Return what measure() left in state, the four numbers that it names."""
    return state[MEASURED:]
