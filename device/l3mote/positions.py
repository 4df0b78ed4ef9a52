"""Positions of a sparse filter's values, decoded in Python: for kernels and tools that have no decoder of their own."""

from l3mote.format import BITMAP, NIBBLE_GAPS, NIBBLE_SKIP, SKIP


def unpack(chunk, buffer, at, count, out):
    """Decode `count` positions from byte `at` of a chunk into out (array of u16); return the next byte's offset. FormatError."""
    if chunk.layer.code == BITMAP:
        return unpack_bitmap(chunk, buffer, at, count, out)
    taps, end = chunk.layer.taps, chunk.positions + chunk.n_position_bytes
    nibbles = chunk.layer.code == NIBBLE_GAPS
    skip = NIBBLE_SKIP if nibbles else SKIP
    position = -1
    high = -1  # the half of a byte that is used next
    for i in range(count):
        while True:
            if high >= 0:
                gap, high = high, -1
            else:
                if at >= end:
                    raise chunk.error("positions end before the values do")
                gap = buffer[at]
                at += 1
                if nibbles:
                    gap, high = gap & 15, gap >> 4
            if gap != skip:
                break
            position += skip
        position += gap + 1
        if position >= taps:
            raise chunk.error("position %d is outside the filter of %d" % (position, taps))
        out[i] = position
    if high > 0:
        raise chunk.error("half a position byte is left over")
    return at


def unpack_bitmap(chunk, buffer, at, count, out):
    """Decode a bitmap. Its bytes are all there: the reader compared their number with the filters'."""
    n, taps = 0, chunk.layer.taps
    for first in range(0, taps, 8):
        bits, position = buffer[at], first
        at += 1
        while bits:
            if bits & 1:
                if n == count or position >= taps:
                    raise chunk.error("a bitmap has more bits than its filter has values")
                out[n] = position
                n += 1
            bits >>= 1
            position += 1
    if n != count:
        raise chunk.error("a bitmap has %d bits for %d values" % (n, count))
    return at
