"""capture.py in C (device/native/capture.c), bit for bit."""

from l3mote.kernels.capture import found, state
from l3mote.kernels.native import module

__all__ = ("take", "decimate", "measure", "state", "found")

if not hasattr(module, "measure"):
    raise ImportError("the native module is older than this package: it has no capture functions")
take, decimate, measure = module.take, module.decimate, module.measure
