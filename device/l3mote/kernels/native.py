"""The integer kernels in C: the same integers as viper.py, from a prebuilt native module for this board's architecture.

C source, and how the modules were built: device/native/. The parameters packed here are structs of
its include/l3native.h; C checks each of them against the buffers and raises ValueError.
"""

import gc
import struct
import sys
from array import array

from micropython import const

from l3mote.format import CONV, RELU
from l3mote.kernels import STAND_INS, architecture
from l3mote.kernels.integer import LEVEL_OFFSET, Integer, frontend_bytes, plane_bytes

name = "native"
arithmetic = "fixed"
itemsize = 2
block_bytes = plane_bytes
locates = True

# The slots of conv_t in C, and the formats and slots of structs that are packed whole: tests/kernels/test_slots.py compares them
# with l3native.h. MicroPython keeps no const whose name begins with _, so these cost no heap.
_CONV_FILTERS = const(0)
_CONV_BIASES = const(1)
_CONV_COUNTS = const(2)
_CONV_VALUES = const(3)
_CONV_POSITIONS = const(4)
_CONV_END = const(5)
_CONV_FIRST_SHIFT = const(6)
_CONV_TO = const(7)
_CONV_PALETTE = const(8)
_CONV_CODE = const(9)
_CONV_TAPS = const(10)
_CONV_EXPONENT = const(11)
_CONV_OUT_EXPONENT = const(12)
_CONV_LEAST = const(13)
_CONV_MOST = const(14)
_CONV_IS_SIGNED = const(15)
_CONV_PITCH = const(16)
_CONV_SIZE = const(17)
_CONV_OUT_PITCH = const(18)
_CONV_OUT_SIZE = const(19)
_CONV_POOL_ROWS = const(20)
_CONV_POOL_COLUMNS = const(21)
_CONV_FIRST = const(22)
_CONV_ROWS = const(23)
_CONV_COLUMNS = const(24)
_CONV_WITHIN = const(25)
_CONV_OUT_COLUMNS = const(26)
_CONV_NUMBER = const(27)
_CONV_FIRST_FILTER = const(28)
_CONV_SLOTS = const(29)
_COLUMNS = const("<8i")  # columns_t: channels size pitch inset rows columns to opening
_ROWS = const("<7i")  # rows_t: rows columns from from_pitch to to_pitch loudest
_FRAME = const("<7i")  # frame_t: n_fft start bits to offset bands silence
_FRAME_START = const(1)
_FRAME_TO = const(3)


def load():
    """Return the native module for this interpreter. Raises ImportError, with the reason, where there is none."""
    mpy = getattr(sys.implementation, "_mpy", 0)
    arch = architecture(mpy)
    if arch is None:
        raise ImportError("this interpreter loads no native modules")
    if "ESP32S2" in getattr(sys.implementation, "_machine", "").replace("-", ""):
        raise ImportError("an ESP32-S2 lacks instructions that the module for its architecture has")
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
    """Return the bytes of the list of one filter's taps, and of two lines of sums."""
    return 8 * plan.max_values + 8 * plan.max_cols


class Kernel(Integer):
    parts = None  # of a strip that are computed one after the other

    def __init__(self, plan, reader):
        super().__init__(plan, reader)
        if sys.platform == "esp32" and gc.mem_free() > 1 << 20:  # all of its heap is PSRAM then
            from l3mote.kernels.parts import parts

            self.parts = parts
        if self.parts:
            self.conv = self._conv_parts
        self.constants = {}  # of a layer, for C: the last is a layer_t
        for i, layer in enumerate(reader.layers):
            first, exponent, out_exponent, _, _ = self.filters[layer.name]
            least, most, signed = self._limits(layer)
            palette = reader.palette if layer.palette else 0
            fields = palette, layer.code, layer.taps, exponent, out_exponent, least, most, signed
            fields = array("i", fields + self._planes(plan, i, layer) + (first,))
            self.constants[layer.name] = self.fixed.shifts, self.scratch, reader.parts, fields

    def _planes(self, plan, i, layer):
        """Return the fields of layer_t that say how layer i's planes lie; a dense layer has vectors."""
        if layer.kind != CONV:
            return 0, 0, 0, 1, 1, 1
        (_, rows, pitch), (_, out_rows, out_pitch) = plan.shapes[i : i + 2]
        pool_columns = plan.step if i == len(plan.shapes) - 2 else layer.pool_cols
        return pitch, rows * pitch, out_pitch, out_rows * out_pitch, layer.pool_rows, pool_columns

    clear_rows, slide_rows = staticmethod(module.clear), staticmethod(module.slide)

    def flatten(self, plane, embedding, rows, at, opening):
        """Copy a plane's columns into the embedding from element `at` on. opening: over whatever is there, else only if greater."""
        pack_into(_COLUMNS, self.part, 0, plane.channels, plane.size, plane.pitch, plane.inset, rows, plane.cols, at, opening)
        module.flatten(plane.data, embedding, self.part)

    def _make_workspace(self, plan):
        self.scratch = self._workspace(plan)
        self.p = array("i", bytes(4 * _CONV_SLOTS))
        self.part = array("i", bytes(struct.calcsize(_COLUMNS)))  # of a plane

    def strip(self, layer, src, dst, first, stop):
        """Take what all chunks of a strip share: rows first..stop-1 from src, through ReLU and pool, into the columns of dst."""
        self.same = self.constants[layer.name]
        self.x, self.y, p = src.data, dst.data, self.p
        p[_CONV_FIRST] = self.at = (first - 1 - src.top) * src.pitch + dst.first * dst.step - 1 - src.left
        p[_CONV_ROWS] = stop - first
        p[_CONV_COLUMNS] = dst.cols * dst.step
        p[_CONV_WITHIN] = first % layer.pool_rows
        p[_CONV_OUT_COLUMNS] = dst.cols
        p[_CONV_TO] = self.to = (first // layer.pool_rows - dst.top) * dst.pitch + dst.inset
        if self.parts:
            self.whole = layer, src, dst, first, stop

    def conv(self, chunk, buffer):
        """Compute the chunk's filters of the strip."""
        p = self.p
        p[_CONV_NUMBER] = chunk.number
        p[_CONV_FIRST_FILTER] = chunk.first
        if native_conv(buffer, self.x, self.y, p, self.same) != chunk.filters:
            self._refuse(chunk, buffer)

    def _conv_parts(self, chunk, buffer):
        """The same part by part."""
        layer, src, dst, first, stop = self.whole
        p, to, pool = self.p, self.to, layer.pool_rows
        for row, end, column, right in self.parts(src.channels, first, stop, dst.cols * dst.step, pool, dst.step):
            p[_CONV_FIRST] = self.at + (row - first) * src.pitch + column
            p[_CONV_ROWS] = end - row
            p[_CONV_COLUMNS] = right - column
            p[_CONV_WITHIN] = row % pool
            p[_CONV_OUT_COLUMNS] = (right - column) // dst.step
            p[_CONV_TO] = to + (row // pool - first // pool) * dst.pitch + column // dst.step
            Kernel.conv(self, chunk, buffer)

    def _refuse(self, chunk, buffer):
        """Raise the error of the first filter that C refuses. It is found by running them again: what it says does not change."""
        done = native_conv(buffer, self.x, self.y, self.p, self.same)
        chunk.bias(buffer, done)  # raises for a bias that is not finite
        raise chunk.error("a position, a weight or the bias of filter %d is out of range" % (chunk.first + done))

    def dense(self, chunk, buffer, x, y):
        """Compute the chunk's outputs of a dense layer, as integers."""
        if chunk.first == 0:
            self.same = self.constants[chunk.layer.name]
            pack_into("<5i", self.p, 4 * _CONV_FIRST, 0, 1, 1, 0, 1)
            self.x, self.y, self.p[_CONV_TO] = x, y, 0
        Kernel.conv(self, chunk, buffer)


class FrontEnd:
    def __init__(self, reader, work=None):
        """work: frontend_bytes to work in, None: its own."""
        self.fe = reader.frontend
        self.fixed = reader.fixed()
        self.work = bytearray(frontend_bytes(self.fe)) if work is None else work
        self.p = array("i", bytes(struct.calcsize(_FRAME)))
        self.part = array("i", bytes(struct.calcsize(_ROWS)))
        fe, fixed = self.fe, self.fixed
        self.same = self.work, fixed.cos, fixed.hann, fixed.log2, fixed.first, fixed.count, fixed.weights
        pack_into(_FRAME, self.p, 0, fe.n_fft, 0, fixed.frame_bits, 0, LEVEL_OFFSET * -512, fe.bands, fixed.silence)

    def frame(self, pcm, start, levels, at):
        """Write the levels of the frame that begins at sample `start` of pcm, from element `at` on; return the largest."""
        p = self.p
        p[_FRAME_START], p[_FRAME_TO] = start, at
        return native_frame(pcm, levels, p, self.same)

    def normalise(self, levels, at, pitch, plane, first, rows, loudest):
        """Turn rows of levels into the plane's rows from `first` on, the network's input."""
        to = (first + 1) * plane.pitch + 1
        pack_into(_ROWS, self.part, 0, rows, self.fe.bands, at, pitch, to, plane.pitch, loudest)
        module.normalise(levels, plane.data, self.fixed.scale, self.part)
