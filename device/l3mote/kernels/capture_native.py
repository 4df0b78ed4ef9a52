"""capture.py in C (device/native/capture.c), bit for bit."""

from l3mote.kernels.forms import measured, offset_memory, state
from l3mote.kernels.native import module

__all__ = ("take", "remove_offset", "decimate", "measure", "offset_memory", "state", "measured")

if not hasattr(module, "remove_offset"):
    raise ImportError("the native module is older than this package: it cannot remove an offset")
take, remove_offset, decimate, measure = module.take, module.remove_offset, module.decimate, module.measure
