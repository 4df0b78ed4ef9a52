"""Decode every weight of a file: the slow, complete check that tools and tests make and a board need not."""

import math
from array import array

from l3mote.format import CHUNK_BYTES, LAYER_BYTES, PALETTE_BYTES, SELFTEST_BYTES, FormatError, finite, half
from l3mote.positions import unpack


def filters(reader, layer, buffer):
    """Yield (filter, bias, positions, values) for every filter of a layer, decoded."""
    positions = array("H", bytes(2 * layer.taps))
    for i in range(layer.taps):
        positions[i] = i
    for chunk in reader.chunks(layer, buffer):
        if layer.palette and chunk.first == 0:
            check_palette(reader, layer, chunk, buffer)
        value_at, position_at = chunk.values, chunk.positions
        for f in range(chunk.filters):
            n = chunk.count(buffer, f)
            if layer.code:
                position_at = unpack(chunk, buffer, position_at, n, positions)
            values = array("f", bytes(4 * n))
            for i in range(n):
                try:
                    values[i] = half(chunk.bits(buffer, value_at))
                except ValueError as e:
                    raise chunk.error("weight %d of filter %d is %s: not a normal number" % (i, chunk.first + f, e))
                if layer.code and not values[i]:
                    raise chunk.error("weight %d of filter %d is zero: a sparse layer has none" % (i, chunk.first + f))
                value_at += layer.value_bytes
            yield chunk.first + f, chunk.bias(buffer, f), positions[:n], values
        if position_at != chunk.positions + chunk.n_position_bytes:
            raise chunk.error("position bytes are left over")


def check_palette(reader, layer, chunk, buffer):
    """Raise FormatError for a palette value that no weight may have."""
    for i in range(0, PALETTE_BYTES, 2):
        at = chunk.palette + i
        problem = None
        try:
            if not half(buffer[at] | buffer[at + 1] << 8) and layer.code:
                problem = "zero: a sparse layer has none"
        except ValueError as e:
            problem = "%s: not a normal number" % e
        if problem:
            place = reader.sections["WEIGHTS"][0] + layer.offset + CHUNK_BYTES + i
            raise FormatError("layer %s, palette value %d at byte %d is %s" % (layer.name, i // 2, place, problem))


def check_sum(fixed, i, shift, bias, values):
    """FormatError for a filter of layer i whose weights, with its shift, do not fit 16 bits, or its sum 32 (FORMAT.md)."""
    bits = fixed.bits[i - 1] if i else fixed.input_bits
    exponent = fixed.exponents[i - 1] if i else fixed.input_exponent
    weights = [integer(v, shift) for v in values]
    most = max([abs(w) for w in weights]) if weights else 0
    total = (sum([abs(w) for w in weights]) << bits) + abs(integer(bias, shift + exponent)) + (1 << 29)
    if most > 32767 or total >= 1 << 31:
        raise FormatError(
            "FIXED at byte %d: a filter of layer %d has a shift of %d, for which its weights or their sum are too large"
            % (fixed.offset, i, shift)
        )


def integer(x, shift):
    """x in units of 2^-shift, halves rounded up."""
    return math.floor(x * 2.0**shift + 0.5)


def verify(reader):
    """Decode everything, weights and texts included; raise FormatError for the first fault."""
    buffer = bytearray(reader.chunk_bytes)
    fixed, first = reader.fixed(), 0
    for i, layer in enumerate(reader.layers):
        nonzeros = 0
        for f, bias, _, values in filters(reader, layer, buffer):
            nonzeros += sum(1 for v in values if v)
            if fixed:
                check_sum(fixed, i, fixed.shifts[first + f], bias, values)
        first += layer.outputs
        if nonzeros != layer.nonzeros:
            at = reader.sections["LAYERS"][0] + i * LAYER_BYTES
            raise FormatError("layer %d at byte %d: nonzeros is %d, its chunks have %d" % (i, at, layer.nonzeros, nonzeros))
    for i, value in enumerate(reader.expected()):
        if not finite(value):
            at = reader.sections["SELFTEST"][0] + SELFTEST_BYTES + 4 * i
            raise FormatError("SELFTEST: expected output %d at byte %d is not finite" % (i, at))
    reader.provenance()
