"""Kernels: the arithmetic. choose() is the one place where one is picked, and the name of what was picked is kept."""

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
ARCHITECTURES = (
    None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin", "rv32imc"
)  # fmt: skip
STAND_INS = {"armv7em": "armv7m", "armv7emdp": "armv7emsp"}
WITH_FPU = ("x86", "x64", "armv7emsp", "armv7emdp", "xtensawin")


def architecture(mpy):
    """The name of the architecture in a sys.implementation._mpy, or None where no native code loads."""
    number = mpy >> 10 & 15
    return ARCHITECTURES[number] if number < len(ARCHITECTURES) else None


def order(mpy):
    """Names of the kernels, the one to prefer first: ulab's floats before viper's integers only where the board has an FPU.

    mpy: its sys.implementation._mpy.
    """
    return ORDER_WITH_FPU if architecture(mpy) in WITH_FPU else ORDER


def choose(name=None, calibrated=False):
    """The kernel module called `name`, or the first that loads (FIXED: for a calibrated file). Raises KernelError."""
    if name is not None and name not in KERNELS:
        raise KernelError("no kernel is called %s: choose from %s" % (name, ", ".join(ORDER)))
    reason = None
    for candidate in order(getattr(sys.implementation, "_mpy", 0)) if name is None else (name,):
        if name is None and candidate in FIXED and not calibrated:
            continue
        try:
            return KERNELS[candidate]()
        except (ImportError, SyntaxError, TypeError, ValueError) as e:
            reason = e  # a port without native code refuses viper's decorator as a syntax error, an old emitter what it cannot type
    raise KernelError("kernel %s does not load here (%s): the kernel 'python' runs everywhere" % (name, reason))


def calibrated(reader):
    """The file's scales, for a fixed-point kernel. Raises KernelError if it has none."""
    fixed = reader.fixed()
    if fixed is None:
        raise KernelError("the model has no fixed-point scales: l3mote convert --calibrate adds them, or use a float kernel")
    return fixed
