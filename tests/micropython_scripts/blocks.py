"""Board side of test_ulab_memory.py: what one window allocates with collection off, step by step, and the heap's map around it.

MicroPython in WebAssembly collects only between calls, so what is alive is looked at after a step's end, with collection on.
"""

import gc
import json

import micropython

from l3mote import Model
from l3mote.kernels import ulab
from l3mote.plan import plan


def fill(pcm):
    for i in range(len(pcm)):
        pcm[i] = (i * 7919 & 0x7FFF) - 16384


def work(folder):
    with open(folder + "/job.json") as f:
        heap = json.load(f)["heap"]
    model = Model(folder + "/model.l3m", heap=heap, kernel="ulab")
    facts = {"itemsize": ulab.itemsize, "temporary": ulab.temporary(model.plan), "buffers": plan(model.reader, heap, ulab).buffers}
    fill(model.pcm)
    yield
    gc.collect()
    opened, alive = gc.mem_alloc(), []
    for _ in model.steps():
        yield
        gc.collect()
        alive.append(gc.mem_alloc() - opened)
    fill(model.pcm)
    yield
    gc.collect()
    gc.disable()
    micropython.mem_info(1)
    before, steps = gc.mem_alloc(), []
    for _ in model.steps():
        steps.append(gc.mem_alloc() - before)
        before = gc.mem_alloc()
    micropython.mem_info(1)
    gc.enable()
    facts["steps"], facts["alive"] = steps, alive
    with open(folder + "/blocks.json", "w") as f:
        json.dump(facts, f)
