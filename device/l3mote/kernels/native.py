"""The integer kernels in C: the same integers as viper.py, from a prebuilt native module for this board's architecture.

C source, and how the modules were built: device/native/. The parameters packed here are conv_t, frame_t, rows_t and planes_t of
conv.h and mel.h, in their order; C checks each of them against the buffers and raises ValueError.
"""

import struct
import sys
from array import array

from l3mote.format import RELU
from l3mote.kernels import STAND_INS, architecture
from l3mote.kernels.integer import LEVEL_OFFSET, Integer, plane_bytes

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
crc32, total = module.crc32, module.total  # for the reader


def workspace(plan):
    """The list of one filter's taps, and two lines of sums."""
    return 8 * plan.max_values + 8 * plan.max_cols


def work_bytes(n_fft):
    """A frame's DFT, powers and their shifts."""
    bins = n_fft // 2 + 1
    return 4 * (n_fft + bins + (bins + 3) // 4)


def frontend_bytes(fe):
    """The work of one frame; the tables came with the file's FIXED section."""
    return work_bytes(fe.n_fft)


class Kernel(Integer):
    def _make_workspace(self, plan):
        self.scratch = bytearray(workspace(plan))
        self.p = array("i", bytes(4 * 27))
        self.rows = bytearray(4 * 4)
        self.layer = self.first = self.left = None  # layer, first row and first column that the second part of p stands for

    def _pack_layer(self, layer, first, left, *geometry):
        self.layer = None  # until all of it is packed, should memory run out
        self.shift_at, exponent, out_exponent, _, _ = self.filters[layer.name]
        least, most, signed = self._limits(layer)
        pack_into("<18i", self.p, 36, layer.code, layer.taps, exponent, out_exponent, least, most, signed, *geometry)
        self.layer, self.first, self.left = layer, first, left

    def _run(self, chunk, buffer, x, y, to):
        p, n, positions = self.p, chunk.filters, chunk.positions
        p[0], p[1], p[2], p[3], p[4] = n, chunk.biases, chunk.counts, chunk.values, positions
        p[5], p[6], p[7], p[8] = positions + chunk.n_position_bytes, self.shift_at + chunk.first, to, chunk.palette
        done = native_conv(buffer, self.fixed.shifts, x, y, self.scratch, p)
        if done < n:
            chunk.bias(buffer, done)  # tells of a bias that is not finite
            raise chunk.error("a position, a weight or the bias of filter %d is out of range" % (chunk.first + done))

    def conv(self, chunk, buffer, src, dst, first, stop):
        """Rows first..stop-1 of the chunk's filters from plane src, through ReLU and pool, into the columns of plane dst."""
        layer = chunk.layer
        if self.first != first or self.layer is not layer or self.left != dst.first:
            at = (first - 1 - src.top) * src.pitch + dst.first * dst.step - 1 - src.left
            within = first % layer.pool_rows
            self.to = (first // layer.pool_rows - dst.top) * dst.pitch + dst.inset
            self._pack_layer(
                layer, first, dst.first, src.pitch, src.size, at, stop - first, dst.cols * dst.step, dst.pitch, dst.size,
                layer.pool_rows, dst.step, within, dst.cols,
            )  # fmt: skip
        self._run(chunk, buffer, src.data, dst.data, self.to + chunk.first * dst.size)

    def dense(self, chunk, buffer, x, y):
        """The chunk's outputs of a dense layer, as integers."""
        if self.layer is not chunk.layer:
            self._pack_layer(chunk.layer, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 1, 0, 1)
        self._run(chunk, buffer, x, y, chunk.first)

    def clear(self, plane, index):
        pack_into("<4i", self.rows, 0, plane.channels, plane.size, plane.pitch, index)
        module.clear(plane.data, self.rows)

    def slide(self, plane, rows):
        pack_into("<4i", self.rows, 0, plane.channels, plane.size, plane.pitch, rows)
        module.slide(plane.data, self.rows)


class frontend:
    """The integer front-end."""

    def __init__(self, reader):
        self.fe = reader.frontend
        self.fixed = reader.fixed()
        self.work = bytearray(work_bytes(self.fe.n_fft))
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
            loudest = max(loudest, native_frame(pcm, data, work, cos, hann, log2, first, count, weights, p))
            p[1] += hop
            p[3] += pitch
            yield
        pack_into("<4i", p, 0, fe.frames, fe.bands, plane.pitch, loudest)
        module.normalise(plane.data, fixed.scale, p)
        yield
