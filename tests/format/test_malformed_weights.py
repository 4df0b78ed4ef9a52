"""One test for each way that WEIGHTS can be malformed, and for files that change under an open reader."""

import math
import re
import struct

import models
import numpy as np
import pytest
from malform import BAD_HALVES, HEADS, SMALL, TINY, Shrinking, refused, refused_behind_crc, resized
from models import at, chunk_at, layer_at, poke, seal

from l3host.errors import L3Error
from l3host.l3m.load import load_graph
from l3mote.format import FormatError
from l3mote.model import Model
from l3mote.reader import Reader
from l3mote.verify import verify

# -- WEIGHTS: chunk headers


@pytest.mark.parametrize("filters", [0, 1, 3, 65535])
def test_chunk_filters(filters):
    place = chunk_at(TINY)
    refused_behind_crc(poke(TINY, place, "H", filters), "layer conv1, chunk at byte", place)


def test_chunk_has_positions_although_dense():
    place = chunk_at(TINY)
    refused_behind_crc(poke(TINY, place + 2, "H", 1), "layer conv1, chunk at byte .*does not fit 2 filters", place)


@pytest.mark.parametrize("payload", [0, 40, 42, 48, 16388, 0x7FFFFFFC, 0xFFFFFFFC])
def test_chunk_payload(payload):
    place = chunk_at(TINY)
    data = seal(poke(TINY, place + 4, "I", payload), chunks=False)
    refused(data, f"layer conv1, chunk at byte {place}: .*payload of {payload} bytes", place)


def test_chunk_larger_than_the_limit():
    """A payload that the file has room for, and yet more than a reader's buffer ever is."""
    payload = bytes(16388)
    weights = struct.pack("<HHII", 2, 0, len(payload), 0) + payload
    parts = models.split(TINY)
    parts[1] = bytes(poke(parts[1], 36, "I", len(weights)))
    parts[5] = weights
    refused(models.join(parts), "layer conv1, chunk at byte 220: 2 filters, payload of 16388 bytes", 220)


def test_chunk_missing():
    """The layer promises two chunks and has bytes for one."""
    refused(seal(poke(TINY, layer_at(TINY, 0, 28), "I", 2)), "layer conv1: chunk header at byte 276 is outside the layer", 276)


def test_chunks_hold_too_few_filters():
    """Two chunks where the layer promises one."""
    weights = models.split(TINY)[5]
    parts = models.split(TINY)
    parts[1] = bytes(poke(parts[1], 36, "I", 2 * len(weights)))
    parts[5] = 2 * weights
    refused(models.join(parts), "layer conv1: chunks hold 2 of 2 filters and end at byte 276, not 332", 276)


def test_chunk_crc():
    place = chunk_at(TINY)
    data = seal(poke(TINY, place + 8, "I", 0), chunks=False)
    refused(data, f"layer conv1, chunk at byte {place + 12}: crc32 differs", place + 12)


def test_chunk_damaged():
    place = chunk_at(TINY, 0, 20)
    data = seal(poke(TINY, place, "H", 0x3C00), chunks=False)
    refused(data, "layer conv1, chunk at byte .* crc32 differs", chunk_at(TINY, 0, 12))


def test_chunk_padding():
    data, place = odd_sparse()
    refused_behind_crc(poke(data, place - 1, "B", 1), "padding at its byte .* is not zero")


def odd_sparse():
    """A file whose first chunk is sparse and padded, and where that chunk ends."""
    for seed in range(20):
        data = bytes(models.data(models.classifier(seed), [1, 1, 0]))
        filters, positions, payload = struct.unpack_from("<HHI", data, chunk_at(data))
        counts = struct.unpack_from(f"<{filters}H", data, chunk_at(data, 0, 12 + 4 * filters))
        if 6 * filters + 2 * sum(counts) + positions < payload:
            return data, chunk_at(data, 0, 12 + payload)
    raise AssertionError("no seed gives padding")


# -- WEIGHTS: values


@pytest.mark.parametrize("bits", BAD_HALVES)
def test_weight_not_a_normal_number(bits):
    data = poke(TINY, chunk_at(TINY, 0, 22), "H", bits)
    refused_behind_crc(data, rf"weight 1 of filter 0 is 0x{bits:04x}: not a normal number", chunk_at(TINY, 0, 12))


@pytest.mark.parametrize("bits", BAD_HALVES)
def test_weight_not_a_normal_number_is_refused_by_the_loader_too(bits, tmp_path):
    path = tmp_path / "file.l3m"
    path.write_bytes(seal(poke(TINY, chunk_at(TINY, 0, 22), "H", bits)))
    with pytest.raises(L3Error, match="a weight is not a normal number"):
        load_graph(str(path))


@pytest.mark.parametrize("name", models.FLOAT_KERNELS)
@pytest.mark.parametrize("bits", BAD_HALVES[:3])
def test_weight_not_finite_is_refused_by_the_kernels_too(name, bits):
    model = Model(models.stream(seal(poke(TINY, chunk_at(TINY, 0, 22), "H", bits))), kernel=name)
    with pytest.raises(FormatError, match="layer conv1, chunk at byte 232"):
        model.run()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_bias_not_finite(value):
    data = poke(TINY, chunk_at(TINY, 0, 16), "f", value)
    refused_behind_crc(data, "layer conv1, chunk at byte .*: bias of filter 1 is not finite", chunk_at(TINY, 0, 12))


def sparse_layer():
    """HEADS and the offsets of its hidden layer's counts, values and positions (3 filters of 12 inputs, some empty)."""
    place = chunk_at(HEADS, 1)
    filters = struct.unpack_from("<H", HEADS, place)[0]
    counts = place + 12 + 4 * filters
    values = counts + 2 * filters
    n = sum(struct.unpack_from(f"<{filters}H", HEADS, counts))
    assert filters == 3 and n >= 3
    return place, counts, values, values + 2 * n


def test_sparse_weight_zero():
    place, _, values, _ = sparse_layer()
    data = poke(HEADS, values, "H", 0)
    refused_behind_crc(data, "layer hidden, .*weight 0 of filter . is zero", place + 12)


def test_count_larger_than_the_filter():
    place, counts, _, _ = sparse_layer()
    refused_behind_crc(poke(HEADS, counts, "H", 65535), "layer hidden, .*filter 0 has 65535 values of 12", place + 12)


def test_counts_larger_than_the_payload():
    place, counts, _, _ = sparse_layer()
    refused_behind_crc(poke(HEADS, counts, "HHH", 12, 12, 12), "chunk of layer hidden at byte .*: payload is", place + 12)


def test_position_outside_the_filter():
    place, _, _, positions = sparse_layer()
    refused_behind_crc(poke(HEADS, positions, "B", 12), "layer hidden, .*position .* is outside the filter of 12", place + 12)


def test_position_skips_outside_the_filter():
    place, _, _, positions = sparse_layer()
    refused_behind_crc(poke(HEADS, positions, "BB", 255, 0), "layer hidden, .*position 255 is outside the filter of 12", place + 12)


def test_positions_run_out():
    place, _, _, positions = sparse_layer()
    n = struct.unpack_from("<H", HEADS, place + 2)[0]
    data = poke(HEADS, positions, f"{n}B", *[255] * n)
    refused_behind_crc(data, "layer hidden, .*positions end before the values do", place + 12)


def test_positions_left_over(tmp_path):
    """A byte of padding declared a position."""
    data, _ = odd_sparse()
    place = chunk_at(data)
    n = struct.unpack_from("<H", data, place + 2)[0]
    data = poke(data, place + 2, "H", n + 1)
    refused_behind_crc(data, "layer conv1, .*position bytes are left over", place + 12)
    (tmp_path / "file.l3m").write_bytes(seal(data))
    with pytest.raises(L3Error, match="position bytes are left over"):
        load_graph(str(tmp_path / "file.l3m"))


def test_weights_section_empty():
    refused(resized("WEIGHTS", lambda _: b""), "LAYERS at byte 136: layers have .* bytes of chunks, WEIGHTS has 0", 136)


def test_sparse_weights_that_unpack_to_gigabytes(tmp_path):
    """Layers of 4,096 empty filters: 25 KB each in the file, 600 MB as a matrix. The loader refuses."""
    graph = models.tiny()
    layers, weights = [], b""
    for i in range(4):
        inputs = 4096 if i else 1
        data = b"".join(struct.pack("<HHII", 2048, 0, 6 * 2048, 0) + bytes(6 * 2048) for _ in range(2))
        layers.append(struct.pack("<16sBBBBHHHHIIIII", b"c", 1, 0, 1, 0, inputs, 4096, 1, 1, 2, len(weights), len(data), 0, 0))
        weights += data
    pool = poke(layers[-1], 24, "HH", 2, 4)
    selftest = struct.pack("<BBHI4096f", 1, 0, 4096, 1, *[0.0] * 4096)
    parts = models.split(models.data(graph))
    parts[1], parts[3], parts[5] = b"".join([*layers[:-1], pool]), selftest, weights
    path = tmp_path / "file.l3m"
    path.write_bytes(seal(models.join(parts)))
    Reader(str(path)).close()
    with pytest.raises(L3Error, match=r"takes 453,021,696 weights, more than the 67,108,864"):
        load_graph(str(path))


# -- a file that changes under an open reader


@pytest.mark.parametrize("cut", [chunk_at(TINY, 0, 4), chunk_at(TINY, 0, 30)])
def test_file_cut_while_open(cut):
    file = Shrinking(TINY)
    reader = Reader(file)
    file.cut = cut
    with pytest.raises(FormatError, match="truncated: .* at byte"):
        verify(reader)


@pytest.mark.parametrize("filters,positions", [(0, 0), (1, 65535), (65535, 0), (2, 65535), (1, 0)])
def test_chunk_header_damaged_while_open(filters, positions):
    """The chunk's own crc32 does not cover its header: what it said when the file was opened counts."""
    file = models.stream(HEADS)
    reader = Reader(file)
    place = chunk_at(HEADS, 1)
    with file.getbuffer() as view:
        view[place : place + 4] = struct.pack("<HH", filters, positions)
    verify(reader)
    with pytest.raises(FormatError):
        verify(Reader(file))


def test_close_after_a_failure():
    stream = models.stream(TINY[:-1])
    with pytest.raises(FormatError):
        Reader(stream)
    assert stream.closed


def test_no_message_without_an_offset():
    """Of every number in the table of sections and every layer record, set to 0xFF: each refusal names a byte."""
    for place in np.arange(16, at(SMALL, "LABELS")):
        try:
            verify(Reader(models.stream(seal(poke(SMALL, place, "B", 0xFF)))))
        except FormatError as e:
            assert re.search(r"byte \d+|trailing bytes", str(e)), e
