"""Board side of test_listen.py: listen to sound.wav (over and over for `minutes`, on a simulated clock, if job.json has them).

Writes events.jsonl, and status.json: the status at the end, with the capture's kernel, and the heap in use after each minute
(0 where the interpreter does not say).
"""

import gc
import json
import sys

from l3mote import Model
from l3mote.listener import Listener
from l3mote.log import text
from l3mote.paced import Clock, Paced
from l3mote.wav import Wav


class Loop:
    """A WAV file that begins again at its end, so many seconds long."""

    def __init__(self, path, seconds):
        self.path = path
        self.wav = Wav(path)
        self.rate = self.wav.rate
        self.left = int(seconds * self.rate)

    def readinto(self, x):
        if not self.left:
            return -1
        n = self.wav.readinto(memoryview(x)[: min(len(x), self.left)])
        if n < 0:
            self.wav.close()
            self.wav = Wav(self.path)
            n = self.wav.readinto(memoryview(x)[: min(len(x), self.left)])
        self.left -= n
        return n

    def close(self):
        self.wav.close()


def in_use():
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0


def listener_of(folder, job):
    model = Model(folder + "/model.l3m", kernel=job["kernel"], listening=True)
    if "minutes" not in job:
        return Listener(model, Wav(folder + "/sound.wav"), job["settings"])
    clock = Clock(job["seconds"], len([None for _ in model.network_steps()]), 0.02)
    source = Paced(Loop(folder + "/sound.wav", 60 * job["minutes"]), clock, job["held"])
    return Listener(model, source, job["settings"], clock)


def work(folder):
    with open(folder + "/job.json") as f:
        job = json.load(f)
    listener = listener_of(folder, job)
    heap = []
    with open(folder + "/events.jsonl", "w") as f:
        for event in listener.steps():
            if event:
                f.write(text(event) + "\n")
            if listener.t.ms >= 60000 * (len(heap) + 1):
                heap.append(in_use())
            yield
    status = listener.status()
    status["heap"], status["capture"] = heap, listener.ring.kernel_name
    with open(folder + "/status.json", "w") as f:
        f.write(text(status))


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
