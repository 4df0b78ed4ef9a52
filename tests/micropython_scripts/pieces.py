"""Board side of test_pieces.py: the shipped model in a heap whose free memory stands in the pieces that job.json names.

Prints as JSON what became of it: the plan's bytes and whether the self-test passed, or the HeapError's message.
"""

import gc
import json
import sys

from l3mote import HeapError, Model, model, reader
from l3mote.kernels import native  # noqa: F401 (its code is in the heap before)

BLOCK = 512  # bytes of the blocks that fill the heap


def keep(module):
    """Instead of memory.forget: what is compiled here needs more heap than there will be."""


for name in ("opening", "fixed", "plan"):
    __import__("l3mote." + name)
model.forget = reader.forget = keep


def in_pieces(sizes):
    """Fill the heap, then free pieces of these sizes, up to a tenth larger; returns what fills it."""
    held = [None] * 4000
    n = 0
    for size in (BLOCK, 128, 16):
        try:
            while True:
                held[n] = bytearray(size)
                n += 1
        except MemoryError:
            pass
        if size == BLOCK:
            at = n - 100  # the last ones but these stand one after the other
    for size in sizes:
        for _ in range(-(-size // BLOCK)):
            held[at] = None
            at -= 1
        at -= 4
    gc.collect()
    return held


def work(folder):
    with open(folder + "/job.json") as f:
        job = json.load(f)
    held = in_pieces(job["pieces"] + [2 * BLOCK] * job["small"])
    try:
        result = Model(folder + "/model.l3m", kernel="native")
    except HeapError as e:
        print(json.dumps({"error": str(e), "held": len(held)}))
        return
    print(json.dumps({"heap": result.plan.heap_bytes, "passed": result.selftest()[0], "held": len(held)}))
    yield


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
