"""The MicroPython side of fuzz.py: prints the outcome of each file in a container, one a line.

fuzz_board.py CONTAINER HEAP RUN_EVERY RUN_LIMIT
"""

import io
import struct
import sys

from l3mote import kernels
from l3mote.format import FormatError
from l3mote.kernels import KernelError
from l3mote.model import Model
from l3mote.plan import HeapError, plan
from l3mote.reader import Reader
from l3mote.verify import verify


def available():
    """Names of the kernels that load here."""
    names = []
    for name in kernels.ORDER:
        try:
            kernels.choose(name)
            names.append(name)
        except KernelError:
            pass
    return names


def run_models(data, names, heap, limit):
    for name in names:
        model = Model(io.BytesIO(data), heap, name)
        fe = model.reader.frontend
        if max(model.plan.macs_dense, fe.frames * fe.n_fft, fe.window) > limit:
            return
        model.selftest()


def examine(data, names, heap, run, limit):
    try:
        reader = Reader(io.BytesIO(data))
        for name in names:
            plan(reader, heap, kernels.choose(name))
        if run:
            run_models(data, names, heap, limit)
        verify(reader)
        return "ok"
    except FormatError:
        return "FormatError"
    except HeapError:
        return "HeapError"


def main(path, heap, every, limit):
    names = available()
    index = 0
    with open(path, "rb") as file:
        while True:
            head = file.read(4)
            if not head:
                return
            data = file.read(struct.unpack("<I", head)[0])
            print(examine(data, names, heap, index % every == 0, limit))
            index += 1


main(sys.argv[1], *[int(v) for v in sys.argv[2:]])
