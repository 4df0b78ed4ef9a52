"""What the modules of a CircuitPython board have, in one table, and a prelude that leaves MicroPython + ulab no more than that.

Measured in CircuitPython 10.2.1 (ulab 6.5.3), but os, time, math and sys read in its sources. Runs before a script, in the same
namespace. What it cannot take away: 64-bit floats (boards have 30 bits), a heap without limit.
"""

import sys

HAS = {
    "math": "acos asin atan atan2 ceil copysign cos degrees e exp fabs floor fmod frexp isfinite isinf isnan ldexp log modf pi pow "
    "radians sin sqrt tan trunc",
    "sys": "argv byteorder exit implementation maxsize modules path platform stderr stdin stdout version version_info",
    "gc": "collect disable enable isenabled mem_alloc mem_free",
    "time": "localtime mktime monotonic monotonic_ns sleep time",
    "os": "chdir getcwd getenv listdir mkdir remove rename rmdir sep stat statvfs sync uname unlink urandom",
    "binascii": "a2b_base64 b2a_base64 crc32 hexlify unhexlify",
    "ulab.numpy": "acos acosh all any arange arctan2 argmax argmin argsort around array asarray asin asinh atan atanh bitwise_and "
    "bitwise_or bitwise_xor bool ceil clip complex compress concatenate conjugate convolve cos cosh cross degrees delete diag "
    "diff dot e empty equal exp expm1 eye fft flip float floor frombuffer full get_printoptions imag inf int16 int8 interp "
    "isfinite isinf left_shift linalg linspace load loadtxt log log10 log2 logspace max maximum mean median min minimum nan "
    "ndarray ndinfo nonzero not_equal ones pi polyfit polyval radians random real right_shift roll save savetxt set_printoptions "
    "sin sinc sinh size sort sort_complex sqrt std sum tan tanh trace trapz uint16 uint8 vectorize where zeros",
    "ulab.scipy": "signal",
    "ulab.utils": "from_int16_buffer from_int32_buffer from_uint16_buffer from_uint32_buffer spectrogram",
}
ATTRIBUTES = ("itemsize",)  # of ulab's arrays
NOT_THERE = ("machine", "network", "socket", "requests", "asyncio", "vfs")  # or not on every board


class Bare:
    """A module with some of another's names."""

    def __init__(self, real, names, **more):
        for name in names.split():
            if hasattr(real, name):
                setattr(self, name, getattr(real, name))
        for name in more:
            setattr(self, name, more[name])


class Clock:
    """Board time: it passes when it is asked for and when somebody sleeps."""

    ns = 0

    def monotonic_ns(self):
        self.ns += 2000000
        return self.ns

    def monotonic(self):
        return self.monotonic_ns() / 1000000000

    def sleep(self, seconds):
        self.ns += int(seconds * 1000000000)


class Implementation:
    name, version, _machine, _mpy = "circuitpython", (10, 2, 1, ""), "MicroPython with less in it", 774


class Absent:
    """A module that raises what importing it would."""

    def __init__(self, name):
        self.absent = name

    def __getattr__(self, name):
        raise ImportError("no module named '" + self.absent + "'")


def take_away():
    import binascii
    import gc
    import math
    import os
    import time

    import ulab

    def spectrogram(x):  # keywords came in 6.6
        return ulab.utils.spectrogram(x)

    clock, modules = Clock(), sys.modules
    for name, real in (("math", math), ("gc", gc), ("os", os), ("binascii", binascii)):
        modules[name] = Bare(real, HAS[name])
    modules["os"].sync = lambda: None
    modules["time"] = Bare(time, HAS["time"], monotonic=clock.monotonic, monotonic_ns=clock.monotonic_ns, sleep=clock.sleep)
    modules["sys"] = Bare(sys, HAS["sys"], implementation=Implementation)
    numpy, utils = Bare(ulab.numpy, HAS["ulab.numpy"]), Bare(ulab.utils, HAS["ulab.utils"], spectrogram=spectrogram)
    modules["ulab"] = Bare(ulab, "__version__", numpy=numpy, utils=utils, scipy=Bare(ulab.scipy, HAS["ulab.scipy"]))
    for name in NOT_THERE:
        modules[name] = Absent(name)
    modules["traceback"] = Bare(sys, "", print_exception=sys.print_exception)


if sys.implementation.name == "micropython":
    take_away()
    import sys
