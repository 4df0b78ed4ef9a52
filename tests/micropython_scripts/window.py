"""Board side of test_ulab_memory.py: opens a model with kernel ulab in what heap there is, runs two windows and the self-test."""

import sys

from l3mote import Model
from l3mote.memory import HeapError

try:
    model = Model(sys.argv[1] + "/ten-8k.l3m", kernel="ulab")
except HeapError as e:
    print("HeapError: %s" % e)
    sys.exit()
for _ in range(2):
    for i in range(len(model.pcm)):
        model.pcm[i] = (i * 7919 & 0x7FFF) - 16384
    model.run()
print("passed" if model.selftest()[0] else "failed", ":", model.plan.heap_bytes)
