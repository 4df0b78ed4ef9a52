"""One test for each way that palettes, nibble gaps and bitmaps can be malformed."""

import struct

import models
import pytest
from malform import BAD_HALVES, TINY, Shrinking, refused, refused_behind_crc
from models import chunk_at, layer_at, poke, seal

from l3host.errors import L3Error
from l3host.l3m.load import load_graph
from l3mote.format import ALL, BITMAP, NIBBLE_GAPS, PALETTE, FormatError
from l3mote.model import Model
from l3mote.reader import Reader
from l3mote.verify import verify

# Layers: a sparse convolution of 9 taps, a sparse hidden layer of 12 inputs, a dense head of 3. Chunks: palette, conv1, hidden,
# palette, head; and without palettes: conv1, hidden, head.
PALETTES = bytes(models.data(models.classifier(), [PALETTE | NIBBLE_GAPS, NIBBLE_GAPS, PALETTE | ALL]))
BITMAPS = bytes(models.data(models.classifier(), [BITMAP, BITMAP, ALL]))


def parts(data, index):
    """Byte offsets of a sparse float16 chunk of three filters: its header, counts, values, positions, and bytes of positions."""
    place = chunk_at(data, index)
    filters, n_positions = struct.unpack_from("<HH", data, place)
    assert filters == 3 and n_positions
    counts = place + 24
    n = sum(struct.unpack_from("<3H", data, counts))
    return place, counts, counts + 6, counts + 6 + 2 * n, n_positions


def load(data, folder):
    path = folder / "file.l3m"
    path.write_bytes(data)
    return load_graph(str(path))


def test_the_files_are_valid_before_they_are_damaged(tmp_path):
    for data in (PALETTES, BITMAPS):
        verify(Reader(models.stream(data)))
        load(data, tmp_path)


# -- palettes


HEADER_VALUES = [(0, "H", 1), (2, "H", 1), (4, "I", 508), (4, "I", 516), (4, "I", 0), (4, "I", 0xFFFFFFFC)]


@pytest.mark.parametrize("field,code,value", HEADER_VALUES)
def test_palette_header(field, code, value):
    place = chunk_at(PALETTES)
    data = seal(poke(PALETTES, place + field, code, value), chunks=False)
    refused(data, f"layer conv1, chunk at byte {place}: no palette, but", place)


def test_palette_missing():
    place = chunk_at(TINY)
    data = poke(poke(TINY, layer_at(TINY, 0, 18), "B", PALETTE), layer_at(TINY, 0, 28), "I", 2)
    refused_behind_crc(data, f"layer conv1, chunk at byte {place}: no palette, but 2 filters, payload of 44 bytes", place)


def test_palette_in_a_layer_of_float16():
    place = chunk_at(PALETTES)
    data = poke(PALETTES, layer_at(PALETTES, 0, 18), "B", NIBBLE_GAPS)
    refused_behind_crc(data, f"layer conv1, chunk at byte {place}: 0 filters, payload of 512 bytes", place)


@pytest.mark.parametrize("chunks", [1, 5])
def test_chunks_of_a_layer_with_a_palette(chunks):
    """Three filters are one to three chunks behind the palette."""
    start = layer_at(PALETTES, 0)
    refused_behind_crc(poke(PALETTES, start + 28, "I", chunks), f"layer 0 at byte {start}: .*chunks {chunks} out of range", start)


def test_layer_too_short_for_its_palette():
    place = chunk_at(PALETTES)
    data = poke(PALETTES, layer_at(PALETTES, 0, 36), "I", 500)
    size = struct.unpack_from("<I", PALETTES, layer_at(PALETTES, 0, 36))[0]
    hidden = layer_at(PALETTES, 1)
    length = struct.unpack_from("<I", PALETTES, hidden + 36)[0]
    data = poke(poke(data, hidden + 32, "I", 500), hidden + 36, "I", length + size - 500)
    refused_behind_crc(data, f"layer conv1, chunk at byte {place}: no palette", place)


def test_palette_damaged():
    place = chunk_at(PALETTES, 0, 12)
    data = seal(poke(PALETTES, place + 20, "H", 0x3C00), chunks=False)
    refused(data, f"layer conv1, chunk at byte {place}: crc32 differs", place)


@pytest.mark.parametrize("index", [0, 7, 255])
@pytest.mark.parametrize("bits", BAD_HALVES)
def test_palette_value_not_a_normal_number(bits, index):
    """Whether a weight has it or not."""
    place = chunk_at(PALETTES, 0, 12 + 2 * index)
    data = poke(PALETTES, place, "H", bits)
    refused_behind_crc(data, f"layer conv1, palette value {index} at byte {place} is 0x{bits:04x}: not a normal number", place)


def test_palette_value_zero():
    place = chunk_at(PALETTES, 0, 12 + 2 * 200)
    data = poke(PALETTES, place, "H", 0)
    refused_behind_crc(data, f"layer conv1, palette value 200 at byte {place} is zero: a sparse layer has none", place)
    verify(Reader(models.stream(seal(poke(PALETTES, chunk_at(PALETTES, 3, 12 + 2 * 200), "H", 0)))))  # a dense one may


@pytest.mark.parametrize("bits", BAD_HALVES)
def test_palette_value_is_refused_by_the_loader_too(bits, tmp_path):
    with pytest.raises(L3Error, match="layer conv1, .*a weight is not a normal number"):
        load(seal(poke(PALETTES, chunk_at(PALETTES, 0, 12), "H", bits)), tmp_path)


@pytest.mark.parametrize("name", models.FLOAT_KERNELS)
@pytest.mark.parametrize("bits", BAD_HALVES[:3])
def test_palette_value_not_finite_is_refused_by_the_kernels_too(name, bits):
    model = Model(models.stream(seal(poke(PALETTES, chunk_at(PALETTES, 0, 12), "H", bits))), kernel=name)
    with pytest.raises(FormatError, match="layer conv1, chunk at byte"):
        model.run()


@pytest.mark.parametrize("payload", [0, 24, 516])
def test_payload_of_indices(payload):
    """The head: 2 biases and 6 indices are 16 bytes."""
    place = chunk_at(PALETTES, 4)
    data = seal(poke(PALETTES, place + 4, "I", payload), chunks=False)
    refused(data, f"layer head, chunk at byte {place}: (2 filters, )?payload of {payload}", place)


@pytest.mark.parametrize("offset", [4, 100, 600])
def test_file_cut_in_a_palette_while_open(offset):
    file = Shrinking(PALETTES)
    reader = Reader(file)
    file.cut = chunk_at(PALETTES, 0, offset)
    with pytest.raises(FormatError, match="truncated: .* at byte"):
        verify(reader)


def test_palette_header_damaged_while_open():
    """What it said when the file was opened counts."""
    file = models.stream(PALETTES)
    reader = Reader(file)
    with file.getbuffer() as view:
        view[chunk_at(PALETTES) + 4] = 4
    verify(reader)
    with pytest.raises(FormatError):
        verify(Reader(file))


# -- nibble gaps: the hidden layer's


def nibbles():
    place, _, _, positions, n = parts(PALETTES, 2)
    return place, positions, n


def test_nibble_outside_the_filter():
    place, positions, _ = nibbles()
    refused_behind_crc(poke(PALETTES, positions, "B", 0x0E), "layer hidden, .*position 14 is outside the filter of 12", place + 12)


def test_nibble_skips_outside_the_filter():
    place, positions, n = nibbles()
    data = poke(PALETTES, positions, "BB", 0xFF, 0x00)
    assert n >= 2
    refused_behind_crc(data, "layer hidden, .*position 30 is outside the filter of 12", place + 12)


def test_nibbles_run_out():
    place, positions, n = nibbles()
    data = poke(PALETTES, positions, f"{n}B", *[255] * n)
    refused_behind_crc(data, "layer hidden, .*positions end before the values do", place + 12)


def test_half_a_byte_left_over(tmp_path):
    """A filter of an odd number of values, and something in its last half."""
    place, positions, _ = nibbles()
    counts = struct.unpack_from("<3H", PALETTES, place + 24)
    odd = next(i for i in range(3) if counts[i] % 2)
    last = positions + sum((n + 1) // 2 for n in counts[: odd + 1]) - 1  # no gap of 12 weights takes a skip
    data = poke(PALETTES, last, "B", PALETTES[last] | 0x10)
    refused_behind_crc(data, "layer hidden, .*half a position byte is left over", place + 12)
    with pytest.raises(L3Error, match="half a position byte is left over"):
        load(seal(data), tmp_path)


def test_nibble_bytes_left_over():
    """A byte of padding declared a position."""
    place, positions, n = nibbles()
    payload = struct.unpack_from("<I", PALETTES, place + 4)[0]
    assert positions + n < place + 12 + payload
    refused_behind_crc(poke(PALETTES, place + 2, "H", n + 1), "layer hidden, .*position bytes are left over", place + 12)


# -- bitmaps: conv1's, of two bytes a filter


@pytest.mark.parametrize("n", [0, 5, 7, 65535])
def test_bytes_of_a_bitmap(n):
    place = chunk_at(BITMAPS)
    data = poke(BITMAPS, place + 2, "H", n)
    refused_behind_crc(data, f"layer conv1, chunk at byte {place}: payload .* does not fit 3 filters", place)


def filter_of(data, wanted):
    """(counts of conv1, number and bitmap's offset of its first filter whose count satisfies)."""
    place, counts, _, positions, n = parts(data, 0)
    assert n == 6
    result = struct.unpack_from("<3H", data, counts)
    f = next(f for f in range(3) if wanted(result[f]))
    return place, result, f, positions + 2 * f


def test_bitmap_with_fewer_bits_than_values(tmp_path):
    place, counts, f, at = filter_of(BITMAPS, lambda n: n > 0)
    data = poke(BITMAPS, at, "H", 0)
    refused_behind_crc(data, f"layer conv1, .*a bitmap has 0 bits for {counts[f]} values", place + 12)
    with pytest.raises(L3Error, match=f"a bitmap has 0 bits for {counts[f]} values"):
        load(seal(data), tmp_path)


def test_bitmap_with_more_bits_than_values():
    place, _, _, at = filter_of(BITMAPS, lambda n: n < 9)
    data = poke(BITMAPS, at, "H", 0x1FF)
    refused_behind_crc(data, "layer conv1, .*a bitmap has more bits than its filter has values", place + 12)


@pytest.mark.parametrize("bit", [9, 15])
def test_bitmap_with_a_bit_outside_the_filter(bit):
    """As many bits as values, the last of them where there is no weight."""
    place, counts, f, at = filter_of(BITMAPS, lambda n: n > 0)
    data = poke(BITMAPS, at, "H", (1 << counts[f] - 1) - 1 | 1 << bit)
    refused_behind_crc(data, "layer conv1, .*a bitmap has more bits than its filter has values", place + 12)


@pytest.mark.parametrize("source,index", [(PALETTES, 2), (BITMAPS, 1)])
def test_sparse_weight_zero(source, index):
    place, _, values, _, _ = parts(source, index)
    refused_behind_crc(poke(source, values, "H", 0), "layer hidden, .*weight 0 of filter . is zero", place + 12)


@pytest.mark.parametrize("source,index", [(PALETTES, 2), (BITMAPS, 1)])
def test_count_larger_than_the_filter(source, index):
    place, counts, _, _, _ = parts(source, index)
    refused_behind_crc(poke(source, counts, "H", 13), "layer hidden, .*filter 0 has 13 values of 12", place + 12)
