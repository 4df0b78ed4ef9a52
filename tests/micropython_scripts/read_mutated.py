"""The MicroPython side of fuzz.py: FOLDER/files.bin in, FOLDER/outcomes.txt out, a line for each file."""

import gc
import io
import json
import struct
import sys

from l3mote import kernels
from l3mote.format import FormatError
from l3mote.kernels import KernelError
from l3mote.memory import HeapError
from l3mote.model import Model
from l3mote.plan import plan
from l3mote.reader import Reader
from l3mote.verify import verify


def available():
    """Names of the kernels that load here."""
    names = []
    for name in kernels.KERNELS:
        try:
            kernels.choose(name)
            names.append(name)
        except KernelError:
            pass
    return names


def run_models(data, names, heap, limit):
    for name in names:
        gc.collect()
        model = Model(io.BytesIO(data), heap, name)
        fe = model.reader.frontend
        if max(model.plan.macs_dense, fe.frames * fe.n_fft, fe.window) > limit:
            return
        model.selftest()
        for sample in (0, 32767):  # silence, and a click
            for i in range(len(model.pcm)):
                model.pcm[i] = 0
            model.pcm[len(model.pcm) // 2] = sample
            model.run()


def examine(data, names, heap, run, limit):
    try:
        reader = Reader(io.BytesIO(data))
        for name in names:
            plan(reader, heap, kernels.choose(name))
        if run:
            calibrated = "FIXED" in reader.sections
            run_models(data, [name for name in names if calibrated or name not in kernels.FIXED], heap, limit)
        verify(reader)
        return "ok"
    except FormatError:
        return "FormatError"
    except HeapError:
        return "HeapError"


def work(folder):
    names = available()
    with open(folder + "/settings.json") as file:
        settings = json.load(file)
    index = 0
    with open(folder + "/files.bin", "rb") as file, open(folder + "/outcomes.txt", "w") as out:
        while True:
            head = file.read(4)
            if not head:
                return
            data = file.read(struct.unpack("<I", head)[0])
            run = index % settings["every"] == 0
            out.write(examine(data, names, settings["heap"], run, settings["limit"]) + "\n")
            index += 1
            yield


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
