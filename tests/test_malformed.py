"""One test for each way to be malformed: the reader, or verify, says FormatError with the field and the byte offset.

Damage behind a checksum is sealed again (models.seal), so that the check meant is the one that speaks.
"""

import math
import re
import struct

import numpy as np
import pytest

import models
from l3host.errors import L3Error
from l3host.load import load_graph
from l3mote import kernels
from l3mote.format import FormatError
from l3mote.model import Model
from l3mote.reader import Reader
from l3mote.verify import verify
from models import at, chunk_at, layer_at, poke, seal

TINY = bytes(models.data(models.tiny()))  # one dense chunk: 2 biases from byte 12, 18 weights from byte 20
HEADS = bytes(models.data(models.classifier()))  # chunks 0 (convolution) and 1 (hidden) sparse, 2 (head) dense
SMALL = bytes(models.data(models.small()))
BOUNDARIES = [0, 16] + [16 + 12 * i for i in range(1, 7)] + [offset for offset, _ in models.sections(HEADS)]
BOUNDARIES += models.chunk_offsets(HEADS)


def refused(data, message, place=None):
    """Reader or verify raises FormatError that matches, and names the byte offset if one is given."""
    with pytest.raises(FormatError, match=message) as caught:
        verify(Reader(models.stream(data)))
    if place is not None:
        assert re.search(rf"byte {place}\b", str(caught.value)), caught.value


def refused_behind_crc(data, message, place=None):
    """The same once the checksums are right; before, the damage itself is noticed."""
    refused(data, "crc32 at byte 12")
    refused(seal(data), message, place)


def resized(section, change, source=HEADS):
    """A file with one section's bytes changed, and the rest in order."""
    parts = models.split(source)
    i = models.SECTIONS.index(section)
    parts[i] = change(parts[i])
    return models.join(parts)


def test_the_files_are_valid_before_they_are_damaged():
    for data in (TINY, HEADS, SMALL):
        verify(Reader(models.stream(data)))
        assert seal(data) == data
    assert [layer.encoding for layer in Reader(models.stream(HEADS)).layers] == [1, 1, 0]


# -- header


def test_empty_file():
    refused(b"", "truncated: header at byte 0 has 0 of 16 bytes", 0)


def test_directory(tmp_path):
    with pytest.raises(OSError):
        Reader(str(tmp_path))
    with pytest.raises(L3Error, match="is a directory"):
        load_graph(str(tmp_path))


def test_other_file_type():
    refused(b"RIFF" + TINY[4:], "magic at byte 0 .*not an .l3m file", 0)


def test_newer_version():
    refused(seal(poke(TINY, 4, "H", 2)), "version at byte 4 is 2, this reader knows 1", 4)


def test_version_zero():
    refused(seal(poke(TINY, 4, "H", 0)), "version at byte 4 is 0", 4)


@pytest.mark.parametrize("count", [0, 5, 7, 65535])
def test_number_of_sections(count):
    refused(seal(poke(TINY, 6, "H", count)), f"sections at byte 6 is {count}, not 6", 6)


def test_length_too_large():
    refused(poke(TINY, 8, "I", 0xFFFFFFFF), "truncated: length at byte 8 says 4294967295", 8)


def test_length_too_small():
    refused(poke(TINY, 8, "I", 100), "trailing bytes: length at byte 8 says 100", 8)


def test_crc():
    refused(poke(TINY, 12, "I", 0), "crc32 at byte 12 is 0x00000000", 12)


@pytest.mark.parametrize("place", range(16, len(TINY), 7))
def test_one_bit_anywhere(place):
    data = bytearray(TINY)
    data[place] ^= 1
    with pytest.raises(FormatError):
        Reader(models.stream(data))


@pytest.mark.parametrize("size", sorted({b + d for b in BOUNDARIES for d in (-1, 0, 1)} - {-1}))
def test_truncated_at_and_around_every_boundary(size):
    refused(HEADS[:size], "truncated")


@pytest.mark.parametrize("size", sorted({b + d for b in BOUNDARIES for d in (-1, 0, 1) if b + d >= 16}))
def test_truncated_with_a_length_and_crc_that_fit(size):
    """Someone wrote the header for what is left: the section table tells."""
    with pytest.raises(FormatError, match="truncated: section table|out of range|trailing bytes|padding") as caught:
        Reader(models.stream(seal(poke(HEADS[:size], 8, "I", size))))
    assert "byte" in str(caught.value)


def test_trailing_bytes():
    refused(TINY + b"\0\0\0\0", "trailing bytes: length at byte 8", 8)


def test_trailing_bytes_that_the_length_covers():
    data = poke(TINY + b"\0\0\0\0", 8, "I", len(TINY) + 4)
    refused(seal(data), f"trailing bytes: the sections end at {len(TINY)}, the file at {len(TINY) + 4}")


# -- section table


@pytest.mark.parametrize("index", range(6))
def test_section_of_the_wrong_kind(index):
    place = 16 + 12 * index
    refused(seal(poke(TINY, place, "H", 7)), f"section {models.SECTIONS[index]} at byte {place} has kind 7", place)


def test_sections_in_another_order():
    data = bytearray(TINY)
    data[28:40], data[40:52] = TINY[40:52], TINY[28:40]
    refused(seal(data), "section LAYERS at byte 28 has kind 3", 28)


@pytest.mark.parametrize("index", range(6))
def test_section_reserved_not_zero(index):
    place = 16 + 12 * index
    refused(seal(poke(TINY, place + 2, "H", 1)), "has kind ., reserved 1", place)


@pytest.mark.parametrize("index", range(6))
def test_sections_overlap(index):
    place = 16 + 12 * index
    offset = models.sections(TINY)[index][0] - 4
    refused(seal(poke(TINY, place + 4, "I", offset)), f"offset {offset} overlaps or leaves a gap", place)


@pytest.mark.parametrize("index", range(6))
def test_gap_between_sections(index):
    place = 16 + 12 * index
    offset = models.sections(TINY)[index][0] + 4
    refused(seal(poke(TINY, place + 4, "I", offset)), f"offset {offset} overlaps or leaves a gap", place)


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, len(TINY)])
def test_section_out_of_range(index, length):
    place = 16 + 12 * index
    refused(seal(poke(TINY, place + 8, "I", length)), "out of range", place)


def test_padding_after_a_section():
    place = sum(models.sections(TINY)[2])
    refused_behind_crc(poke(TINY, place, "B", 1), "section LABELS: padding at byte .* is not zero", place)


# -- FRONTEND

FRONTEND_PLACES = {
    "sample_rate": (0, "I"), "window": (4, "I"), "hop": (8, "I"), "n_fft": (12, "H"), "hop_length": (14, "H"), "bands": (16, "H"),
    "scale": (18, "B"), "padding": (19, "B"), "fmin": (20, "f"), "fmax": (24, "f"), "floor": (28, "f"), "dynamic_range": (32, "f"),
    "norm_scale": (36, "f"), "norm_shift": (40, "f"), "reserved": (44, "I"),
}  # fmt: skip
FRONTEND_VALUES = [
    ("sample_rate", 0), ("sample_rate", 0xFFFFFFFF), ("window", 0), ("window", 192001), ("window", 0xFFFFFFFF), ("window", 63),
    ("hop", 0), ("hop", 0xFFFFFFFF), ("n_fft", 0), ("n_fft", 32), ("n_fft", 100), ("n_fft", 8192), ("hop_length", 0),
    ("hop_length", 97), ("bands", 0), ("bands", 33), ("bands", 65535), ("scale", 2), ("padding", 2), ("fmin", -1.0), ("fmax", 500.5), ("fmax", 3.0), ("fmax", 0.0),
    ("floor", 0.0), ("floor", -1.0), ("floor", 1e-19), ("dynamic_range", 0.0), ("reserved", 1),
]  # fmt: skip


@pytest.mark.parametrize("field,value", FRONTEND_VALUES)
def test_frontend_field_out_of_range(field, value):
    offset, code = FRONTEND_PLACES[field]
    start = at(TINY, "FRONTEND")
    refused_behind_crc(poke(TINY, start + offset, code, value), f"FRONTEND at byte {start}: field {field} is out of range", start)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["fmin", "fmax", "floor", "dynamic_range", "norm_scale", "norm_shift"])
def test_frontend_not_finite(field, value):
    start = at(TINY, "FRONTEND")
    place = start + FRONTEND_PLACES[field][0]
    refused_behind_crc(poke(TINY, place, "f", value), f"FRONTEND at byte {start}: field {field}", start)


def test_more_frames_than_the_limit():
    start = at(TINY, "FRONTEND")
    data = poke(poke(TINY, start + 4, "I", 64 + 1024), start + 14, "H", 1)
    refused_behind_crc(data, f"FRONTEND at byte {start}: field hop_length", start)


def test_linear_bands_are_the_bins():
    refused(seal(poke(TINY, at(TINY, "FRONTEND", 18), "B", 0)), "FRONTEND .* field bands")


@pytest.mark.parametrize("size", [0, 44, 52])
def test_frontend_of_another_size(size):
    data = resized("FRONTEND", lambda part: (part + bytes(8))[:size])
    refused(data, f"section FRONTEND at byte 88: {size} bytes, must be 48 to 48", 88)


# -- LAYERS

LAYER_VALUES = [
    (16, "B", 0, "unknown layer kind 0"), (16, "B", 3, "unknown layer kind 3"), (16, "B", 255, "unknown layer kind 255"),
    (17, "B", 2, "unknown activation 2"), (17, "B", 255, "unknown activation 255"),
    (18, "B", 2, "unknown encoding 2"), (18, "B", 255, "unknown encoding 255"),
    (19, "B", 1, "reserved bytes are not zero"), (44, "I", 1, "reserved bytes are not zero"),
    (20, "H", 2, "inputs is 2, the layer before has 1 outputs"), (20, "H", 65535, "inputs is 65535"),
    (22, "H", 0, "outputs is 0"), (22, "H", 4097, "outputs is 4097"), (22, "H", 65535, "outputs is 65535"),
    (24, "H", 0, "pool of 0 x 4 on 2 x 4"), (24, "H", 3, "pool of 3 x 4 on 2 x 4"), (26, "H", 0, "pool of 2 x 0"),
    (26, "H", 5, "pool of 2 x 5 on 2 x 4"), (26, "H", 65535, "pool of 2 x 65535"),
    (28, "I", 0, "chunks 0 out of range"), (28, "I", 0xFFFFFFFF, "chunks 4294967295 out of range"),
    (32, "I", 4, "offset 4 or chunks"), (32, "I", 0xFFFFFFFF, "offset 4294967295 or chunks"),
    (40, "I", 19, "nonzeros is 19 of 18 weights"), (40, "I", 0xFFFFFFFF, "nonzeros is 4294967295 of 18"),
    (40, "I", 17, "nonzeros is 17, its chunks have 18"),
    (0, "B", 0xFF, "name is not UTF-8"), (2, "B", 0, "name has a zero byte inside"),
]  # fmt: skip


@pytest.mark.parametrize("offset,code,value,message", LAYER_VALUES)
def test_layer_field(offset, code, value, message):
    start = layer_at(TINY, 0)
    refused_behind_crc(poke(TINY, start + offset, code, value), f"layer 0 at byte {start}: .*{message}", start)


def test_dense_layer_of_the_wrong_size():
    start = layer_at(HEADS, 1)
    refused(seal(poke(HEADS, start + 20, "H", 13)), "layer 1 .* inputs is 13, the layer before has 12 outputs", start)


def test_dense_layer_with_a_pool():
    start = layer_at(HEADS, 1)
    refused(seal(poke(HEADS, start + 24, "H", 2)), "layer 1 .* pool of 2 x 1 on 1 x 1", start)


def test_dense_layer_with_an_unknown_activation():
    start = layer_at(HEADS, 2)
    refused(seal(poke(HEADS, start + 17, "B", 4)), "layer 2 .* unknown activation 4", start)


def test_convolution_after_a_dense_layer():
    start = layer_at(HEADS, 2)
    refused(seal(poke(HEADS, start + 16, "BB", 1, 0)), "layer 2 .* a convolution after a dense layer", start)


def test_no_convolution():
    record = struct.pack("<16sBBBBHHHHIIIII", b"head", 2, 0, 0, 0, 8, 2, 1, 1, 1, 0, 56, 16, 0)
    data = resized("LAYERS", lambda _: record, TINY)
    refused(data, "LAYERS at byte 136: the first layer is not a convolution", 136)


def test_no_layers():
    refused(resized("LAYERS", lambda _: b""), "section LAYERS at byte 136: 0 bytes, must be 48 to 1536", 136)


def test_too_many_layers():
    refused(resized("LAYERS", lambda part: part[:48] * 33), "section LAYERS at byte 136: 1584 bytes", 136)


def test_half_a_layer():
    refused(resized("LAYERS", lambda part: part[:-4]), "LAYERS at byte 136: 140 bytes is no multiple of 48", 136)


def test_a_layer_missing():
    refused(resized("LAYERS", lambda part: part[:-48]), "LAYERS at byte 136: layers have .* bytes of chunks, WEIGHTS has", 136)


@pytest.mark.parametrize("length", [0, 52, 60, 0xFFFFFFFF])
def test_layer_length(length):
    data = poke(TINY, layer_at(TINY, 0, 36), "I", length)
    refused_behind_crc(data, f"LAYERS at byte 136: layers have {length} bytes of chunks, WEIGHTS has 56", 136)


# -- LABELS


@pytest.mark.parametrize("count", [1, 3, 65535])
def test_label_count_differs_from_the_outputs(count):
    start = at(HEADS, "LABELS")
    refused_behind_crc(poke(HEADS, start, "H", count), f"LABELS at byte {start}: {count} labels for 2 outputs", start)


def test_labels_without_a_dense_layer():
    start = at(TINY, "LABELS")
    data = resized("LABELS", lambda _: b"\2\0" + b"\0\0\0\0\1a" * 2, TINY)
    refused(data, f"LABELS at byte {start}: 2 labels", start)


def test_label_not_utf8():
    place = at(HEADS, "LABELS", 7)
    refused_behind_crc(poke(HEADS, place, "B", 0xFF), f"LABELS at byte {place}: label 0 is not UTF-8", place)


def test_label_longer_than_the_section():
    start = at(HEADS, "LABELS")
    refused(seal(poke(HEADS, start + 6, "B", 4)), f"LABELS at byte {start}: label 1 is cut off", start)
    refused(seal(poke(HEADS, start + 13, "B", 255)), f"LABELS at byte {start}: 15 bytes, its labels take 269", start)


def test_labels_cut_off():
    start = at(HEADS, "LABELS")
    refused(resized("LABELS", lambda part: part[:-1]), f"LABELS at byte {start}: 14 bytes, its labels take 15", start)


def test_labels_too_long():
    start = at(HEADS, "LABELS")
    refused(resized("LABELS", lambda part: part + b"x"), f"LABELS at byte {start}: 16 bytes, its labels take 15", start)


def test_labels_empty():
    refused(resized("LABELS", lambda _: b""), "section LABELS at byte .*: 0 bytes, must be 2 to 65536", at(HEADS, "LABELS"))


def test_labels_larger_than_the_limit():
    data = resized("LABELS", lambda part: part + bytes(65536))
    refused(data, "section LABELS at byte .* must be 2 to 65536", at(HEADS, "LABELS"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_threshold_not_finite(value):
    place = at(HEADS, "LABELS", 2)
    refused_behind_crc(poke(HEADS, place, "f", value), f"LABELS at byte {place}: threshold 0 is not finite", place)


# -- SELFTEST


@pytest.mark.parametrize("offset,code,value", [(0, "B", 0), (0, "B", 2), (1, "B", 1), (4, "I", 0), (4, "I", 65536)])
def test_selftest_kind_reserved_seed(offset, code, value):
    start = at(TINY, "SELFTEST")
    data = poke(TINY, start + offset, code, value)
    refused_behind_crc(data, rf"SELFTEST at byte {start}: kind \d, reserved \d, seed \d", start)


@pytest.mark.parametrize("count", [0, 1, 3, 65535])
def test_selftest_count(count):
    start = at(TINY, "SELFTEST")
    refused_behind_crc(poke(TINY, start + 2, "H", count), f"SELFTEST at byte {start}: {count} outputs, the network has 2", start)


@pytest.mark.parametrize("size", [0, 7, 8, 12, 20])
def test_selftest_of_another_size(size):
    data = resized("SELFTEST", lambda part: (part + bytes(8))[:size], TINY)
    refused(data, f"SELFTEST at byte {at(TINY, 'SELFTEST')}", at(TINY, "SELFTEST"))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_selftest_output_not_finite(value):
    place = at(TINY, "SELFTEST", 12)
    refused_behind_crc(poke(TINY, place, "f", value), f"SELFTEST: expected output 1 at byte {place} is not finite", place)


# -- PROVENANCE


@pytest.mark.parametrize("size", [0, 1, 65537])
def test_provenance_of_another_size(size):
    data = resized("PROVENANCE", lambda _: b" " * size)
    refused(data, f"section PROVENANCE at byte .*: {size} bytes, must be 2 to 65536", at(data, "PROVENANCE"))


def test_provenance_not_utf8():
    place = at(TINY, "PROVENANCE")
    refused_behind_crc(poke(TINY, place + 2, "B", 0xC0), f"PROVENANCE at byte {place} is not UTF-8", place)


@pytest.mark.parametrize("text", [b"[]", b"{]", b"[" * 60000])
def test_provenance_no_json_object(text, tmp_path):
    """The device takes it as text; the host, which reads it, refuses."""
    path = tmp_path / "file.l3m"
    path.write_bytes(resized("PROVENANCE", lambda _: text))
    with pytest.raises(L3Error):
        load_graph(str(path))


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
        data = bytes(models.data(models.classifier(seed)))
        filters, positions, payload = struct.unpack_from("<HHI", data, chunk_at(data))
        counts = struct.unpack_from(f"<{filters}H", data, chunk_at(data, 0, 12 + 4 * filters))
        if 6 * filters + 2 * sum(counts) + positions < payload:
            return data, chunk_at(data, 0, 12 + payload)
    raise AssertionError("no seed gives padding")


# -- WEIGHTS: values

BAD_HALVES = [0x7C00, 0xFC00, 0x7E00, 0x0001, 0x83FF]  # +-infinity, NaN, subnormals


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


@pytest.mark.parametrize("name", kernels.ORDER)
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
    with pytest.raises(L3Error, match="weights, most of them zero"):
        load_graph(str(path))


# -- a file that changes under an open reader


class Shrinking:
    """A file that loses its last bytes once `cut` is set, as a card does that is pulled out."""

    def __init__(self, data):
        self.file = models.stream(data)
        self.cut = None
        self.seek, self.close = self.file.seek, self.file.close

    def read(self, n):
        return self.file.read(n if self.cut is None else max(0, min(n, self.cut - self.file.tell())))

    def readinto(self, view):
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("cut", [chunk_at(TINY, 0, 4), chunk_at(TINY, 0, 30)])
def test_file_cut_while_open(cut):
    file = Shrinking(TINY)
    reader = Reader(file)
    file.cut = cut
    with pytest.raises(FormatError, match="truncated: .* at byte"):
        verify(reader)


@pytest.mark.parametrize("filters,positions", [(0, 0), (1, 65535), (65535, 0), (2, 65535), (1, 0)])
def test_chunk_header_damaged_while_open(filters, positions):
    """The chunk's own crc32 does not cover its header: that is checked again each time."""
    file = models.stream(HEADS)
    reader = Reader(file)
    place = chunk_at(HEADS, 1)
    with file.getbuffer() as view:
        view[place : place + 4] = struct.pack("<HH", filters, positions)
    with pytest.raises(FormatError, match="layer hidden"):
        verify(reader)


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
