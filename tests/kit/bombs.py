"""Valid files of a few kilobytes that need far more memory or work than there is."""

import struct
from binascii import crc32


def model(filters=4096, rows=1024, bins=2049) -> bytes:
    """A .l3m of one convolution of empty filters on a linear front-end: rows x bins x filters values, written without our code."""
    window, hop = 192_000, -(-192_000 // rows)
    frontend = struct.pack(
        "<IIIHHHBBffffffI", 8000, window, window, 2 * (bins - 1), hop, bins, 0, 1, 0, 4000, 1e-10, 80, 0.0125, 1, 0
    )
    chunks = b""
    for first in range(0, filters, 2048):
        n = min(2048, filters - first)
        payload = struct.pack(f"<{n}f", *[0.5] * n) + bytes(2 * n)  # biases, and how many weights each filter has
        chunks += struct.pack("<HHII", n, 0, len(payload), crc32(payload)) + payload
    layer = struct.pack(
        "<16sBBBBHHHHIIIII", b"conv1", 1, 1, 1, 0, 1, filters, -(-window // hop), bins, -(-filters // 2048), 0, len(chunks), 0, 0
    )
    test = struct.pack(f"<BBHI{filters}f", 1, 0, filters, 1, *[0.5] * filters)
    return _file(frontend, layer, bytes(2), test, b"{}", chunks)


def _file(*sections: bytes) -> bytes:
    head = 16 + 12 * len(sections)
    table = body = b""
    for i, section in enumerate(sections, 1):
        table += struct.pack("<HHII", i, 0, head + len(body), len(section))
        body += section + bytes(-len(section) % 4)
    rest = table + body
    return struct.pack("<4sHHII", b"\x89L3M", 1, len(sections), 16 + len(rest), crc32(rest)) + rest
