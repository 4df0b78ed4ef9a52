"""Graph -> .l3m bytes: the only writer. FORMAT.md says every byte."""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Iterable, Sequence
from io import BytesIO

import numpy as np

from l3host.errors import L3Error
from l3host.graph.fixed_point import FixedPoint
from l3host.graph.half import rounded, to_half
from l3host.graph.network import ACTIVATIONS, Conv, Graph
from l3host.l3m import selftest_signal
from l3host.reference import fixed_mel, fixed_point, floats
from l3host.text import clean
from l3mote import format as fmt
from l3mote.reader import Reader


def filters(layer) -> np.ndarray:
    """Return the weights as (filter, taps) in the file's index order: channel, row = time, column = band for a convolution."""
    if isinstance(layer, Conv):
        return np.ascontiguousarray(layer.kernel.transpose(3, 2, 1, 0)).reshape(layer.kernel.shape[3], -1)
    return np.ascontiguousarray(layer.kernel.T)


def gaps(positions: np.ndarray, skip: int) -> np.ndarray:
    """Encode the gaps between ascending positions as numbers up to `skip`, which moves on that many places without a value."""
    gap = np.diff(positions, prepend=-1) - 1
    codes = np.full(int((gap // skip + 1).sum()), skip, np.uint8)
    codes[np.cumsum(gap // skip + 1) - 1] = gap % skip
    return codes


def position_bytes(row: np.ndarray, code: int) -> bytes:
    """Encode where a filter's non-zeros are, in one of the sparse position codes."""
    if code == fmt.BITMAP:
        return np.packbits(row != 0, bitorder="little").tobytes()
    positions = np.flatnonzero(row)
    if code == fmt.BYTE_GAPS:
        return gaps(positions, fmt.SKIP).tobytes()
    nibbles = gaps(positions, fmt.NIBBLE_SKIP)
    nibbles = np.append(nibbles, np.zeros(len(nibbles) % 2, np.uint8))
    return (nibbles[0::2] | nibbles[1::2] << 4).tobytes()


Part = tuple[bytes, bytes, bytes, bytes]


def _filter_parts(row: np.ndarray, bias: float, code: int, palette: np.ndarray | None) -> Part:
    """Return (bias, count, values, positions) of one filter as bytes."""
    values = row if code == fmt.ALL else row[row != 0]
    data = values.tobytes()
    if palette is not None:
        data = np.searchsorted(palette, values.view(np.uint16)).astype(np.uint8).tobytes()
    if code == fmt.ALL:
        return struct.pack("<f", bias), b"", data, b""
    return struct.pack("<f", bias), struct.pack("<H", len(values)), data, position_bytes(row, code)


def _chunk(parts: list[Part]) -> bytes:
    payload = b"".join(b"".join(column) for column in zip(*parts, strict=True))
    payload += bytes(-len(payload) % 4)
    if len(payload) > fmt.CHUNK_LIMIT:
        raise L3Error(f"one filter takes {len(payload)} bytes, a chunk holds {fmt.CHUNK_LIMIT}")
    n_positions = sum(len(part[3]) for part in parts)
    return struct.pack(fmt.CHUNK, len(parts), n_positions, len(payload), crc32(payload)) + payload


def _palette(rows: np.ndarray, code: int) -> np.ndarray:
    """Return the values that a layer's palette has to hold, as ascending float16 bits. Raises L3Error if they are too many."""
    values = np.flatnonzero(np.bincount(rows.view(np.uint16).ravel()))
    values = values if code == fmt.ALL else values[values != 0]
    most = fmt.PALETTE_BYTES // 2
    if not 1 <= len(values) <= most:
        raise L3Error(f"{len(values)} different weights, a palette has 1 to {most}: quantise them first")
    return values.astype(np.uint16)


def _palette_chunk(values: np.ndarray) -> bytes:
    payload = np.pad(values, (0, fmt.PALETTE_BYTES // 2 - len(values)), "edge").tobytes()
    return struct.pack(fmt.CHUNK, 0, 0, len(payload), crc32(payload)) + payload


def _chunks(rows: np.ndarray, bias: np.ndarray, encoding: int) -> list[bytes]:
    """Return a layer's chunks. Raises L3Error where the encoding cannot hold it."""
    code = encoding & 15
    palette = _palette(rows, code) if encoding & fmt.PALETTE else None
    chunks = [] if palette is None else [_palette_chunk(palette)]
    parts: list = []
    size = 0
    for row, b in zip(rows, bias, strict=True):
        part = _filter_parts(row, float(b), code, palette)
        part_size = sum(map(len, part))
        if parts and size + part_size > fmt.CHUNK_TARGET:
            chunks.append(_chunk(parts))
            parts, size = [], 0
        parts.append(part)
        size += part_size
    return chunks + [_chunk(parts)]


def _encode(layer, encodings: Iterable[int]) -> tuple[int, list[bytes], int]:
    """Return the smallest of the encodings that can hold the layer: (encoding, chunks, non-zeros)."""
    rows, _ = to_half(filters(layer))
    candidates, problems = [], []
    for encoding in encodings:
        try:
            candidates.append((encoding, _chunks(rows, layer.bias, encoding)))
        except L3Error as e:
            problems.append(e)
    if not candidates:
        raise problems[0]
    encoding, chunks = min(candidates, key=lambda c: sum(map(len, c[1])))
    return encoding, chunks, int(np.count_nonzero(rows))


def _layers_and_weights(graph: Graph, encodings: Sequence[tuple[int, ...]]) -> tuple[bytes, bytes]:
    records, weights = [], bytearray()
    for layer, allowed in zip(graph.layers, encodings, strict=True):
        try:
            encoding, chunks, nonzeros = _encode(layer, allowed)
        except L3Error as e:
            raise L3Error(f"layer {layer.name}: {e}") from None
        pool = layer.pool if isinstance(layer, Conv) else (1, 1)
        if clean(layer.name) != layer.name:
            raise L3Error(f"layer {layer.name!a}: the name has control characters")
        name = layer.name.encode()
        if len(name) > 16:
            raise L3Error(f"layer {layer.name}: the name is longer than 16 bytes")
        data = b"".join(chunks)
        inputs, outputs = layer.kernel.shape[-2:]
        records.append(
            struct.pack(
                fmt.LAYER, name, fmt.CONV if isinstance(layer, Conv) else fmt.DENSE, ACTIVATIONS[layer.activation], encoding, 0,
                inputs, outputs, pool[1], pool[0], len(chunks), len(weights), len(data), nonzeros, 0,
            )
        )  # fmt: skip
        weights += data
    return b"".join(records), bytes(weights)


def _labels(graph: Graph) -> bytes:
    thresholds = graph.thresholds or [0.5] * len(graph.labels)
    if len(thresholds) != len(graph.labels):
        raise L3Error(f"{len(thresholds)} thresholds for {len(graph.labels)} labels")
    twice = next((label for i, label in enumerate(graph.labels) if label in graph.labels[:i]), None)
    if twice is not None:
        raise L3Error(f"label {twice!a} stands for two outputs: each has a label of its own")
    out = struct.pack("<H", len(graph.labels))
    for label, threshold in zip(graph.labels, thresholds, strict=True):
        if not label or clean(label) != label:
            raise L3Error(f"label {label!a}: a label is text without control characters")
        text = label.encode()
        if len(text) > 255:
            raise L3Error(f"label {label[:20]}... is longer than 255 bytes")
        out += struct.pack(fmt.LABEL, fmt.NEVER if fmt.silent(label) else threshold, len(text)) + text
    return out


def _selftest(graph: Graph) -> bytes:
    pcm = selftest_signal.signal(graph.frontend.window, selftest_signal.SEED)
    expected = floats.run(graph, pcm[None] / 32768.0).output[0]
    head = struct.pack(fmt.SELFTEST, fmt.SELFTEST_NOISE, 0, len(expected), selftest_signal.SEED)
    return head + expected.astype("<f4").tobytes()


FLOAT16 = (fmt.ALL, fmt.BYTE_GAPS, fmt.NIBBLE_GAPS, fmt.BITMAP)
LOSSLESS = FLOAT16 + tuple(fmt.PALETTE + code for code in FLOAT16)  # a palette where so few values occur
ENCODINGS = {"auto": LOSSLESS, "f16": FLOAT16, "palette": LOSSLESS}


def to_bytes(graph: Graph, encoding: str | Sequence[int] = "auto") -> bytes:
    """Serialise a graph, each layer in the smallest encoding that holds it.

    encoding: "auto" loses nothing; "f16" writes no palette; "palette" quantises (half.rounded) each layer that this makes smaller,
    which a calibrated graph must be already. Or each layer's own, as the format numbers them.
    Raises L3Error for anything the format cannot hold (overflow, NaN, shapes that do not chain up).
    """
    graph.check()
    if isinstance(encoding, str) and encoding not in ENCODINGS:
        raise L3Error(f"unknown encoding {encoding!r}: choose from {', '.join(ENCODINGS)}")
    held = rounded(graph, encoding if isinstance(encoding, str) else "auto")
    if graph.fixed and not held.fixed:
        raise L3Error("the fixed-point scales were measured without palettes: convert with --encoding palette --calibrate")
    encodings = [ENCODINGS[encoding]] * len(graph.layers) if isinstance(encoding, str) else [(e,) for e in encoding]
    try:
        data = assemble(_sections(held, encodings))
        Reader(BytesIO(data))
    except (fmt.FormatError, struct.error, OverflowError) as e:
        raise L3Error(f"the format cannot hold this network: {e}") from None
    return data


def _sections(graph: Graph, encodings: Sequence[tuple[int, ...]]) -> list[bytes]:
    layers, weights = _layers_and_weights(graph, encodings)
    values = [getattr(graph.frontend, name) for name in fmt.Frontend.FIELDS]
    provenance = json.dumps(graph.provenance, ensure_ascii=False, sort_keys=True).encode()
    if len(provenance) > fmt.MAX_TEXT:
        raise L3Error(f"provenance of {len(provenance)} bytes: at most {fmt.MAX_TEXT}")
    sections = [struct.pack(fmt.FRONTEND, *values, 0), layers, _labels(graph), _selftest(graph), provenance, weights]
    return sections + ([_fixed(graph, graph.fixed)] if graph.fixed else [])


def _check(graph: Graph, scales: FixedPoint) -> int:
    """Return the CRC-32 of the last layer's integers for the self-test's signal, in the device's order."""
    pcm = selftest_signal.signal(graph.frontend.window, selftest_signal.SEED)
    integers = fixed_point.run(graph, scales, pcm[None]).flat[0]
    return crc32(integers.astype("<i2").tobytes())


def _fixed(graph: Graph, scales: FixedPoint) -> bytes:
    """Return the FIXED section of a calibrated graph."""
    t, s = scales.tables, scales.scale
    out = struct.pack(
        fmt.FIXED, scales.input_exponent, scales.input_bits, fixed_mel.frame_bits(graph.frontend), s.shift,
        s.floor, s.factor, s.offset, len(t.weights), t.silence, _check(graph, scales),
    )  # fmt: skip
    out += b"".join(struct.pack(fmt.FIXED_LAYER, layer.exponent, layer.bits) for layer in scales.layers)
    out += b"".join(layer.shifts.astype(np.int8).tobytes() for layer in scales.layers)
    out += bytes(-len(out) % 4) + t.cos.astype("<i4").tobytes()
    return out + b"".join(a.astype("<u2").tobytes() for a in (t.hann, t.log2, t.first, t.count, t.weights))


def assemble(sections: list[bytes]) -> bytes:
    """Return the header, section table and the six sections' bytes, aligned and with their CRC."""
    table, body = b"", b""
    start = fmt.HEADER_BYTES + fmt.SECTION_BYTES * len(sections)
    for kind, data in enumerate(sections, 1):
        table += struct.pack(fmt.SECTION, kind, 0, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    rest = table + body
    header = struct.pack(fmt.HEADER, fmt.MAGIC, fmt.FORMAT_VERSION, len(sections), fmt.HEADER_BYTES + len(rest), crc32(rest))
    return header + rest
