"""The FIXED section: power-of-two scales, tables of the integer front-end (FORMAT.md, host/l3host/reference/fixed_point.py)."""

import struct
from array import array

from l3mote import format as fmt
from l3mote.format import FormatError, align, log2

MOST_WEIGHTS = 1 << 24  # sum of a band's weights: times 32767 and divided by 256 it stays below 2^31


class Fixed:
    """Scales and tables of a calibrated model.

    input_exponent, input_bits: of the network's input. exponents, bits: of each layer's output. shifts: of every filter, layer
    after layer. scale: (floor, factor, offset, shift) from levels to the input; silence: the least level. check: CRC-32 of the
    last layer's integers (int16, little-endian) for the self-test's signal. cos, hann, log2, first, count, weights: tables.
    """

    def __init__(self, reader, offset, data):
        self.offset = offset
        fields = struct.unpack_from(fmt.FIXED, data, 0)
        self.input_exponent, self.input_bits, self.frame_bits = fields[:3]
        self.scale = array("i", (fields[4], fields[5], fields[6], fields[3]))
        n_weights, self.silence, self.check = fields[7:]
        fe, layers = reader.frontend, reader.layers
        parts = self._layout(fe, layers, n_weights)
        if len(data) != parts[-1]:
            raise self.error("%d bytes, its tables take %d" % (len(data), parts[-1]))
        self._read_scales(data, layers)
        self.cos = numbers(data, "i", parts[0], parts[1])
        self.hann = numbers(data, "H", parts[1], parts[2])
        self.log2 = numbers(data, "H", parts[2], parts[3])
        self.first = numbers(data, "H", parts[3], parts[4])
        self.count = numbers(data, "H", parts[4], parts[5])
        self.weights = numbers(data, "H", parts[5], parts[5] + 2 * n_weights)
        self._check(fe, layers, n_weights)

    def _layout(self, fe, layers, n_weights):
        """Offsets of cos, hann, log2, first, count, weights, and the end."""
        at = align(fmt.FIXED_BYTES + fmt.FIXED_LAYER_BYTES * len(layers) + sum([layer.outputs for layer in layers]))
        parts = [at]
        for size in (4 * (fe.n_fft // 4 + 1), fe.n_fft + 2, 2 * fmt.LOG2_ENTRIES, 2 * fe.bands, 2 * fe.bands, 2 * n_weights):
            at += size
            parts.append(at)
        return parts

    def _read_scales(self, data, layers):
        at = fmt.FIXED_BYTES
        self.exponents, self.bits = array("b"), array("B")
        for _ in layers:
            exponent, bits = struct.unpack_from(fmt.FIXED_LAYER, data, at)
            self.exponents.append(exponent)
            self.bits.append(bits)
            at += fmt.FIXED_LAYER_BYTES
        self.shifts = numbers(data, "b", at, at + sum([layer.outputs for layer in layers]))

    def _check(self, fe, layers, n_weights):
        if not 8 <= self.input_bits <= 15 or self.frame_bits != 28 - log2(fe.n_fft) or not 0 <= self.scale[3] <= 24:
            raise self.error("an input scale is out of range")
        if self.silence >= 0:
            raise self.error("silence is %d, must be negative" % self.silence)
        if sum(self.count) != n_weights:
            raise self.error("counts add up to %d, there are %d weights" % (sum(self.count), n_weights))
        for first, count in zip(self.first, self.count):
            if first + count > fe.n_fft // 2 + 1:
                raise self.error("a band ends at bin %d of %d" % (first + count, fe.n_fft // 2 + 1))
        at = 0
        for band, count in enumerate(self.count):
            total = sum([self.weights[i] for i in range(at, at + count)])
            if total >= MOST_WEIGHTS:
                raise self.error("the weights of band %d add up to %d, at most %d fit" % (band, total, MOST_WEIGHTS - 1))
            at += count
        at, exponent = 0, self.input_exponent
        for i, layer in enumerate(layers):
            for shift in self.shifts[at : at + layer.outputs]:
                if not (0 <= exponent + shift - self.exponents[i] <= 30 and -30 <= shift <= 30 and 8 <= self.bits[i] <= 15):
                    raise self.error("scales of layer %s are out of range" % layer.name)
            at += layer.outputs
            exponent = self.exponents[i]

    def error(self, what):
        return FormatError("FIXED at byte %d: %s" % (self.offset, what))


def numbers(data, typecode, start, stop):
    """Return bytes start..stop-1 as an array of little-endian numbers: every board that this runs on is little-endian."""
    return array(typecode, data[start:stop])
