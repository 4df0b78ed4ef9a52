"""Board side of test_edgel3.py: runs every window of audio.pcm, writes the embeddings' integers, prints time and memory."""

import gc
import json
import sys
import time

from l3mote import Model


def in_use():
    gc.collect()
    return gc.mem_alloc()


def work(folder):
    with open(folder + "/job.json") as f:
        job = json.load(f)
    model = Model(folder + "/model.l3m", kernel=job["kernel"])
    plan = model.plan
    peak, seconds = in_use(), []
    with open(folder + "/audio.pcm", "rb") as audio, open(folder + "/embeddings.i16", "wb") as out:
        for _ in range(job["windows"]):
            audio.readinto(model.pcm)
            model.reader.bytes_read = 0
            start = time.clock()  # of the processor: other programs do not count
            for step, _ in enumerate(model.steps()):
                if step % 1024 == 0:
                    peak = max(peak, in_use())
                yield
            seconds.append(time.clock() - start)
            out.write(model.vectors[0])
    flash = model.reader.bytes_read
    passed = model.selftest()[0] if job["selftest"] else None
    print(
        json.dumps(
            {
                "kernel": model.kernel_name,
                "selftest": passed,
                "seconds": seconds,
                "peak": peak,
                "flash": flash,
                "plan_flash": plan.flash_bytes,
                "plan_bytes": plan.heap_bytes,
                "tiles": plan.tiles,
                "heights": plan.heights,
                "macs": plan.macs,
                "total": gc.mem_alloc() + gc.mem_free(),
            }
        )
    )


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
