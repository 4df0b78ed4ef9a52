"""l3mote: run compressed L3 audio networks from flash, on MicroPython, CircuitPython and CPython."""

import gc

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
