"""Runs on a board, after timed_model.py: the self-test with its times. FOLDER is set before."""

gc.collect()
before = gc.mem_free()
model = TimedModel(FOLDER + "/model.l3m")
gc.collect()
after = gc.mem_free()
passed, error = model.selftest()
print(
    repr(
        {
            "kernel": model.kernel_name,
            "selftest": {"passed": bool(passed), "error": error},
            "us_window": model.times["window"],
            "us_frontend": model.times["frontend"],
            "us_layers": [(layer.name, us) for layer, us in zip(model.layers, model.times["layers"])],
            "flash_bytes_read": model.plan.flash_bytes,
            "plan_bytes": model.plan.heap_bytes,
            "heap_bytes": before - after,
            "heap_free": after,
        }
    )
)
