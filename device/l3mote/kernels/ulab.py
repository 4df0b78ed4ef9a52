"""Float kernels on ulab (NumPy stands in for it on CPython).

Planes are 2-D arrays (channels, rows * pitch): with a zero column on both sides of each row, every tap of a 3x3 kernel is one
contiguous slice of a channel. Dense layers are a matrix product per tap; sparse layers add each non-zero's slice in place.

A window's allocations are short-lived and small: views, numbers, and results of at most TEMPORARY values (a row where that is
more), because a heap that is nearly full is in pieces. Everything larger is allocated when the model is opened. ulab's
`a[i:j] = b` copies b first: arrays larger than a temporary are added to zeros in place, or copied between memoryviews.
"""

import math
from array import array

from l3mote.format import PALETTE_BYTES, RELU
from l3mote.frontend import LogMel
from l3mote.kernels import flatten_rows, take_strip
from l3mote.positions import unpack
from l3mote.reader import check as check

try:
    from ulab import numpy as np
    from ulab import utils

    FLOAT = np.float
except ImportError:  # CPython, for debugging: MicroPython has no numpy either, so the error there names ulab
    import numpy as np

    utils = None
    FLOAT = "float32"  # as on boards

spectrogram = getattr(utils, "spectrogram", None)
take = getattr(np, "take", None)  # CircuitPython's has none

name = "ulab"
arithmetic = "float"
itemsize = np.zeros(1, dtype=FLOAT).itemsize
locates = False
TEMPORARY = 256  # values of a result that a window allocates
ALIVE = 3  # of them at once: the new one, the one before, and one to which a scanned stack (CircuitPython's) still points


def temporary(plan):
    """Return how many values the largest result that a convolution allocates has: whole rows."""
    return max(TEMPORARY, max([shape[2] for shape in plan.shapes]))


def workspace(plan):
    """Return the bytes of decoded weights, palette and positions, of sums, and of temporaries."""
    table, most = palette_values(plan.layers), temporary(plan)
    values = max(plan.chunk_values, table) + table + max(plan.strip, most) + ALIVE * most
    return itemsize * values + 2 * plan.max_values


def palette_values(layers):
    """Return how many values the table has that palettes are decoded into."""
    return PALETTE_BYTES // 2 if any([layer.palette for layer in layers]) else 0


def plane_bytes(channels, size):
    """Return the bytes of a plane."""
    return itemsize * channels * size


block_bytes = plane_bytes  # it is one allocation


def frontend_bytes(fe):
    """Return the bytes of window, frame, power, the transform's memory and the bands' weights."""
    return (3 * itemsize + 8) * fe.n_fft + TRANSFORM.bytes(fe.n_fft)


def zeros(shape):
    return np.zeros(shape, dtype=FLOAT)


def int16(v):
    return np.array([v - 65536 if v > 32767 else v], dtype=np.int16)


# A float16's fields, moved to the float's highest lane: shifts and masks, then one multiplication for the exponent's bias.
if itemsize == 4:
    HIGH_SHIFT, HIGH_MASK, LOW_SHIFT, BIAS = int16(3), int16(0x8FFF), int16(13), 2.0**112
else:
    HIGH_SHIFT, HIGH_MASK, LOW_SHIFT, BIAS = int16(6), int16(0x81FF), int16(10), 2.0**1008
LANES = itemsize // 2
EXPONENT = int16(0x7C00)


class Kernel:
    chunk = None

    def __init__(self, plan, reader):
        table = palette_values(plan.layers)
        self.most = temporary(plan)
        buffer = bytearray(max(plan.chunk_values, table) * itemsize)
        self.weights = np.frombuffer(buffer, dtype=FLOAT)
        self.lanes = np.frombuffer(buffer, dtype=np.int16)
        self.sums = zeros(max(plan.strip, self.most))
        self.palette = zeros(table) if table else None
        self.positions = array("H", bytes(2 * plan.max_values))

    def plane(self, channels, size):
        return zeros((channels, size))

    def vector(self, n):
        return zeros(n)

    def flat(self, plane):
        return memoryview(plane.data[0])

    def floats(self, vector, index):
        """Return a layer's output as numbers."""
        return vector

    def row(self, plane, c, index):
        at = index * plane.pitch + plane.inset
        return plane.data[c][at : at + plane.cols]

    def clear(self, plane, first, rows=1):
        plane.data[:, first * plane.pitch : (first + rows) * plane.pitch] = 0.0

    def slide(self, plane, rows):
        flat = memoryview(plane.data.reshape((plane.channels * plane.size,)))
        skip, n = rows * plane.pitch, 2 * plane.pitch
        for at in range(0, len(flat), plane.size):
            flat[at : at + n] = flat[at + skip : at + skip + n]

    flatten = flatten_rows

    def _decode(self, chunk, buffer):
        """Decode all values of the chunk into self.weights."""
        if not chunk.layer.palette:
            return self._decode_halves(chunk, buffer, chunk.values, chunk.n_values)
        if chunk.first == 0:
            self._decode_halves(chunk, buffer, chunk.palette, len(self.palette))
            memoryview(self.palette)[:] = memoryview(self.weights)[: len(self.palette)]
        self._look_up(buffer, chunk.values, chunk.n_values)

    def _look_up(self, buffer, at, n):
        """Look up the palette's values of the n indices from byte `at` on, into self.weights."""
        weights, palette = memoryview(self.weights), memoryview(self.palette)
        if not take:
            for i in range(n):
                weights[i] = palette[buffer[at + i]]
            return
        some = self.most // 2  # take() turns the indices into machine words
        for i in range(0, n, some):
            stop = min(i + some, n)
            indices = np.frombuffer(memoryview(buffer)[at + i : at + stop], dtype=np.uint8)
            weights[i:stop] = memoryview(take(self.palette, indices))

    def _decode_halves(self, chunk, buffer, at, n):
        """Decode n float16 values from byte `at` into self.weights, exactly, without a loop over them."""
        view, most = memoryview(buffer), self.most * LANES
        for i in range(0, n, most):
            stop = min(i + most, n)
            bits = np.frombuffer(view[at + 2 * i : at + 2 * stop], dtype=np.int16)
            if np.max(np.bitwise_and(bits, EXPONENT)) == 0x7C00:
                raise chunk.error("a weight is infinite or NaN")
            lanes = self.lanes[i * LANES : stop * LANES]
            lanes[:] = 0
            high, low = lanes[LANES - 1 :: LANES], lanes[LANES - 2 :: LANES]
            high += np.bitwise_and(np.right_shift(bits, HIGH_SHIFT), HIGH_MASK)
            low += np.left_shift(bits, LOW_SHIFT)
            weights = self.weights[i:stop]
            weights *= BIAS

    strip = take_strip

    def conv(self, chunk, buffer):
        src, dst, first, stop = self.next_strip
        self._decode(chunk, buffer)
        rows = self._rows_at_once(chunk.layer, src.pitch)
        if chunk.layer.code:
            self._conv_sparse(chunk, buffer, src, dst, first, stop, rows)
        else:
            for y in range(first, stop, rows):
                self._conv_dense(chunk, buffer, src, dst, y, min(rows, stop - y))

    def _rows_at_once(self, layer, pitch):
        """Return the rows of a temporary: whole groups of the pool if there is room for one."""
        rows = self.most // pitch
        return rows - rows % layer.pool_rows or rows

    def _corner(self, src, dst, y):
        """Return the place, in a channel of src, of the upper left neighbour of row y's first pixel."""
        return (y - 1 - src.top) * src.pitch + dst.first * dst.step - 1 - src.left

    def _conv_dense(self, chunk, buffer, src, dst, y, rows):
        """Compute rows y..y+rows-1 of all filters, as many filters at once as a temporary holds."""
        x, pitch, corner = src.data, src.pitch, self._corner(src, dst, y)
        size, n = rows * pitch, (rows - 1) * pitch + dst.cols * dst.step
        filters = max(1, self.most // size)
        weights = self.weights[: chunk.n_values].reshape((chunk.filters, chunk.layer.taps))
        for first in range(0, chunk.filters, filters):
            w = weights[first : first + filters]
            sums = self.sums[: len(w) * size].reshape((len(w), size))
            inside = sums[:, :n]
            inside[:, :] = 0.0
            for tap in range(9):
                at = corner + tap // 3 * pitch + tap % 3
                inside += np.dot(w[:, tap::9], x[:, at : at + n])
            for i in range(len(w)):
                self._store(chunk, buffer, sums[i], dst, first + i, y, rows)

    def _conv_sparse(self, chunk, buffer, src, dst, first, stop, rows):
        pitch, position_at, value = src.pitch, chunk.positions, 0
        n = (stop - first - 1) * pitch + dst.cols * dst.step
        for f in range(chunk.filters):
            count = chunk.count(buffer, f)
            position_at = unpack(chunk, buffer, position_at, count, self.positions)
            self._add_taps(self.sums[:n], src, self._corner(src, dst, first), value, count)
            value += count
            for y in range(first, stop, rows):
                some = min(rows, stop - y)
                self._store(chunk, buffer, self.sums[(y - first) * pitch : (y - first + some) * pitch], dst, f, y, some)

    def _add_taps(self, total, src, corner, value, count):
        """Compute total = sum of weight * slice, kept divided by the last weight so that each tap is two operations in place."""
        x, pitch, n, last = src.data, src.pitch, len(total), 0.0
        weights = memoryview(self.weights)
        for i in range(count):
            channel, tap = divmod(self.positions[i], 9)
            weight = weights[value + i]
            if not weight:
                continue
            at = corner + tap // 3 * pitch + tap % 3
            part = x[channel][at : at + n]
            if last:
                total *= last / weight
                total += part
            else:
                memoryview(total)[:] = memoryview(part)
            last = weight
        if last:
            total *= last
        else:
            total[:] = 0.0

    def _store(self, chunk, buffer, sums, dst, f, y, rows):
        """Apply pool, bias and ReLU to a filter's rows y..y+rows-1 and store them in the plane that the next layer reads.

        Rounded addition keeps the order of two values, so the bias may come after the pool.
        """
        layer, step, columns = chunk.layer, dst.step, dst.cols * dst.step
        sums = sums.reshape((rows, len(sums) // rows))
        values = sums[:, 0:columns:step]
        for i in range(1, step):
            values = np.maximum(values, sums[:, i:columns:step])
        bias = chunk.bias(buffer, f)
        if layer.activation == RELU:
            values = np.maximum(values, -bias)
        values += bias
        pool, at = layer.pool_rows, y // layer.pool_rows - dst.top
        out = dst.data[chunk.first + f].reshape((dst.rows, dst.pitch))[:, dst.inset : dst.inset + dst.cols]
        if y % pool or rows % pool:
            return self._store_rows(values, out, pool, y, at)
        pooled = values[0::pool]
        for i in range(1, pool):
            pooled = np.maximum(pooled, values[i::pool])
        out[at : at + rows // pool] = pooled

    def _store_rows(self, values, out, pool, y, at):
        """Store rows that are not whole groups of the pool: the maximum of each and what its group has so far."""
        for i in range(len(values)):
            row = values[i : i + 1]
            to = at + (y % pool + i) // pool
            if (y + i) % pool:
                row = np.maximum(row, out[to : to + 1])
            out[to : to + 1] = row

    def dense(self, chunk, buffer, x, y):
        self._decode(chunk, buffer)
        weights, values = memoryview(self.weights), memoryview(x)
        position_at, value = chunk.positions, 0
        for f in range(chunk.filters):
            n = chunk.count(buffer, f)
            if chunk.layer.code:
                position_at = unpack(chunk, buffer, position_at, n, self.positions)
                total = 0.0
                for i in range(n):
                    total += weights[value + i] * values[self.positions[i]]
            else:
                total = np.dot(self.weights[value : value + n], x)
            y[chunk.first + f] = total + chunk.bias(buffer, f)
            value += n


class Spectrogram:
    """ulab's own transform, from 6.6 on: earlier ones take no memory to work in."""

    @staticmethod
    def bytes(n):
        return 2 * itemsize * n

    def __init__(self, n):
        self.scratch = zeros(2 * n)

    def power(self, frame, out):
        """Write the squared spectrum of a frame of n values to out."""
        spectrogram(frame, scratchpad=self.scratch, out=out)
        out *= out


class Transform:
    """The same in place, by slices: a textbook radix-2 FFT, decimation in frequency. Overwrites the frame."""

    @staticmethod
    def bytes(n):
        """Return the bytes of the imaginary part, half a cosine and a sine, and the bit-reversed places."""
        return itemsize * 2 * n + n + 2

    def __init__(self, n):
        self.n = n
        self.imaginary = zeros(n)
        self.cos, self.sin = circle(n, n // 2), circle(n, n // 2, -math.pi / 2)
        self.places = array("H", [0] * (n // 2 + 1))
        for i in range(n // 2):
            self.places[i + 1] = self.following(self.places[i])

    def following(self, place):
        """Return the next place in bit-reversed order: adds 1 to the highest bit, and carries downwards."""
        bit = self.n // 2
        while place & bit:
            place ^= bit
            bit //= 2
        return place | bit

    def power(self, frame, out):
        n, re, im = self.n, frame, self.imaginary
        im[:] = 0.0
        half = n // 2
        while half:
            whole, halves = (n // 2 // half, 2 * half), (n // 2 // half, half)
            work = out[: n // 2].reshape(halves), out[n // 2 :].reshape(halves)
            self._stage(re.reshape(whole), im.reshape(whole), half, work)
            half //= 2
        re *= re
        im *= im
        re += im
        power, values, places = memoryview(out), memoryview(re), self.places
        for i in range(len(places)):
            power[i] = values[places[i]]

    def _stage(self, re, im, half, work):
        """Turn (a, b) into (a + b, (a - b) * w) in each row's halves. work: two arrays of their size."""
        step = self.n // 2 // half
        cos, sin = self.cos[::step], self.sin[::step]
        for x, turned in ((re, work[0]), (im, work[1])):
            a, b = x[:, :half], x[:, half:]
            a += b
            b *= -2.0
            b += a
            turned[:, :] = 0.0
            turned += b
            turned *= sin
            b *= cos
        b = re[:, half:]
        b += work[1]
        b = im[:, half:]
        b -= work[0]


def circle(n, count, phase=0.0):
    """Return cos(2 pi k / n + phase) for k = 0..count-1."""
    values = zeros(count)
    for k in range(count):
        values[k] = math.cos(2 * math.pi * k / n + phase)
    return values


def transform():
    """Return the class whose power() this firmware runs: NumPy and ulab before 6.6 have no spectrogram that takes memory."""
    try:
        spectrogram(zeros(4), scratchpad=zeros(8), out=zeros(4))
    except TypeError:
        return Transform
    return Spectrogram


TRANSFORM = transform()


class Spectrum:
    """Power spectrum of Hann-windowed frames of int16 samples."""

    def __init__(self, n_fft):
        self.n = n_fft
        self.hann = circle(n_fft, n_fft)
        self.hann *= -0.5 / 32768
        self.hann += 0.5 / 32768
        self.frame = zeros(n_fft)
        self.out = zeros(n_fft)
        self.transform = TRANSFORM(n_fft)

    def compute(self, pcm, start):
        """Compute the power (samples in [-1, 1]) of the frame that begins at sample `start`; samples outside pcm are zero."""
        first, last = max(start, 0), min(start + self.n, len(pcm))
        frame = self.frame
        frame[:] = 0.0
        if first < last:
            inside = frame[first - start : last - start]
            inside += np.frombuffer(memoryview(pcm)[first:last], dtype=np.int16)
        frame *= self.hann
        self.transform.power(frame, self.out)

    def dot(self, first, count, weights, at):
        """Return the sum of power[first + i] * weights[at + i]."""
        if not count:
            return 0.0
        return np.dot(self.out[first : first + count], weights[at : at + count])

    def table(self, values):
        """Return weights in the form that dot() takes."""
        return np.frombuffer(values, dtype=FLOAT) if itemsize == 4 and len(values) else np.array(values, dtype=FLOAT)

    def power(self, k):
        return self.out[k]


class FrontEnd(LogMel):
    def __init__(self, reader, work=None):
        super().__init__(reader.frontend, Spectrum(reader.frontend.n_fft))
