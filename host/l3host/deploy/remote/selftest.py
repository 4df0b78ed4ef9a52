"""Runs on a board: the self-test of a version's model with its package, opened as its app does. FOLDER and APP are set before."""

import sys

sys.path.insert(0, FOLDER)

if APP == "none":
    from l3mote import Model as open_model
else:
    from l3mote.app import open_model

model = open_model(FOLDER + "/model.l3m")
passed, error = model.selftest()
print(repr({"passed": bool(passed), "error": error, "kernel": model.kernel_name, "plan_bytes": model.plan.heap_bytes}))
