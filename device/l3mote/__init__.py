"""l3mote: run compressed L3 audio networks from flash, on MicroPython, CircuitPython and CPython."""

import gc
import sys

gc.collect()  # compiling a module leaves holes: fill them with the next one's code, and keep the rest of the heap whole
from l3mote.format import FormatError

gc.collect()
from l3mote.reader import Reader

gc.collect()
from l3mote.memory import HeapError

gc.collect()
from l3mote.kernels import KernelError

gc.collect()
from l3mote.model import Model

gc.collect()

__version__ = "0.1.0"
__all__ = ("FormatError", "HeapError", "KernelError", "Model", "Reader")


def forget(*modules):
    """Give back the memory of modules that have done their work ("plan"). They load again where they are asked for.

    Only where memory is short: CPython keeps them.
    """
    if hasattr(gc, "mem_free"):
        for name in modules:
            sys.modules.pop("l3mote." + name, None)
            globals().pop(name, None)
        gc.collect()
