"""Board side of test_fixed.py: run one window with an integer kernel, write the input plane, the embedding and the logits.

Prints the number of tiles. A heap does not tell how many there are: planes in the window's memory cost nothing.
"""

import json
import sys
from array import array

from l3mote import Model, plan
from l3mote.kernels import parts, window_steps


def work(folder):
    with open(folder + "/job.json") as f:
        job = json.load(f)
    if job.get("width"):
        plan.tile_widths = lambda layer: (job["width"],)
    if job.get("near"):
        from l3mote.kernels import native

        native.Kernel.parts = staticmethod(parts.parts)
        parts.NEAR, parts.LEAST = job["near"], 1
    model = Model(folder + "/model.l3m", heap=job["heap"], kernel=job["kernel"])
    with open(folder + "/audio.pcm", "rb") as f:
        f.readinto(model.pcm)
    with open(folder + "/integers.i16", "wb") as f:
        for _ in window_steps(model.logmel, model.pcm, model.planes[0]):
            yield
        for t in range(model.reader.frontend.frames):
            f.write(array("h", model.kernel.row(model.planes[0], 0, t + 1)))
        for _ in model.network_steps():
            yield
        f.write(array("h", model.vectors[0]))
        f.write(array("h", model.vectors[-1]))
    print(model.plan.tiles)


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
