"""The integer kernels' loops in Python, around the sums in viper.py: over a chunk's filters, and of a frame.

Separate from integer.py, because native.py has its own in C and small heaps have no room for both.
"""

import struct
from array import array

from l3mote.format import log2
from l3mote.kernels import take_strip
from l3mote.kernels.integer import LEVEL_OFFSET, PLANES, Integer, frontend_bytes


def rounded_bias(bits, shift):
    """Return a float32, given as its bits, times 2^shift, rounded half up: in integers, so that every board gets the same."""
    mantissa = bits & 0x7FFFFF
    exponent = bits >> 23 & 255
    if exponent:
        mantissa |= 0x800000
    else:
        exponent = 1
    if bits & 0x80000000:
        mantissa = -mantissa
    shift += exponent - 150
    if shift >= 0:
        return mantissa << shift
    return (mantissa + (1 << (-shift - 1))) >> -shift


class Loops(Integer):
    """The loops of a kernel. Subclasses provide decode, conv_rows, pool, clear_rows and slide_rows."""

    def _make_workspace(self, plan):
        self.part = array("i", bytes(struct.calcsize(PLANES)))  # of a plane
        self.taps = self._workspace(plan)
        self.rows = self.taps[8 * plan.max_values :]
        self.p = array("i", [0] * 19)
        self.p[10] = 2 * plan.max_values

    def _filters(self, chunk, buffer, pitch, size):
        """Decode one filter after the other into taps; yield (filter, count, bias, output shift)."""
        layer, p = chunk.layer, array("i", [0] * 10)
        first, exponent, out_exponent, _, _ = self.filters[layer.name]
        value_at, position_at = chunk.values, chunk.positions
        for f in range(chunk.filters):
            shift = self.fixed.shifts[first + chunk.first + f]
            n = chunk.count(buffer, f)
            p[0], p[1], p[2], p[3], p[4] = layer.code, value_at, position_at, n, shift
            p[5], p[6], p[7], p[8], p[9] = layer.taps, pitch, size, chunk.positions + chunk.n_position_bytes, chunk.palette
            position_at = self.decode(buffer, self.taps, 0, p)
            if position_at < 0:
                raise chunk.error("a position or a weight of filter %d is out of range" % (chunk.first + f))
            value_at += layer.value_bytes * n
            chunk.bias(buffer, f)  # refuses what is not finite
            bias = rounded_bias(struct.unpack_from("<I", buffer, chunk.biases + 4 * f)[0], shift + exponent)
            yield chunk.first + f, n, bias, exponent + shift - out_exponent

    strip = take_strip

    def conv(self, chunk, buffer):
        """Compute rows first..stop-1 of the chunk's filters from src, through ReLU and pool, into the columns of dst."""
        src, dst, first, stop = self.next_strip
        layer, p = chunk.layer, self.p
        corner = (first - 1 - src.top) * src.pitch + dst.first * dst.step - 1 - src.left
        columns = dst.cols * dst.step
        least, most, signed = self._limits(layer)
        for f, n, bias, shift in self._filters(chunk, buffer, src.pitch, src.size):
            p[0], p[1], p[2], p[3] = n, corner, stop - first, columns
            p[4], p[5], p[6], p[7], p[8], p[9] = src.pitch, bias, shift, least, most, signed
            self.conv_rows(src.data, self.taps, 0, p)
            p[0], p[1], p[2], p[3] = stop - first, columns, layer.pool_rows, dst.step
            p[4], p[6], p[7] = first % layer.pool_rows, dst.pitch, dst.cols
            p[5] = f * dst.size + (first // layer.pool_rows - dst.top) * dst.pitch + dst.inset
            self.pool(self.rows, dst.data, p)

    def dense(self, chunk, buffer, x, y):
        """Compute the chunk's outputs of a dense layer, as integers."""
        p = self.p
        least, most, signed = self._limits(chunk.layer)
        for f, n, bias, shift in self._filters(chunk, buffer, 0, 0):
            p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9] = n, 0, 1, 1, 0, bias, shift, least, most, signed
            self.conv_rows(x, self.taps, 0, p)
            y[f] = struct.unpack_from("<h", self.rows, 0)[0]


class IntegerLogMel:
    """The integer front-end. Subclasses provide load_frame, dft, spectrum, levels and normalise_rows."""

    def __init__(self, reader, work=None):
        """work: frontend_bytes to work in, None: its own."""
        self.fe = fe = reader.frontend
        self.fixed = reader.fixed()
        work = memoryview(bytearray(frontend_bytes(fe)) if work is None else work)
        power = 4 * fe.n_fft
        shifts = power + 4 * (fe.n_fft // 2 + 1)
        self.z, self.power, self.shifts = work[:power], work[power:shifts], work[shifts:]
        self.p = array("i", [0] * 9)
        fixed = self.fixed
        self.p[8] = fixed.silence
        self.tables = (fixed.weights, fixed.first, fixed.count, fixed.log2, self.p, fe.bands)
        self.bits = log2(fe.n_fft) - 1  # of the half-size complex DFT

    def frame(self, pcm, start, levels, at):
        """Write the levels of the frame that begins at sample `start` of pcm, from element `at` on; return the largest."""
        fe, p, fixed = self.fe, self.p, self.fixed
        p[0], p[1], p[2], p[3] = fe.n_fft, start, len(pcm), fixed.frame_bits
        shift = self.load_frame(pcm, self.z, fixed.hann, p)
        self.dft(self.z, fixed.cos, fe.n_fft)
        p[0], p[1], p[2] = self.bits, p[4], shift
        self.spectrum(self.z, fixed.cos, self.power, self.shifts, p)
        p[5], p[6] = at, (2 * shift - LEVEL_OFFSET) << 9
        return self.levels(self.power, self.shifts, levels, self.tables)

    def normalise(self, levels, at, pitch, plane, first, rows, loudest):
        """Turn rows of levels into the plane's rows from `first` on, the network's input."""
        p = self.p
        p[0], p[1], p[2], p[3], p[4], p[5] = rows, self.fe.bands, at, pitch, (first + 1) * plane.pitch + 1, plane.pitch
        p[6] = loudest
        self.normalise_rows(levels, plane.data, self.fixed.scale, p)
