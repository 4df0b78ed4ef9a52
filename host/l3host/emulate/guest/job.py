"""Runs on the emulated board: the unchanged l3mote package on a folder with model.l3m, audio.pcm, job.json and maybe plane.f32.

Writes outputs.f32 (for each window the output, then the embedding), layers.bin (parity run) and result.json.
work() is a generator, because MicroPython in WebAssembly collects garbage only between calls.
"""

import gc
import json
import struct
import sys
import time
from array import array

from l3mote import Model
from l3mote.kernels import choose
from l3mote.memory import RESERVE

SAMPLE_EVERY = 16  # steps between two measurements of the heap


class Stopwatch:
    """A stopwatch: adds up the microseconds from start() to stop()."""

    def __init__(self):
        self.total = 0

    def start(self):
        self.started = time.ticks_us() if hasattr(time, "ticks_us") else time.monotonic_ns()

    def stop(self):
        if hasattr(time, "ticks_us"):
            self.total += time.ticks_diff(time.ticks_us(), self.started)
        else:
            self.total += (time.monotonic_ns() - self.started) // 1000  # CPython, CircuitPython


def in_use():
    """Return the bytes of heap in use after a collection (0 if the interpreter does not report them)."""
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0


def read_window(file, pcm):
    file.readinto(pcm)
    if sys.byteorder != "little":
        for i in range(len(pcm)):
            pcm[i] = struct.unpack("<h", struct.pack(">h", pcm[i]))[0]


def write_floats(file, values):
    file.write(array("f", values))


def observe_into(file, model):
    """Return an observer that writes each layer's final rows as float32, channel by channel.

    Before them: layer, first and stop row, the tile's first column and columns, and the convolution's columns in each of them.
    """

    def observer(index, first, stop, out):
        if index >= len(model.convs):
            file.write(struct.pack("<6H", index, first, stop, 0, 0, 0))
            write_floats(file, out)
            return
        file.write(struct.pack("<6H", index, first, stop, out.first, out.cols, out.step))
        for c in range(out.channels):
            for r in range(first, stop):
                write_floats(file, model.kernel.row(out, c, r - out.top))

    return observer


def load_plane(file, model):
    """Load the reference's log-mel (float32, row after row) where the front-end would write its own."""
    fe, plane = model.reader.frontend, model.planes[0]
    row = array("f", bytes(4 * fe.bands))
    for t in range(fe.frames):
        file.readinto(row)
        at = (t + 1) * plane.pitch + 1
        for i in range(fe.bands):
            plane.flat[at + i] = row[i]


def parity_steps(folder, job, model):
    """Run a window for the comparison: float kernels from the reference's plane.

    Integer kernels must give every bit from the samples on.
    """
    if model.arithmetic == "fixed":
        with open(folder + "/audio.pcm", "rb") as audio:
            audio.seek(job["loudest"] * 2 * len(model.pcm))
            read_window(audio, model.pcm)
        return model.steps()
    with open(folder + "/plane.f32", "rb") as f:
        load_plane(f, model)
    return model.network_steps()


def plan_heap(job, base):
    """Return the bytes for the model's buffers; None lets the model plan for what is free, as on a board whose heap is limited."""
    if job["plan_heap"] is not None or job["heap"] is None:
        return job["plan_heap"]
    if job["heap_enforced"]:
        return None
    boards = job["heap"] - base - RESERVE
    return boards * choose(job["kernel"]).itemsize // 4  # a board's floats are 4 bytes, here they may be 8


def work(folder, make_model=Model):
    base = in_use()
    with open(folder + "/job.json") as f:
        job = json.load(f)
    model = make_model(folder + "/model.l3m", heap=plan_heap(job, base), kernel=job["kernel"])
    frontend_steps = model.reader.frontend.frames  # counted from 0: a frame each, then the normalisation
    peak = in_use()
    model.reader.bytes_read = 0
    watch, frontend = Stopwatch(), 0
    with open(folder + "/audio.pcm", "rb") as audio, open(folder + "/outputs.f32", "wb") as outputs:
        for _ in range(job["windows"]):
            read_window(audio, model.pcm)
            before = watch.total
            watch.start()
            for step, _ in enumerate(model.steps()):
                if step % SAMPLE_EVERY == 0 or step == frontend_steps:
                    watch.stop()
                    if step == frontend_steps:
                        frontend += watch.total - before
                    yield  # WebAssembly collects garbage here, so look at the heap after it
                    peak = max(peak, in_use())
                    watch.start()
            watch.stop()
            write_floats(outputs, model.output)
            write_floats(outputs, model.embedding)
    flash = model.reader.bytes_read
    if job["parity"]:
        with open(folder + "/layers.bin", "wb") as f:
            model.observer = observe_into(f, model)
            for _ in parity_steps(folder, job, model):
                yield
        model.observer = None
    selftest, selftest_error = False, 0.0
    if job["selftest"]:
        selftest, selftest_error = model.selftest()
    with open(folder + "/result.json", "w") as f:
        json.dump(
            {
                "kernel": model.kernel_name,
                "arithmetic": model.arithmetic,
                "base_bytes": base,
                "heap_peak_bytes": peak,
                "plan_bytes": model.plan.heap_bytes,
                "plan_flash_bytes": model.plan.flash_bytes,
                "heights": model.plan.heights,
                "tiles": model.plan.tiles,
                "flash_bytes_read": flash // max(1, job["windows"]),
                "us": watch.total,  # of all windows, as integers: a board's float has 24 bits
                "us_frontend": frontend,
                "selftest": bool(selftest),
                "selftest_error": float(selftest_error),
                "implementation": sys.implementation.name,
            },
            f,
        )


if __name__ == "__main__":
    for _ in work(sys.argv[1]):
        pass
