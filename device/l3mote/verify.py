"""Decode every weight of a file: the slow, complete check that tools and tests make and a board need not."""

from array import array

from l3mote.format import SPARSE_F16, FormatError, finite, half


def filters(reader, layer, buffer):
    """Yield (filter, bias, positions, values) for every filter of a layer, decoded."""
    positions = array("H", bytes(2 * layer.taps))
    for i in range(layer.taps):
        positions[i] = i
    for chunk in reader.chunks(layer, buffer):
        value_at, position_at = chunk.values, chunk.positions
        for f in range(chunk.filters):
            n = chunk.count(buffer, f)
            if layer.encoding == SPARSE_F16:
                position_at = chunk.unpack_positions(buffer, position_at, n, positions)
            values = array("f", bytes(4 * n))
            for i in range(n):
                try:
                    values[i] = half(buffer[value_at] | buffer[value_at + 1] << 8)
                except ValueError as e:
                    raise chunk.error("weight %d of filter %d is %s: not a normal number" % (i, chunk.first + f, e))
                value_at += 2
            yield chunk.first + f, chunk.bias(buffer, f), positions[:n], values
        if position_at != chunk.positions + (chunk.n_position_bytes if layer.encoding == SPARSE_F16 else 0):
            raise chunk.error("position bytes are left over")


def verify(reader):
    """Decode everything, weights and texts included; raise FormatError at the first thing that is wrong."""
    buffer = bytearray(reader.chunk_bytes)
    for layer in reader.layers:
        nonzeros = 0
        for _, _, _, values in filters(reader, layer, buffer):
            nonzeros += sum(1 for v in values if v)
        if nonzeros != layer.nonzeros:
            raise FormatError("layer %s: nonzeros says %d, its chunks have %d" % (layer.name, layer.nonzeros, nonzeros))
    for value in reader.expected():
        if not finite(value):
            raise FormatError("SELFTEST: an expected output is not finite")
    for i, value in enumerate(reader.thresholds):
        if not finite(value):
            raise FormatError("LABELS: threshold %d is not finite" % i)
    reader.provenance()
