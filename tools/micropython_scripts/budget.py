"""Board side of budget.py: times a window, and the pieces of another one. Writes pieces.json, in microseconds.

Clocks are native functions of this module, because in a full heap an allocation takes as long as a piece: of a tuple for *args, of
a closure's arguments, of a state.
"""

import gc
import json
import sys
import time
from array import array

import micropython

from l3mote import Model
from l3mote.kernels import native
from l3mote.model import test_signal

ticks, diff = time.ticks_us, time.ticks_diff
CONVOLUTIONS, READING, CRC, PLANES, CALLS, DECODING = range(6)
spent = array("I", bytes(24))
ROWS, COLUMNS, OUT_COLUMNS = 23, 24, 26  # slots of conv_t
CODE, POOL_COLUMNS = 1, 13  # slots of layer_t


def run(model):
    """Microseconds of a window and of its log-mel, and bytes of garbage."""
    test_signal(model.pcm, model.reader.seed)
    steps = model.steps()
    gc.collect()
    free, start = gc.mem_free(), ticks()
    for _ in range(model.reader.frontend.frames + 1):  # and the normalisation
        next(steps)
    middle = ticks()
    for _ in steps:
        pass
    stop = ticks()
    return diff(stop, start), diff(middle, start), free - gc.mem_free()


# -- the originals of what has a clock below, set by watch()


@micropython.native
def conv(chunk, x, y, p, same):
    start = ticks()
    done = original_conv(chunk, x, y, p, same)
    spent[CONVOLUTIONS] += diff(ticks(), start)
    spent[CALLS] += 1
    return done


@micropython.native
def readinto(buffer, n):
    start = ticks()
    found = original_readinto(buffer, n)
    spent[READING] += diff(ticks(), start)
    return found


@micropython.native
def check(data, n, crcs, i):
    start = ticks()
    right = original_check(data, n, crcs, i)
    spent[CRC] += diff(ticks(), start)
    return right


@micropython.native
def slide(plane, rows):
    start = ticks()
    original_slide(plane, rows)
    spent[PLANES] += diff(ticks(), start)


@micropython.native
def clear(plane, first, rows=1):
    start = ticks()
    original_clear(plane, first, rows)
    spent[PLANES] += diff(ticks(), start)


@micropython.native
def flatten(plane, embedding, rows, at, opening):
    start = ticks()
    original_flatten(plane, embedding, rows, at, opening)
    spent[PLANES] += diff(ticks(), start)


class File:
    @micropython.native
    def seek(at):
        start = ticks()
        original_seek(at)
        spent[READING] += diff(ticks(), start)


def watch(model):
    """Put the clocks in."""
    global original_conv, original_readinto, original_check, original_seek, original_slide, original_clear, original_flatten
    kernel, weights = model.kernel, model.weights
    original_conv, original_readinto, original_check = native.native_conv, weights.fill, weights.check
    original_seek, original_slide, original_clear, original_flatten = weights.file.seek, kernel.slide, kernel.clear, kernel.flatten
    native.native_conv, weights.fill, weights.check, weights.file = conv, readinto, check, File
    kernel.slide, kernel.clear, kernel.flatten = slide, clear, flatten


@micropython.native
def conv_once_more(chunk, x, y, p, same):
    """The same convolution, after two of the columns of its first row that are computed together: once, and twice as many. What
    is beyond the difference is there without any. Where there are not as many, of one row and of two; all of a dense layer.
    """
    rows, columns, out_columns = p[ROWS], p[COLUMNS], p[OUT_COLUMNS]
    pool = same[3][POOL_COLUMNS]
    together = 8 if same[3][CODE] else 4  # in lists, and in rows of three weights
    block = (together + pool - 1) // pool  # out_columns
    p[ROWS] = 1
    if out_columns >= block:
        p[COLUMNS], p[OUT_COLUMNS] = block * pool, block
    start = ticks()
    original_conv(chunk, x, y, p, same)
    one = diff(ticks(), start)
    two = one
    if out_columns >= 2 * block:
        p[COLUMNS], p[OUT_COLUMNS] = 2 * block * pool, 2 * block
    elif rows > 1:
        p[ROWS] = 2
    start = ticks()
    original_conv(chunk, x, y, p, same)
    if p[COLUMNS] > 1:
        two = diff(ticks(), start)
    p[ROWS], p[COLUMNS], p[OUT_COLUMNS] = rows, columns, out_columns
    start = ticks()
    done = original_conv(chunk, x, y, p, same)
    whole = diff(ticks(), start)
    spent[DECODING] += min(max(0, 2 * one - two), whole)
    return done


def collection():
    start = ticks()
    gc.collect()
    return diff(ticks(), start)


def work(folder):
    with open(folder + "/job.json") as f:
        job = json.load(f)
    model = Model(folder + "/model.l3m", heap=job["plan_heap"], kernel="native")
    pieces = {}
    pieces["window"], pieces["log-mel"], pieces["garbage"] = run(model)
    yield
    watch(model)
    run(model)
    for i, name in enumerate(("convolutions", "reading", "CRC", "planes", "calls")):
        pieces[name] = spent[i]
    yield
    native.native_conv = conv_once_more
    run(model)
    pieces["decoding"] = spent[DECODING]
    pieces["collection"] = collection()
    for name, value in (("pieces", pieces), ("result", {})):
        with open(folder + "/%s.json" % name, "w") as f:
            json.dump(value, f)


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
