"""Float kernels on ulab (NumPy stands in for it on CPython).

Planes are 2-D arrays (channels, rows * pitch): with a zero column on both sides of each row, every tap of a 3x3 kernel is one
contiguous slice of a channel. Dense layers are a matrix product per tap; sparse layers add each non-zero's slice in place.
"""

import math

from l3mote.format import PALETTE_BYTES, RELU
from l3mote.frontend import LogMel
from l3mote.kernels import flatten_rows
from l3mote.positions import unpack
from l3mote.reader import check as check

try:
    from ulab import numpy as np
    from ulab import utils

    spectrogram = utils.spectrogram
    FLOAT = np.float
except ImportError:  # CPython, for debugging: MicroPython has no numpy either, and so says that ulab is missing
    import numpy as np

    FLOAT = np.float32  # as on boards

    def spectrogram(x, scratchpad=None, out=None):
        out[:] = np.abs(np.fft.fft(x))


name = "ulab"
arithmetic = "float"
itemsize = np.zeros(1, dtype=FLOAT).itemsize
BLOCK = 8  # filters a matrix product takes at once: bounds its temporary


def workspace(plan):
    """Bytes of decoded weights, palette and positions, and of temporaries: two blocks of filters, two of values as int16."""
    table = palette_values(plan.layers)
    values = max(plan.chunk_values, table)
    return itemsize * (values + table + 2 * BLOCK * plan.strip) + 4 * values + 2 * plan.max_values


def palette_values(layers):
    """Values of the table that palettes are decoded into."""
    return PALETTE_BYTES // 2 if any([layer.palette for layer in layers]) else 0


def plane_bytes(channels, size):
    """Bytes of a plane."""
    return itemsize * channels * size


block_bytes = plane_bytes  # it is one allocation


def frontend_bytes(fe):
    """Window, frame, magnitudes, ulab's scratchpad of two frames, and the bands' weights."""
    return (5 * itemsize + 8) * fe.n_fft


def zeros(shape):
    return np.zeros(shape, dtype=FLOAT)


def int16(v):
    return np.array([v - 65536 if v > 32767 else v], dtype=np.int16)


def look_up(table, indices):
    """table[indices], for firmware whose ulab has no take."""
    values = zeros(len(indices))
    for i in range(len(indices)):
        values[i] = table[indices[i]]
    return values


take = getattr(np, "take", look_up)

# A float16's fields, moved to the float's highest lane: shifts and masks, then one multiplication for the exponent's bias.
if itemsize == 4:
    HIGH_SHIFT, HIGH_MASK, LOW_SHIFT, BIAS = int16(3), int16(0x8FFF), int16(13), 2.0**112
else:
    HIGH_SHIFT, HIGH_MASK, LOW_SHIFT, BIAS = int16(6), int16(0x81FF), int16(10), 2.0**1008
LANES = itemsize // 2
EXPONENT = int16(0x7C00)


class Kernel:
    def __init__(self, plan, reader):
        table = palette_values(plan.layers)
        buffer = bytearray(max(plan.chunk_values, table) * itemsize)
        self.weights = np.frombuffer(buffer, dtype=FLOAT)
        self.lanes = np.frombuffer(buffer, dtype=np.int16)
        self.palette = zeros(table) if table else None
        self.positions = np.zeros(plan.max_values, dtype=np.uint16)

    def plane(self, channels, size):
        return zeros((channels, size))

    def vector(self, n):
        return zeros(n)

    def flat(self, plane):
        return plane.data[0]

    def floats(self, vector, index):
        """A layer's output as numbers."""
        return vector

    def row(self, plane, c, index):
        at = index * plane.pitch + plane.inset
        return plane.data[c][at : at + plane.cols]

    def clear(self, plane, first, rows=1):
        plane.data[:, first * plane.pitch : (first + rows) * plane.pitch] = 0.0

    def slide(self, plane, rows):
        n = plane.pitch
        for i in range(2):
            plane.data[:, i * n : (i + 1) * n] = plane.data[:, (rows + i) * n : (rows + i + 1) * n]

    flatten = flatten_rows

    def _decode(self, chunk, buffer):
        """All values of the chunk into self.weights."""
        if not chunk.layer.palette:
            return self._decode_halves(chunk, buffer, chunk.values, chunk.n_values)
        if chunk.first == 0:
            self._decode_halves(chunk, buffer, chunk.palette, len(self.palette))
            self.palette[:] = self.weights[: len(self.palette)]
        if chunk.n_values:
            indices = np.frombuffer(memoryview(buffer)[chunk.values : chunk.values + chunk.n_values], dtype=np.uint8)
            self.weights[: chunk.n_values] = take(self.palette, indices)

    def _decode_halves(self, chunk, buffer, at, n):
        """n float16 values from byte `at` into self.weights, exactly, without a loop."""
        if not n:
            return
        bits = np.frombuffer(memoryview(buffer)[at : at + 2 * n], dtype=np.int16)
        if np.max(np.bitwise_and(bits, EXPONENT)) == 0x7C00:
            raise chunk.error("a weight is infinite or NaN")
        lanes = self.lanes[: n * LANES]
        lanes[:] = 0
        lanes[LANES - 1 :: LANES] = np.bitwise_and(np.right_shift(bits, HIGH_SHIFT), HIGH_MASK)
        lanes[LANES - 2 :: LANES] = np.left_shift(bits, LOW_SHIFT)
        weights = self.weights[:n]
        weights *= BIAS

    def conv(self, chunk, buffer, src, dst, first, stop):
        self._decode(chunk, buffer)
        columns = dst.cols * dst.step
        base = (first - 1 - src.top) * src.pitch + dst.first * dst.step - 1 - src.left
        n = (stop - first - 1) * src.pitch + columns
        if chunk.layer.code:
            self._conv_sparse(chunk, buffer, src, dst, base, n, first)
        else:
            self._conv_dense(chunk, buffer, src, dst, base, n, first)

    def _conv_dense(self, chunk, buffer, src, dst, base, n, first):
        taps, x = chunk.layer.taps, src.data
        weights = self.weights[: chunk.n_values].reshape((chunk.filters, taps))
        for block in range(0, chunk.filters, BLOCK):
            w = weights[block : block + BLOCK]
            total = np.dot(w[:, 0::9], x[:, base : base + n])
            for tap in range(1, 9):
                at = base + tap // 3 * src.pitch + tap % 3
                total += np.dot(w[:, tap::9], x[:, at : at + n])
            for i in range(len(total)):
                self._finish(chunk, buffer, total[i], src, dst, block + i, first)

    def _conv_sparse(self, chunk, buffer, src, dst, base, n, first):
        value, position_at = 0, chunk.positions
        for f in range(chunk.filters):
            count = chunk.count(buffer, f)
            position_at = unpack(chunk, buffer, position_at, count, self.positions)
            total = zeros(n)
            self._add_taps(total, src, base, n, value, count)
            value += count
            self._finish(chunk, buffer, total, src, dst, f, first)

    def _add_taps(self, total, src, base, n, value, count):
        """total = sum of weight * slice, kept divided by the last weight so that each tap is two operations in place."""
        x, last = src.data, 0.0
        for i in range(count):
            channel, tap = divmod(int(self.positions[i]), 9)
            weight = float(self.weights[value + i])
            if not weight:
                continue
            at = base + tap // 3 * src.pitch + tap % 3
            if last:
                total *= last / weight
            total += x[channel][at : at + n]
            last = weight
        total *= last

    def _finish(self, chunk, buffer, total, src, dst, f, first):
        """Bias, ReLU, pool, and into the plane that the next layer reads."""
        layer, step, width = chunk.layer, dst.step, dst.cols
        total += chunk.bias(buffer, f)
        if layer.activation == RELU:
            total = np.maximum(total, 0.0)
        out = dst.data[chunk.first + f]
        for y in range(-(-len(total) // src.pitch)):
            row = total[y * src.pitch : y * src.pitch + width * step]
            pooled = row[::step]
            for i in range(1, step):
                pooled = np.maximum(pooled, row[i::step])
            at = ((first + y) // layer.pool_rows - dst.top) * dst.pitch + dst.inset
            if (first + y) % layer.pool_rows:
                pooled = np.maximum(pooled, out[at : at + width])
            out[at : at + width] = pooled

    def dense(self, chunk, buffer, x, y):
        self._decode(chunk, buffer)
        position_at, value = chunk.positions, 0
        for f in range(chunk.filters):
            n = chunk.count(buffer, f)
            if chunk.layer.code:
                position_at = unpack(chunk, buffer, position_at, n, self.positions)
                total = 0.0
                for i in range(n):
                    total += self.weights[value + i] * x[int(self.positions[i])]
            else:
                total = np.dot(self.weights[value : value + n], x)
            y[chunk.first + f] = total + chunk.bias(buffer, f)
            value += n


class Spectrum:
    """Power spectrum of Hann-windowed frames of int16 samples, by ulab's FFT."""

    def __init__(self, n_fft):
        self.n = n_fft
        self.hann = (0.5 - 0.5 * np.cos(np.arange(n_fft) * (2 * math.pi / n_fft))) / 32768
        self.frame = zeros(n_fft)
        self.out = zeros(n_fft)
        self.scratch = zeros(2 * n_fft)

    def compute(self, pcm, start):
        """Power (samples in [-1, 1]) of the frame that begins at sample `start`; samples outside pcm are zero."""
        first, last = max(start, 0), min(start + self.n, len(pcm))
        frame = self.frame
        frame *= 0.0
        if first < last:
            samples = np.frombuffer(memoryview(pcm)[first:last], dtype=np.int16)
            frame[first - start : last - start] = samples
        frame *= self.hann
        spectrogram(frame, scratchpad=self.scratch, out=self.out)
        self.out *= self.out

    def dot(self, first, count, weights, at):
        """Sum of power[first + i] * weights[at + i]."""
        if not count:
            return 0.0
        return np.dot(self.out[first : first + count], weights[at : at + count])

    def table(self, values):
        """Weights in the form that dot takes."""
        return np.array(values, dtype=FLOAT)

    def power(self, k):
        return self.out[k]


class FrontEnd(LogMel):
    def __init__(self, reader, work=None):
        super().__init__(reader.frontend, Spectrum(reader.frontend.n_fft))
