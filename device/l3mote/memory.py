"""The heap: what is free in it and in how many pieces, and how what is large finds room.

MicroPython never moves what it has allocated, so a small object amid a free piece halves it for as long as it lives.
"""

import gc
import sys

GARBAGE = 4096  # bytes allocated while opening a model before they are collected: what stays must not stand scattered
RESERVE = 4096  # bytes left for Python's own small objects; a sixteenth more is too fragmented to count on


class HeapError(MemoryError):
    """No plan fits; `missing` is the number of bytes that even the smallest lacks."""

    missing = 0


def buffer_heap(free):
    """Bytes that a model's buffers may take of `free` bytes of heap."""
    return free * 15 // 16 - RESERVE


def largest_piece():
    """Bytes of the largest block that could be allocated now, by bisection to 16."""
    gc.collect()
    least, most = 0, gc.mem_free() // 16
    while least < most:
        middle = (least + most + 1) // 2
        try:
            bytearray(16 * middle)
            least = middle
        except MemoryError:
            most = middle - 1
        gc.collect()
    return 16 * least


def heap_error(needed, free, missing):
    """The HeapError of buffers of so many bytes. free: what there is instead, in words."""
    error = HeapError("the model needs %d bytes of heap for its buffers%s" % (needed, free))
    error.missing = missing
    return error


def no_room(needed):
    """The HeapError of buffers of so many bytes that this heap has no room for."""
    piece = largest_piece()
    free = gc.mem_free()
    there = " and %d beside them: %d are free, the largest piece %d" % (RESERVE + (needed + RESERVE) // 15, free, piece)
    return heap_error(needed, there, max(0, needed - buffer_heap(free)))


def collect_after(n):
    """Have garbage collected whenever n more bytes are allocated; returns the setting before. MicroPython alone has this."""
    threshold = getattr(gc, "threshold", None)
    if threshold is None:
        return None
    before = threshold()
    threshold(n)
    return before


class Plain:
    """Another object's attributes, but for some, without its class, whose module can then be forgotten."""

    def __init__(self, other, without=()):
        for name in other.__dict__:
            if name not in without:
                setattr(self, name, getattr(other, name))


class Zeros:
    """n zeros for array(), which takes its memory once where the number is known; made from bytes, it takes it twice."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __iter__(self):
        return (0 for _ in range(self.n))


def forget(module):
    """Give back the memory of a module that has done its work, "plan" say. It loads again where it is asked for.

    Only where memory is short: CPython keeps it.
    """
    if hasattr(gc, "mem_free"):
        sys.modules.pop("l3mote." + module, None)
        sys.modules["l3mote"].__dict__.pop(module, None)
        gc.collect()
