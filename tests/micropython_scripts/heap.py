"""Board side of test_heap.py: the smallest plan of one tile, run for the steps that job.json asks for (None: a window)."""

import gc
import json
import sys

from l3mote import Model, Reader
from l3mote.format import CONV
from l3mote.kernels import choose
from l3mote.plan import Plan, smallest_height, used_cols, used_rows


def in_use():
    gc.collect()
    return gc.mem_alloc()


def smallest(reader):
    convs = [layer for layer in reader.layers if layer.kind == CONV]
    heights = [used_rows(convs[0])] + [smallest_height(layer) for layer in convs[1:]]
    return Plan(reader, choose("python"), heights, used_cols(convs[-1])).heap_bytes


def work(folder):
    with open(folder + "/job.json") as f:
        steps = json.load(f)["steps"]
    reader = Reader(folder + "/model.l3m")
    choose("python")
    base = in_use()
    buffers = smallest(reader)
    reader.close()
    reader = None
    model = Model(folder + "/model.l3m", heap=buffers, kernel="python")
    for i in range(len(model.pcm)):
        model.pcm[i] = (i * 7919 & 0x7FFF) - 16384
    for i, _ in enumerate(model.steps()):
        if i == steps:
            break
    total = gc.mem_alloc() + gc.mem_free()  # the limit less the collector's own tables
    output = [] if model.output is None else list(model.output)
    print(json.dumps({"total": total, "base": base, "buffers": model.plan.heap_bytes, "output": output}))
    yield


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
