"""The integer kernels in C: the same integers as viper.py, from a prebuilt native module for this board's architecture.

C source, and how the modules were built: device/native/. The parameters packed here are structs of
include/l3native.h, in their order; C checks each of them against the buffers and raises ValueError.
"""

import struct
import sys
from array import array

from l3mote.format import RELU
from l3mote.kernels import STAND_INS, architecture
from l3mote.kernels.integer import LEVEL_OFFSET, Integer, frontend_bytes, plane_bytes

name = "native"
arithmetic = "fixed"
itemsize = 2
block_bytes = plane_bytes


def load():
    """The native module for this interpreter. Raises ImportError, with the reason, where there is none."""
    mpy = getattr(sys.implementation, "_mpy", 0)
    arch = architecture(mpy)
    if arch is None:
        raise ImportError("this interpreter loads no native modules")
    module = "l3native_" + STAND_INS.get(arch, arch)
    try:
        return __import__("l3mote.kernels." + module, None, None, (module,))
    except ImportError:
        raise ImportError("no %s.mpy in l3mote/kernels" % module)
    except ValueError as e:
        raise ImportError("%s.mpy is not for this interpreter (.mpy version %d): %s" % (module, mpy & 255, e))


module = load()
native_conv, native_frame, pack_into = module.conv, module.frame, struct.pack_into  # looked up once, for boards' sake
check = module.check


def workspace(plan):
    """The list of one filter's taps, and two lines of sums."""
    return 8 * plan.max_values + 8 * plan.max_cols


class Kernel(Integer):
    def __init__(self, plan, reader):
        super().__init__(plan, reader)
        self.shifts = self.fixed.shifts
        self.constants = {}
        for layer in reader.layers:
            first, exponent, out_exponent, _, _ = self.filters[layer.name]
            least, most, signed = self._limits(layer)
            fields = array("i", (layer.code, layer.taps, exponent, out_exponent, least, most, signed))
            self.constants[layer.name] = first, fields

    clear_rows, slide_rows = staticmethod(module.clear), staticmethod(module.slide)

    def flatten(self, plane, embedding, rows, at, opening):
        """A plane's columns into the embedding from element `at` on; opening: whatever is there, else if they are greater."""
        pack_into("<8i", self.part, 0, plane.channels, plane.size, plane.pitch, plane.inset, rows, plane.cols, at, opening)
        module.flatten(plane.data, embedding, self.part)

    def _make_workspace(self, plan):
        self.scratch = bytearray(workspace(plan))
        self.p = array("i", bytes(4 * 27))
        self.part = array("i", bytes(4 * 8))  # of a plane

    def _run(self, chunk, buffer, x, y, to):
        p, n, positions = self.p, chunk.filters, chunk.positions
        p[0] = n
        p[2] = chunk.counts
        p[3] = chunk.values
        p[4] = positions
        p[5] = positions + chunk.n_position_bytes
        p[6] = self.shift_at + chunk.first
        p[7] = to
        p[8] = chunk.palette
        done = native_conv(buffer, self.shifts, x, y, self.scratch, p)
        if done < n:
            chunk.bias(buffer, done)  # tells of a bias that is not finite
            raise chunk.error("a position, a weight or the bias of filter %d is out of range" % (chunk.first + done))

    def conv(self, chunk, buffer, src, dst, first, stop):
        """Rows first..stop-1 of the chunk's filters from plane src, through ReLU and pool, into the columns of plane dst."""
        if chunk.first == 0:  # what all chunks of a strip share
            layer = chunk.layer
            at = (first - 1 - src.top) * src.pitch + dst.first * dst.step - 1 - src.left
            self.to = (first // layer.pool_rows - dst.top) * dst.pitch + dst.inset
            self.shift_at, self.p[9:16] = self.constants[layer.name]
            pack_into(
                "<11i", self.p, 64, src.pitch, src.size, at, stop - first, dst.cols * dst.step, dst.pitch, dst.size,
                layer.pool_rows, dst.step, first % layer.pool_rows, dst.cols,
            )  # fmt: skip
        self._run(chunk, buffer, src.data, dst.data, self.to + chunk.first * dst.size)

    def dense(self, chunk, buffer, x, y):
        """The chunk's outputs of a dense layer, as integers."""
        if chunk.first == 0:
            self.shift_at, self.p[9:16] = self.constants[chunk.layer.name]
            pack_into("<11i", self.p, 64, 0, 0, 0, 1, 1, 0, 1, 1, 1, 0, 1)
        self._run(chunk, buffer, x, y, chunk.first)


class FrontEnd:

    def __init__(self, reader, work=None):
        """work: frontend_bytes to work in, None: its own."""
        self.fe = reader.frontend
        self.fixed = reader.fixed()
        self.work = bytearray(frontend_bytes(self.fe)) if work is None else work
        self.p = array("i", bytes(4 * 7))

    def steps(self, pcm, plane):
        """Fill the plane from a window of int16 samples; yield after each frame."""
        fe, fixed, p = self.fe, self.fixed, self.p
        n, hop, bits, bands, pitch = fe.n_fft, fe.hop_length, fixed.frame_bits, fe.bands, plane.pitch
        data, work = plane.data, self.work
        cos, hann, log2, first, count, weights = fixed.cos, fixed.hann, fixed.log2, fixed.first, fixed.count, fixed.weights
        pack_into("<7i", p, 0, n, -fe.pad_before, bits, pitch + 1, LEVEL_OFFSET * -512, bands, fixed.silence)
        loudest = -32768
        for _ in range(fe.frames):
            level = native_frame(pcm, data, work, cos, hann, log2, first, count, weights, p)
            if level > loudest:
                loudest = level
            p[1] += hop
            p[3] += pitch
            yield
        pack_into("<4i", p, 0, fe.frames, fe.bands, plane.pitch, loudest)
        module.normalise(plane.data, fixed.scale, p)
        yield
