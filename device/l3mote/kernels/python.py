"""The readable specification of the kernels, in plain Python: runs on any MicroPython, slowly.

A plane is a list of channels; a channel stores its rows one after the other, each with a zero column on both sides (pitch =
columns + 2). Output pixel (row, column) of a filter is bias + sum of weight * input over the filter's taps. Channels are
arrays of their own, so that a fragmented heap can hold them.
"""

import math
from array import array

from l3mote.format import RELU, half
from l3mote.frontend import LogMel
from l3mote.kernels import flatten_rows, take_strip
from l3mote.positions import unpack
from l3mote.reader import check as check

name = "python"
arithmetic = "float"
itemsize = 4
locates = False


def workspace(plan):
    """Return the bytes that a Kernel allocates: weights, channels and positions of one filter, and one row of its output."""
    return 8 * plan.max_values + 4 * plan.max_cols


def plane_bytes(channels, size):
    """Return the bytes of a plane: each channel is an array with a header, in whole blocks of the heap."""
    return channels * (4 * size + 48)


def block_bytes(channels, size):
    """Return the bytes of the largest single allocation of a plane."""
    return 4 * size


def frontend_bytes(fe):
    """Return the bytes of half a cosine, a complex frame, and the bands' weights (a bin is in two bands at most) and places."""
    return 14 * fe.n_fft + 8 * fe.bands


def zeros(n, typecode="f", itemsize=4):
    return array(typecode, bytes(itemsize * n))


class Kernel:
    chunk = None

    def __init__(self, plan, reader):
        self.weights = zeros(plan.max_values)
        self.positions = zeros(plan.max_values, "H", 2)
        self.channels = zeros(plan.max_values, "H", 2)
        self.line = zeros(plan.max_cols)

    def plane(self, channels, size):
        planes = [zeros(size)] * channels
        for c in range(1, channels):
            planes[c] = planes[0][:]  # a copy needs no temporary, which would leave holes in the heap
        return planes

    def vector(self, n):
        return zeros(n)

    def flat(self, plane):
        """Return a plane of one channel as a buffer to write elements to."""
        return plane.data[0]

    def floats(self, vector, index):
        """Return a layer's output as numbers."""
        return vector

    def row(self, plane, c, index):
        """Return the columns of one stored row that the layer before filled, as a buffer."""
        at = index * plane.pitch + plane.inset
        return memoryview(plane.data[c])[at : at + plane.cols]

    def clear(self, plane, first, rows=1):
        """Zero stored rows first..first+rows-1 of every channel."""
        for channel in plane.data:
            for i in range(first * plane.pitch, (first + rows) * plane.pitch):
                channel[i] = 0.0

    def slide(self, plane, rows):
        """Move the last two stored rows in use, which begin at row `rows`, to the top."""
        skip = rows * plane.pitch
        for channel in plane.data:
            for i in range(2 * plane.pitch):
                channel[i] = channel[skip + i]

    flatten = flatten_rows

    def _decode(self, chunk, buffer, f, value_at, position_at):
        """Fill weights and positions with filter f; return (count, next value_at, next position_at)."""
        n = chunk.count(buffer, f)
        if chunk.layer.code:
            position_at = unpack(chunk, buffer, position_at, n, self.positions)
        else:
            for i in range(n):
                self.positions[i] = i
        for i in range(n):
            try:
                self.weights[i] = half(chunk.bits(buffer, value_at))
            except ValueError as e:
                raise chunk.error("weight %s is not a normal number" % e)
            value_at += chunk.layer.value_bytes
        return n, value_at, position_at

    def _filters(self, chunk, buffer):
        """Decode one filter after the other; yield (filter, taps, bias)."""
        value_at, position_at = chunk.values, chunk.positions
        for f in range(chunk.filters):
            n, value_at, position_at = self._decode(chunk, buffer, f, value_at, position_at)
            yield chunk.first + f, n, chunk.bias(buffer, f)

    strip = take_strip

    def conv(self, chunk, buffer):
        """Compute rows first..stop-1 of the chunk's filters from src, through ReLU and pool, into the columns of dst."""
        src, dst, first, stop = self.next_strip
        layer, corner = chunk.layer, dst.first * dst.step - 1 - src.left
        for f, n, bias in self._filters(chunk, buffer):
            self._locate(n, src.pitch)
            for y in range(first, stop):
                self._conv_row(layer, n, bias, src, (y - 1 - src.top) * src.pitch + corner, dst.cols * dst.step)
                self._pool_row(layer, dst, f, y)

    def _locate(self, n, pitch):
        """Turn n positions in the filter into channels and offsets from the pixel's upper left neighbour."""
        for i in range(n):
            channel, tap = divmod(self.positions[i], 9)
            self.channels[i] = channel
            self.positions[i] = tap // 3 * pitch + tap % 3

    def _conv_row(self, layer, n, bias, src, base, columns):
        data, line = src.data, self.line
        weights, channels, offsets = self.weights, self.channels, self.positions
        relu = layer.activation == RELU
        for x in range(columns):
            total = bias
            at = base + x
            for i in range(n):
                total += weights[i] * data[channels[i]][at + offsets[i]]
            line[x] = 0.0 if relu and total < 0.0 else total

    def _pool_row(self, layer, dst, f, y):
        """Take the maximum of each group of columns, and of what is there unless y is the first row of its group."""
        pr, pc = layer.pool_rows, dst.step
        line, out = self.line, dst.data[f]
        at = (y // pr - dst.top) * dst.pitch + dst.inset
        opening = y % pr == 0
        for x in range(dst.cols):
            value = max(line[x * pc : x * pc + pc]) if pc > 1 else line[x]
            if opening or value > out[at + x]:
                out[at + x] = value

    def dense(self, chunk, buffer, x, y):
        """Compute the chunk's outputs of a dense layer: y[f] = bias + sum of weight * x."""
        weights, positions = self.weights, self.positions
        for f, n, total in self._filters(chunk, buffer):
            for i in range(n):
                total += weights[i] * x[positions[i]]
            y[f] = total


class Spectrum:
    """Power spectrum of Hann-windowed frames of int16 samples; a textbook radix-2 FFT."""

    def __init__(self, n_fft):
        self.n = n_fft
        self.cos = zeros(n_fft // 2 + 1)  # allocated whole: an array that grows leaves holes in the heap
        for k in range(n_fft // 2 + 1):
            self.cos[k] = math.cos(2 * math.pi * k / n_fft)
        self.re = zeros(n_fft)
        self.im = zeros(n_fft)

    def compute(self, pcm, start):
        """Compute the power (samples in [-1, 1]) of the frame that begins at sample `start`; samples outside pcm are zero."""
        self._load(pcm, start)
        self._transform()
        re, im = self.re, self.im
        for k in range(self.n // 2 + 1):
            re[k] = re[k] * re[k] + im[k] * im[k]

    def _load(self, pcm, start):
        """Load windowed samples in bit-reversed order."""
        n, re, im, cos = self.n, self.re, self.im, self.cos
        j = 0
        for i in range(n):
            s = start + i
            re[j] = pcm[s] * (0.5 - 0.5 * cos[min(i, n - i)]) / 32768 if 0 <= s < len(pcm) else 0.0
            im[j] = 0.0
            bit = n >> 1
            while j & bit:
                j ^= bit
                bit >>= 1
            j |= bit

    def _transform(self):
        n, re, im, cos = self.n, self.re, self.im, self.cos
        half_size = 1
        while half_size < n:
            step = n // (2 * half_size)
            for k in range(half_size):
                wr = cos[k * step]
                wi = -cos[abs(k * step - n // 4)]  # sin
                for i in range(k, n, 2 * half_size):
                    j = i + half_size
                    tr = re[j] * wr - im[j] * wi
                    ti = re[j] * wi + im[j] * wr
                    re[j] = re[i] - tr
                    im[j] = im[i] - ti
                    re[i] += tr
                    im[i] += ti
            half_size *= 2

    def dot(self, first, count, weights, at):
        """Return the sum of power[first + i] * weights[at + i]."""
        total = 0.0
        power = self.re
        for i in range(count):
            total += power[first + i] * weights[at + i]
        return total

    def table(self, values):
        """Return weights in the form that dot() takes."""
        return values

    def power(self, k):
        return self.re[k]


class FrontEnd(LogMel):
    def __init__(self, reader, work=None):
        super().__init__(reader.frontend, Spectrum(reader.frontend.n_fft))
