"""Board side of test_soak.py, in MicroPython: the app hears sound.wav over and over for `hours`, in simulated time.

usage: soak.py FOLDER (there: model.l3m, job.json, and sound.wav, as long as `period` hops). Each window is charged `seconds` of
simulated time. The network runs on the first loud windows and on one in `share` of the others; those in between get the output that
it gave for the same sound, which comes again every `period` windows. Prints the app's lines, then one with the heap in use every
ten minutes.
"""

import gc
import json
import sys

from listen_to_wav import Loop

from l3mote.app import Monitor
from l3mote.output import Output
from l3mote.paced import Clock, Paced
from l3mote.settings import check

PAUSE = 0.05  # seconds that the board waits when it has nothing to do
HELD = 3200  # samples of the driver
LOOK = 600  # seconds between two looks at the heap


class Sometimes:
    """The model, its network run on some windows only."""

    def __init__(self, listener, period, share):
        self.listener, self.model, self.real = listener, listener.model, listener.model.network_steps
        self.period, self.share = period, share
        self.count = len([None for _ in self.real()])
        self.known = {}
        self.loud = self.ran = self.wrong = 0

    def network_steps(self):
        n = self.listener.windows
        self.loud += 1
        known = self.known.get(n % self.period)
        if known and n % self.share:
            for _ in range(self.count):
                yield
            for i in range(len(known)):
                self.model.output[i] = known[i]
            return
        self.ran += 1
        for _ in self.real():
            yield
        if known is None:
            self.known[n % self.period] = list(self.model.output)
        elif list(self.model.output) != known:
            self.wrong += 1


class Strict(Output):
    """An end to it where the app would warn of a mishap and go on."""

    def warn(self, label):
        Output.warn(self, label)
        raise SystemExit(1)


def main(folder):
    with open(folder + "/job.json") as f:
        job = json.load(f)
    settings = check(job["settings"])
    clock = Clock(job["seconds"], job["steps"], PAUSE)
    source = Paced(Loop(folder + "/sound.wav", 3600 * job["hours"]), clock, HELD)
    monitor = Monitor(folder + "/model.l3m", settings, Strict(settings), source, clock, None)
    sometimes = Sometimes(monitor.listener, job["period"], job["share"])
    monitor.model.network_steps = sometimes.network_steps
    heap = []
    for _ in monitor.steps():
        if clock.us >= LOOK * 1000000 * (len(heap) + 1):
            gc.collect()
            heap.append(gc.mem_alloc())
    print(json.dumps({"heap": heap, "loud": sometimes.loud, "ran": sometimes.ran, "wrong": sometimes.wrong}))


main(sys.argv[1])
