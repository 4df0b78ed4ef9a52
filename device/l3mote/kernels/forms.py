"""Forms of the capture (capture.py is the specification, in plain Python): which one runs, and what all of them work with."""

from array import array

from l3mote.kernels import loading

FORMS = ("native", "viper", "ulab", "python")  # the one to prefer first

# Places in remove_offset's memory: shift, mean, samples so far (counted while it starts), shift by now; what was found. These, and
# what is said of p, are C's: tests/kernels/test_slots.py.
OFFSET_FOUND, OFFSET = 4, 7
MOST_SHIFT = 12
# Places in measure's state: coefficients, from 0; what the sections remember: four levels, then twice (x, y); what was found.
MEMORY, FOUND, STATE = 9, 17, 21


def choose(name=None):
    """(name, module) of the form called `name`, or of the first that loads. Raises KernelError."""
    return next(loading("capture form", FORMS, name, lambda form: "capture" if form == "python" else "capture_" + form))


def offset_memory(rate):
    """What remove_offset() works with, at a rate in Hz: the shift whose corner, rate / (2 pi 2^shift), is from 2.5 to 5.1 Hz.

    MOST_SHIFT is enough up to 131 kHz; at twelve times 48 kHz the corner is 22 Hz.
    """
    shift = 0
    while shift < MOST_SHIFT and 32 << shift <= rate:
        shift += 1
    return array("i", [shift] + [0] * (OFFSET - 1))


def state(coefficients):
    """What measure() works with, from filters.weighting's coefficients."""
    return array("i", list(coefficients) + [0] * (STATE - MEMORY))


def found(state):
    """What measure() found, the four numbers that it names."""
    return state[FOUND:]
