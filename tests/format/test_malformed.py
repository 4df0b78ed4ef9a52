"""One test for each way to be malformed: the reader, or verify, says FormatError with the field and the byte offset.

Damage behind a checksum is sealed again (models.seal), so that the check meant is the one that speaks.
"""

import math
import struct

import models
import pytest
from malform import HEADS, SMALL, TINY, refused, refused_behind_crc, resized
from models import at, layer_at, poke, seal

from l3host.errors import L3Error
from l3host.l3m.load import load_graph
from l3mote.format import FormatError
from l3mote.reader import Reader
from l3mote.verify import verify

BOUNDARIES = [0, 16] + [16 + 12 * i for i in range(1, 7)] + [offset for offset, _ in models.sections(HEADS)]
BOUNDARIES += models.chunk_offsets(HEADS)


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


@pytest.mark.parametrize("count", [0, 5, 8, 65535])
def test_number_of_sections(count):
    refused(seal(poke(TINY, 6, "H", count)), f"sections at byte 6 is {count}, not 6 or 7", 6)


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
    ("hop_length", 97), ("bands", 0), ("bands", 33), ("bands", 65535), ("scale", 2), ("padding", 2), ("fmin", -1.0),
    ("fmax", 500.5), ("fmax", 3.0), ("fmax", 0.0),
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
    (18, "B", 4, "unknown encoding 4"), (18, "B", 20, "unknown encoding 20"), (18, "B", 32, "unknown encoding 32"),
    (18, "B", 255, "unknown encoding 255"),
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
    refused(resized("LAYERS", lambda part: part[:-4]), "LAYERS at byte 136: 140 bytes is not a multiple of 48", 136)


def test_a_layer_missing():
    refused(resized("LAYERS", lambda part: part[:-48]), "LAYERS at byte 136: layers have .* bytes of chunks, WEIGHTS has", 136)


def test_layer_of_no_bytes():
    refused_behind_crc(poke(TINY, layer_at(TINY, 0, 36), "I", 0), "layer 0 at byte 136: offset 0 or chunks 1 out of range", 136)


@pytest.mark.parametrize("length", [52, 60, 0xFFFFFFFF])
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
