"""Fuzz the reader: mutated files, from which only success, FormatError or HeapError may come.

python tests/kit/fuzz.py 100000 --micropython 2000     the same mutations every time
python tests/kit/fuzz.py --only 4711                   one file again, with its traceback
"""

import argparse
import gc
import json
import random
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import models
import numpy as np
import peak

from l3host.emulate import runtimes
from l3host.errors import L3Error
from l3host.graph.half import rounded
from l3host.reference import fixed_point
from l3mote import kernels
from l3mote.format import FormatError
from l3mote.kernels import integer
from l3mote.memory import HeapError
from l3mote.model import Model
from l3mote.plan import plan
from l3mote.reader import Reader
from l3mote.verify import verify

HERE = Path(__file__).parent
DEVICE = HERE.parents[1] / "device"
HEAP = 24_000  # bytes for a model's buffers: a few mutations ask for more
BOARD_HEAP = 256 << 10  # of the MicroPython that has to open every file (unix: the other has its own)
OUTCOMES = ("ok", "FormatError", "HeapError")
RUN_EVERY = 10  # files of which one is run as well, if it is small
RUN_LIMIT = 20_000  # multiply-adds, or samples to transform, of a file that is run
SECONDS = 2  # of a processor, that one file may take
GROWTH = 64 << 20  # bytes that the process may grow by

INTEGERS = (0, 1, 2, 3, 4, 7, 8, 127, 128, 254, 255, 256, 257, 511, 1024, 2047, 4096, 4097, 16384, 32767, 32768, 65535)
INTEGERS += (65536, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 4, (1 << 32) - 1)
FLOATS = (0x7FC00000, 0x7F800000, 0xFF800000, 0x00000001, 0x7F7FFFFF, 0xFF7FFFFF, 0x80000000, 0, 0x3F800000, 0x00800000)
HALVES = (0x7C00, 0xFC00, 0x7E00, 0x0001, 0x83FF, 0x8000, 0x0000, 0x3C00, 0x7BFF, 0x0400)
RECORDS = {"FRONTEND": "IIIHHHBBffffffI", "SELFTEST": "BBHI", "FIXED": "bBBBiiiHhI"}
LAYER = "QQBBBBHHHHIIIII"
CHUNK = "HHII"


def seeds():
    """The valid files that mutations start from: every encoding, all layer kinds, both scales and paddings, calibrated or not."""
    linear = models.tiny(3, "none")
    linear.frontend = models.frontend(n_fft=64, bands=33, scale=0, padding=1, fmax=500.0)
    linear.layers[0].pool = (33, 3)
    shallow = models.small(4)
    shallow.frontend = models.frontend(window=128, bands=8, padding=1)
    shallow.layers = shallow.layers[:4]
    shallow.labels, shallow.thresholds = [], []
    graphs = (models.tiny(1), models.tiny(2, "none"), linear, models.classifier(5), models.classifier(6, 0.0), shallow)
    sparse = (models.data(models.classifier(7), encodings) for encodings in ([18, 2, 16], [19, 3, 17], [1, 18, 19]))
    integers = map(calibrated, (models.tiny(1), models.classifier(5), linear, shallow))
    return [bytes(models.data(graph)) for graph in (*graphs, *integers)] + [bytes(data) for data in sparse]


def calibrated(graph):
    """The graph with fixed-point scales, measured on noise."""
    noise = np.random.default_rng(3).normal(0, 3000, (4, graph.frontend.window)).astype(np.int16)
    graph = rounded(graph)
    return replace(graph, fixed=fixed_point.calibrate(graph, noise))


# -- mutations: each takes a random source, a seed as a bytearray of its own, and all seeds, and returns a bytearray


def record_fields(layout, start):
    """(offset, type) of each field of a record."""
    place = start
    for code in layout:
        yield place, code
        place += struct.calcsize("<" + code)


@lru_cache
def fields(data):
    """Places and types of every number in a valid file."""
    return tuple(all_fields(data))


def all_fields(data):
    yield from record_fields("IHHII", 0)
    present = models.SECTIONS[: len(models.sections(data))]
    for i in range(len(present)):
        yield from record_fields("HHII", models.TABLE + 12 * i)
    for name, layout in RECORDS.items():
        if name in present:
            yield from record_fields(layout, models.at(data, name))
    offset, size = models.sections(data)[1]
    for place in range(offset, offset + size, 48):
        yield from record_fields(LAYER, place)
    yield from record_fields("HfB", models.at(data, "LABELS"))
    yield from record_fields("f", models.at(data, "SELFTEST", 8))
    for place in models.chunk_offsets(data):
        yield from record_fields(CHUNK + "fHHHHBBBB", place)


def flip(rng, data, _):
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def number(rng, data, _):
    """A field of a record, or two, gets a telling value."""
    places = fields(bytes(data))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        place, code = rng.choice(places)
        size = struct.calcsize("<" + code)
        old = int.from_bytes(data[place : place + size], "little")
        values = FLOATS if code == "f" else (old + 1, old - 1, old * 2, old // 2, rng.choice(INTEGERS), rng.getrandbits(8 * size))
        data[place : place + size] = (rng.choice(values) % (1 << 8 * size)).to_bytes(size, "little")
    return data


def weight(rng, data, _):
    """A telling float16, float or byte somewhere in the weights."""
    place = rng.randrange(models.at(data, "WEIGHTS"), len(data) - 3)
    code, values = rng.choice((("H", HALVES), ("I", FLOATS), ("B", (0, 1, 254, 255))))
    return models.poke(data, place, code, rng.choice(values))


def truncate(rng, data, _):
    return data[: rng.randrange(len(data))]


def duplicate(rng, data, _):
    start, stop = some_range(rng, data)
    return data[:stop] + data[start:stop] + data[stop:]


def delete(rng, data, _):
    start, stop = some_range(rng, data)
    return data[:start] + data[stop:]


def splice(rng, data, corpus):
    """A range of another file over this one."""
    other = rng.choice(corpus)
    start, stop = some_range(rng, other)
    data[start:stop] = other[start:stop]
    return data


def exchange(rng, data, corpus):
    """A section of another file, in a file that is right but for that."""
    parts, other = models.split(data), models.split(rng.choice(corpus))
    i = rng.randrange(min(len(parts), len(other)))
    parts[i] = other[i]
    return models.join(parts)


def resize(rng, data, _):
    """A section with a range doubled or dropped, in a file that is right but for that."""
    parts = models.split(data)
    i = rng.randrange(len(parts))
    part = parts[i]
    unit = {1: 48, 5: 4}.get(i, 1)
    start = rng.randrange(0, len(part), unit)
    stop = min(len(part), start + unit * rng.choice((1, 1, 2, 16)))
    parts[i] = part[:stop] + part[start:] if rng.random() < 0.5 else part[:start] + part[stop:]
    return models.join(parts)


def table(rng, data, corpus):
    """A run of telling bytes somewhere in the integers' scales and tables; or one mel band takes all weights, the greatest ones."""
    if len(models.sections(data)) < 7:
        return number(rng, data, corpus)
    start, size = models.sections(data)[6]
    if rng.random() < 0.2:
        bands, weights = (struct.unpack_from("<H", data, place)[0] for place in (models.at(data, "FRONTEND", 16), start + 16))
        at = start + size - 2 * weights - 4 * bands  # of first, then count, then the weights
        counts = [0] * bands
        counts[rng.randrange(bands)] = weights
        struct.pack_into(f"<{2 * bands}H", data, at, *[rng.randrange(3)] * bands, *counts)
        data[start + size - 2 * weights : start + size] = b"\xff" * 2 * weights
        return data
    at = start + rng.randrange(24, size)
    stop = min(start + size, at + rng.choice((1, 1, 2, 4, 30, 400)))
    data[at:stop] = bytes([rng.choice((0, 1, 15, 16, 30, 31, 127, 128, 226, 255, rng.randrange(256)))]) * (stop - at)
    return data


def some_range(rng, data):
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.choice((1, 2, 4, 12, 48, 200)))


MUTATIONS = (
    flip, number, number, number, weight, weight, table, table, truncate, duplicate, delete, splice, exchange, resize,
)  # fmt: skip


def mutate(index, corpus):
    """File number `index`: a mutation of one seed, and its checksums and length made right, or not."""
    rng = random.Random(index)
    data = bytearray(rng.choice(corpus))
    mutation = rng.choice(MUTATIONS)
    size = len(data)
    data = mutation(rng, data, corpus)
    if rng.random() < 0.9:
        if len(data) != size and len(data) >= 12 and rng.random() < 0.8:
            struct.pack_into("<I", data, 8, len(data))
        data = models.seal(data, chunks=rng.random() < 0.9)
    return bytes(data)


# -- what is done with each file


def run_cost(model):
    """Multiply-adds, or samples transformed, whichever is more."""
    fe = model.reader.frontend
    return max(model.plan.macs_dense, fe.frames * fe.n_fft, fe.window)


def run_models(data):
    """Run a file that opens as a board does, without verify, with each kernel."""
    for name in models.FLOAT_KERNELS:
        model = Model(models.stream(data), HEAP, name)
        if run_cost(model) > RUN_LIMIT:
            return
        with np.errstate(all="ignore"):
            model.selftest()


def examine(data, run):
    """Everything a device does with a file; 'ok', or the kind of error that it may raise."""
    try:
        reader = Reader(models.stream(data))
        for name in models.FLOAT_KERNELS:
            plan(reader, HEAP, kernels.choose(name))
        plan(reader, HEAP, integer)
        if run:
            run_models(data)
        verify(reader)
        return "ok"
    except FormatError:
        return "FormatError"
    except HeapError:
        return "HeapError"


class Broken(AssertionError):
    """A mutated file broke a rule that holds for every file."""


slowest = 0.0  # seconds of a processor that a file took, so far


def check(index, corpus):
    """Examine file number `index`; raise Broken if anything else comes of it, or it takes too long."""
    data = mutate(index, corpus)
    start = time.process_time()
    try:
        outcome = examine(data, index % RUN_EVERY == 0)
    except Exception as e:
        raise Broken(f"file {index}: {type(e).__name__}: {e} (again: python tests/kit/fuzz.py --only {index})") from e
    global slowest
    seconds = time.process_time() - start
    slowest = max(slowest, seconds)
    if seconds > SECONDS:
        raise Broken(f"file {index} took {seconds:.1f} s")
    return outcome


def run(count, first=0):
    """Check `count` files; return how many came to which outcome."""
    corpus = seeds()
    for data in corpus:
        assert examine(data, True) == "ok"
    gc.freeze()  # Model collects garbage: let it not look at all that a test runner holds
    before = peak.own()
    outcomes = Counter(check(index, corpus) for index in range(first, first + count))
    gc.unfreeze()
    growth = peak.own() - before
    if growth > GROWTH:
        raise Broken(f"the process grew by {growth} bytes")
    return outcomes


# -- the same on MicroPython


def job(folder, count, corpus):
    """What read_mutated.py reads: all mutated files in one (u32 length, bytes, and so on), and the limits."""
    with open(folder / "files.bin", "wb") as out:
        for index in range(count):
            data = mutate(index, corpus)
            out.write(struct.pack("<I", len(data)) + data)
    (folder / "settings.json").write_text(json.dumps({"heap": HEAP, "every": RUN_EVERY, "limit": RUN_LIMIT}))


def run_micropython(count, name="unix"):
    """Check `count` files in a MicroPython runtime and on CPython; raise Broken if the outcomes differ or are not allowed."""
    runtime, corpus = runtimes.find(name), seeds()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        job(folder, count, corpus)
        done = runtimes.execute(runtime, HERE.parent / "micropython_scripts" / "read_mutated.py", DEVICE, folder, BOARD_HEAP)
        result = folder / "outcomes.txt"
        lines = result.read_text().split("\n")[:-1] if result.exists() else []
    if done.returncode or len(lines) != count:
        raise Broken(f"{len(lines)} of {count} files: {(done.stderr + done.stdout)[-1000:]}")
    for index, line in enumerate(lines):
        compare(index, line, examine(mutate(index, corpus), False))
    return Counter(lines)


def compare(index, board, here):
    """The board may lack heap where CPython does not, and the other way round (other kernels); else both agree."""
    if board not in OUTCOMES:
        raise Broken(f"file {index}: {board}")
    if board != here and "HeapError" not in (board, here):
        raise Broken(f"file {index}: {board} in MicroPython, {here} on CPython")


def show_one(index):
    data = mutate(index, seeds())
    print(len(data), "bytes:", data.hex(" ", 4))
    try:
        print(examine(data, True))
        print(verify(Reader(models.stream(data))))
    except Exception:
        traceback.print_exc()


def report(where, function, *arguments):
    start = time.monotonic()
    try:
        outcomes = function(*arguments)
    except Broken as e:
        sys.exit(f"{where}: {e}")
    except L3Error as e:
        return print(f"{where}: left out: {e}")
    seconds = time.monotonic() - start
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
    return print(f"{where}: {arguments[0]} files in {seconds:.1f} s ({arguments[0] / seconds:.0f} a second): {counts}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=100_000)
    parser.add_argument("--micropython", type=int, default=0, metavar="COUNT")
    parser.add_argument("--only", type=int, metavar="INDEX")
    options = parser.parse_args()
    if options.only is not None:
        return show_one(options.only)
    if options.count:
        report("CPython", run, options.count)
    if options.micropython:
        for name in ("unix", "wasm"):
            report(f"MicroPython ({name})", run_micropython, options.micropython, name)
    return None


if __name__ == "__main__":
    main()
