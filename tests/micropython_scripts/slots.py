"""Board side of test_slots.py: what the native kernel packs for C, from numbers that are all different. Prints JSON."""

import json
import sys

from l3mote import Model
from l3mote.kernels import native


class Thing:
    def __init__(self, **fields):
        for name in fields:
            setattr(self, name, fields[name])


packed = {}


def record(name, answer=None, place=-1):
    def function(*args):
        packed[name] = list(args[place])
        return answer

    return function


model = Model(sys.argv[1] + "/small.l3m", kernel="native")
kernel = model.kernel
packed["layer"] = list(kernel.constants["conv5"][3])
layer = Thing(name="layer", pool_rows=2)
chunk = Thing(layer=layer, filters=3, first=0, number=11)
src = Thing(data=None, top=-1, left=-1, pitch=21, size=22)
dst = Thing(data=None, top=0, first=0, cols=24, step=4, pitch=25, size=26, inset=1)
native.native_conv = record("conv", 3, 3)
kernel.constants["layer"] = ()
kernel.strip(layer, src, dst, 7, 10)
chunk.first = 2
kernel.conv(chunk, None)

plane = Thing(data=None, channels=41, size=42, pitch=43, inset=44, cols=45)
kernel.clear_rows, kernel.slide_rows = record("clear"), record("slide")
native.module = Thing(flatten=record("flatten"), normalise=record("normalise"))
kernel.clear(plane, 46, 47)
kernel.slide(plane, 48)
kernel.flatten(plane, None, 49, 51, True)

tables = Thing(frame_bits=65, silence=-66, scale=None, cos=None, hann=None, log2=None, first=None, count=None, weights=None)
reader = Thing(frontend=Thing(n_fft=61, bands=64), fixed=lambda: tables)
frontend = native.FrontEnd(reader, b"")
native.native_frame = record("frame", place=2)
frontend.frame(None, -62, None, 63)
frontend.normalise(None, 52, 53, plane, 54, 55, -67)
print(json.dumps(packed))
