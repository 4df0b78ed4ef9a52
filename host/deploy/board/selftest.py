"""Runs on a board: the self-test of a version's model with its package. FOLDER is set before."""

import sys

sys.path.insert(0, FOLDER)

from l3mote import Model

model = Model(FOLDER + "/model.l3m")
passed, error = model.selftest()
print(repr({"passed": bool(passed), "error": error, "kernel": model.kernel_name, "plan_bytes": model.plan.heap_bytes}))
