"""Runs on a board, after timed.py: one window without a clock inside, then the self-test's with one. FOLDER is set before."""

import gc

from l3mote.model import test_signal

gc.collect()
before = gc.mem_free()
model = TimedModel(FOLDER + "/model.l3m")
gc.collect()
after = gc.mem_free()
test_signal(model.pcm, model.reader.seed)
model.reader.bytes_read = 0
frontend = None
start = time.ticks_us()
for step, _ in enumerate(model.steps()):
    if step == model.reader.frontend.frames:
        frontend = time.ticks_diff(time.ticks_us(), start)
window = time.ticks_diff(time.ticks_us(), start)
flash = model.reader.bytes_read
passed, error = model.selftest()
print(
    repr(
        {
            "kernel": model.kernel_name,
            "selftest": {"passed": bool(passed), "error": error},
            "us_window": window,
            "us_frontend": frontend,
            "us_layers": [(layer.name, model.us[id(layer)]) for layer in model.layers],
            "flash_bytes_read": flash,
            "plan_bytes": model.plan.heap_bytes,
            "heap_bytes": before - after,
            "heap_free": after,
        }
    )
)
