"""The heap: how much is free, in how many pieces, and how large buffers get room.

MicroPython never moves what it has allocated, so a small object in the middle of a free piece halves it for as long as it lives.
"""

import gc
import sys

GARBAGE = 4096  # bytes allocated between collections while a model opens: else what stays lies scattered
RESERVE = 4096  # bytes for Python's own small objects; a sixteenth more is too fragmented to count on


class HeapError(MemoryError):
    """No plan fits; `missing` is the number of bytes that even the smallest lacks."""

    missing = 0


def buffer_heap(free):
    """Return the bytes that a model's buffers may take of `free` bytes of heap."""
    return free * 15 // 16 - RESERVE


def largest_piece():
    """Return the bytes of the largest block that can be allocated now, by bisection to 16."""
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
    """Return the HeapError for buffers of so many bytes. free: what is free instead, as text."""
    error = HeapError("the model needs %d bytes of heap for its buffers%s" % (needed, free))
    error.missing = missing
    return error


def no_room(needed):
    """Return the HeapError for buffers of so many bytes that this heap cannot hold."""
    piece = largest_piece()
    free = gc.mem_free()
    there = " and %d beside them: %d are free, the largest piece %d" % (RESERVE + (needed + RESERVE) // 15, free, piece)
    return heap_error(needed, there, max(0, needed - buffer_heap(free)))


def collect_after(n):
    """Collect garbage whenever n more bytes are allocated; return the previous setting. Only MicroPython has this."""
    threshold = getattr(gc, "threshold", None)
    if threshold is None:
        return None
    before = threshold()
    threshold(n)
    return before


class Plain:
    """Another object's attributes, except `without`, in a plain object: the other's module can then be forgotten."""

    def __init__(self, other, without=()):
        for name in other.__dict__:
            if name not in without:
                setattr(self, name, getattr(other, name))


class Zeros:
    """n zeros for array(), which allocates once if it knows the length; made from bytes, it allocates twice."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __iter__(self):
        return (0 for _ in range(self.n))


def forget(module):
    """Free the memory of a module that has done its work, such as "plan". It loads again when it is imported again.

    Only where memory is short: CPython keeps it.
    """
    if hasattr(gc, "mem_free"):
        sys.modules.pop("l3mote." + module, None)
        sys.modules["l3mote"].__dict__.pop(module, None)
        gc.collect()
