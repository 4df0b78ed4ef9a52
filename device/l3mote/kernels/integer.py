"""Shared by the integer kernels: planes of int16 and scales. loops.py adds the loops that the C kernel has itself."""

import struct
from array import array

from l3mote.format import RELU, align
from l3mote.kernels import flatten_rows

itemsize = 2
PLANES = "<5i"  # planes_t in C, and viper's p: channels size pitch first rows
LEVEL_OFFSET = 42  # doublings of power subtracted from a level, so that every level fits int16


def plane_bytes(channels, size):
    return 2 * channels * size


def workspace(plan):
    """Return the bytes of one filter's (offset, weight) pairs, and of the rows of its strip before the pool."""
    return 8 * plan.max_values + align(2 * plan.strip)


def frontend_bytes(fe):
    """Return the bytes of a frame's DFT, powers and their shifts; the tables are in the file's FIXED section."""
    bins = fe.n_fft // 2 + 1
    return 4 * (fe.n_fft + bins + (bins + 3) // 4)


class Integer:
    """Base of the integer kernels. Subclasses provide clear_rows, slide_rows, conv, dense and _make_workspace.

    A plane is any buffer, whose items may be bytes (its own) or int16 (in the window): only struct and native code touch it.
    """

    def __init__(self, plan, reader):
        self._make_workspace(plan)  # first, because it is large
        self.fixed = reader.fixed()
        self.filters = {}
        at, exponent, signed = 0, self.fixed.input_exponent, True
        for i, layer in enumerate(reader.layers):
            self.filters[layer.name] = (at, exponent, self.fixed.exponents[i], self.fixed.bits[i], signed)
            at += layer.outputs
            exponent = self.fixed.exponents[i]
            signed = layer.activation != RELU

    def _workspace(self, plan):
        """Return the workspace, before the chunk in one buffer.

        Between steps the front-end works there, from its beginning on; a palette, which stays for a layer's chunks, is behind that.
        """
        self.work = memoryview(bytearray(plan.kernel_bytes + plan.chunk_bytes))
        self.chunk = self.work[plan.kernel_bytes :]
        return self.work[: plan.kernel_bytes]

    def plane(self, channels, size):
        return bytearray(2 * channels * size)

    def vector(self, n):
        return array("h", bytes(2 * n))

    def flat(self, plane):
        return plane.data

    def floats(self, vector, index):
        """Return a layer's integers as numbers."""
        unit = 2.0 ** -self.fixed.exponents[index]
        values = array("f", bytes(4 * len(vector)))  # not a list: a full heap has no room for one of EdgeL3's 512
        for i in range(len(vector)):
            values[i] = vector[i] * unit
        return values

    def row(self, plane, c, index):
        at = 2 * (c * plane.size + index * plane.pitch + plane.inset)
        return struct.unpack_from("<%dh" % plane.cols, plane.data, at)

    def clear(self, plane, first, rows=1):
        self._take_rows(plane, first, rows)
        self.clear_rows(plane.data, self.part)

    def slide(self, plane, rows):
        self._take_rows(plane, rows, 2)
        self.slide_rows(plane.data, self.part)

    def _take_rows(self, plane, first, rows):
        part = self.part  # planes_t in C, and viper's p: channels size pitch first rows
        part[0], part[1], part[2] = plane.channels, plane.size, plane.pitch
        part[3], part[4] = first, rows

    flatten = flatten_rows

    def _limits(self, layer):
        _, _, _, bits, signed = self.filters[layer.name]
        return 0 if layer.activation == RELU else -(1 << bits), (1 << bits) - 1, signed
