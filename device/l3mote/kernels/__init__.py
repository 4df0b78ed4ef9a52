"""Kernels: the arithmetic. The board and the host pick one by the same rule: the first in order() that loads and fits the heap."""

import sys


class KernelError(RuntimeError):
    """The kernel asked for does not run here; the message says why and what does."""


def _ulab():
    from l3mote.kernels import ulab

    return ulab


def _native():
    from l3mote.kernels import native

    return native


def _viper():
    from l3mote.kernels import viper

    return viper


def _python():
    from l3mote.kernels import python

    return python


KERNELS = {"native": _native, "ulab": _ulab, "viper": _viper, "python": _python}
FIXED = ("native", "viper")  # only for files with fixed-point scales
ORDER = ("native", "viper", "ulab", "python")
ORDER_WITH_FPU = ("native", "ulab", "viper", "python")

# Names of the architecture numbers of .mpy files, and whose native module runs on boards that have none of their own.
ARCHITECTURES = (None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin")
STAND_INS = {"armv7em": "armv7m", "armv7emdp": "armv7emsp"}
WITH_FPU = ("x86", "x64", "armv7emsp", "armv7emdp", "xtensawin")


def architecture(mpy):
    """The name of the architecture in a sys.implementation._mpy, or None where no native code loads."""
    number = mpy >> 10 & 15
    return ARCHITECTURES[number] if number < len(ARCHITECTURES) else None


def order(mpy):
    """Names of the kernels, the one to prefer first. mpy: the board's sys.implementation._mpy."""
    return preferred(architecture(mpy))


def preferred(arch):
    """Names of the kernels, the fastest on an architecture first: ulab before viper only where it has an FPU."""
    return ORDER_WITH_FPU if arch in WITH_FPU else ORDER


def candidates(name=None, calibrated=False):
    """Yield the kernels' modules that load here, the one to prefer first (FIXED: for a calibrated file), or the one called `name`.

    Raises KernelError when there is none.
    """
    if name is not None and name not in KERNELS:
        raise KernelError("no kernel is called %s: choose from %s" % (name, ", ".join(ORDER)))
    reason, some = None, False
    for candidate in order(getattr(sys.implementation, "_mpy", 0)) if name is None else (name,):
        if name is None and candidate in FIXED and not calibrated:
            continue
        try:
            module = KERNELS[candidate]()
        except (ImportError, SyntaxError, TypeError, ValueError) as e:
            reason = e  # a port without native code refuses viper's decorator as a syntax error, an old emitter what it cannot type
            continue
        some = True
        yield module
    if not some:
        raise KernelError("kernel %s does not load here (%s): the kernel 'python' runs everywhere" % (name, reason))


def choose(name=None, calibrated=False):
    """The first of candidates()."""
    return next(candidates(name, calibrated))


def first_that_fits(kernels, attempt):
    """attempt(kernel), of the first kernel for which that raises no MemoryError; else the HeapError that misses least."""
    least = None  # type: MemoryError | None
    for kernel in kernels:
        try:
            return attempt(kernel)
        except MemoryError as e:
            if least is None or missing(e) < missing(least):
                least = e
    raise least


def missing(error):
    """Bytes that a HeapError misses; more than any other for a heap that turned out to be in pieces."""
    return getattr(error, "missing", 1 << 29)


def calibrated(reader):
    """The file's scales, for a fixed-point kernel. Raises KernelError if it has none."""
    fixed = reader.fixed()
    if fixed is None:
        raise KernelError("the model has no fixed-point scales: l3mote convert --calibrate adds them, or use a float kernel")
    return fixed
