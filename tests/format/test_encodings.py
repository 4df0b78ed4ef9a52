"""WEIGHTS in the newer encodings, written by hand from FORMAT.md, against the writer, the loader and the kernels."""

import models
import numpy as np
import pytest
from handmade import decoded, dense_graph, sparse_graph

from l3host.errors import L3Error
from l3host.l3m import describe, writer
from l3host.l3m.load import load_graph
from l3mote import format as fmt
from l3mote.kernels import ulab
from l3mote.model import Model
from l3mote.reader import Reader
from l3mote.verify import verify


def by_hand(*lines):
    return bytes.fromhex(" ".join(lines))


# test_format's convolution of two filters, 0.5 in the centre, and -1/8, -2/8 ... -9/8
BITMAP_PALETTE = by_hand(
    "00 00  00 00  00 02 00 00  C7 7A 32 18",  # a palette: no filters, no positions, 512 bytes, crc32 0x18327ac7
    "00 38  00 B0 00 B4 00 B6  00 B8 00 B9 00 BA  00 BB 00 BC" + "80 BC" * 247,  # 0.5, -1/8 ... -9/8, and that again
    "02 00  04 00  1C 00 00 00  54 84 0C A3",  # 2 filters, 4 bytes of positions, 28 bytes, crc32 0xa30c8454
    "00 00 80 3E  00 00 C0 BF",  # biases 0.25, -1.5
    "01 00  09 00",  # 1 value, 9
    "00  01 02 03 04 05 06 07 08 09",  # indices
    "10 00  FF 01",  # bit 4; bits 0 to 8
    "00 00",  # padding
)
DENSE_PALETTE = by_hand(
    "00 00  00 00  00 02 00 00  34 3C C4 23",  # crc32 0x23c43c34
    "00 00 00 38  00 B0 00 B4 00 B6  00 B8 00 B9 00 BA  00 BB 00 BC" + "80 BC" * 246,  # zero is a value of its own
    "02 00  00 00  1C 00 00 00  D8 26 70 6C",  # 2 filters, no positions, 28 bytes, crc32 0x6c7026d8
    "00 00 80 3E  00 00 C0 BF",
    "00 00 00  00 01 00  00 00 00",
    "02 03 04  05 06 07  08 09 0A",
    "00 00",
)
# test_format's empty convolution, and a dense layer of 264 inputs: values at 0 and 263, none, 255, 254
# gaps: 0, 17 x 15 + 7; 17 x 15 + 0; 16 x 15 + 14
GAPS = "F0 FF FF FF FF FF FF FF FF 07  FF FF FF FF FF FF FF FF 0F  FF FF FF FF FF FF FF FF 0E"
NIBBLES = by_hand(
    "01 00  02 00  08 00 00 00  8A EE BB 57",  # the convolution: 1 filter, a bitmap of 2 bytes, 8 bytes, crc32 0x57bbee8a
    "00 00 C0 3F  00 00  00 00",  # bias 1.5, no values, no bits
    "04 00  1C 00  3C 00 00 00  10 8F 9C F3",  # 4 filters, 28 bytes of positions, 60 bytes, crc32 0xf39c8f10
    "00 00 00 3F  00 00 40 C0  00 00 00 00  00 00 80 3F",  # biases 0.5, -3, 0, 1
    "02 00  00 00  01 00  01 00",  # 2 values, none, 1, 1
    "00 3C  00 C0  00 38  FF 67",  # 1, -2; 0.5; 2047
    GAPS,
)
NIBBLES_PALETTE = by_hand(
    "01 00  00 00  08 00 00 00  8A EE BB 57",  # the convolution in byte gaps, of which there are none
    "00 00 C0 3F  00 00  00 00",
    "00 00  00 00  00 02 00 00  E5 EE 73 51",  # crc32 0x5173eee5
    "00 38 00 3C FF 67" + "00 C0" * 253,  # 0.5, 1, 2047, -2
    "04 00  1C 00  38 00 00 00  A7 73 54 44",  # 56 bytes, crc32 0x445473a7
    "00 00 00 3F  00 00 40 C0  00 00 00 00  00 00 80 3F",
    "02 00  00 00  01 00  01 00",
    "01 03  00  02",
    GAPS,
)
FILES = {
    "bitmap, palette": (dense_graph(), [fmt.PALETTE | fmt.BITMAP], BITMAP_PALETTE),
    "dense, palette": (dense_graph(), [fmt.PALETTE | fmt.ALL], DENSE_PALETTE),
    "nibble gaps": (sparse_graph(), [fmt.BITMAP, fmt.NIBBLE_GAPS], NIBBLES),
    "nibble gaps, palette": (sparse_graph(), [fmt.BYTE_GAPS, fmt.PALETTE | fmt.NIBBLE_GAPS], NIBBLES_PALETTE),
}
EVERY = pytest.mark.parametrize("name", FILES)


def file_of(name) -> bytes:
    """The hand-written WEIGHTS behind the writer's other sections."""
    graph, encodings, weights = FILES[name]
    parts = models.split(writer.to_bytes(graph, encodings))
    return bytes(models.join([*parts[:5], weights]))


@EVERY
def test_writer_writes_the_bytes(name):
    graph, encodings, weights = FILES[name]
    assert models.split(writer.to_bytes(graph, encodings))[5].hex(" ", 4) == weights.hex(" ", 4)


@EVERY
def test_reader_finds_encodings_and_chunks(name):
    graph, encodings, weights = FILES[name]
    reader = Reader(models.stream(file_of(name)))
    verify(reader)
    assert [layer.encoding for layer in reader.layers] == encodings
    assert [layer.chunks for layer in reader.layers] == [2 if e & fmt.PALETTE else 1 for e in encodings]
    assert sum(layer.length for layer in reader.layers) == len(weights)
    palettes = any(e & fmt.PALETTE for e in encodings)
    assert reader.chunk_bytes == (28 if len(encodings) == 1 else 60 - 4 * palettes) + 512 * palettes


def test_decoded_weights():
    reader = Reader(models.stream(file_of("bitmap, palette")))
    assert decoded(reader, reader.layers[0]) == [(0.25, {4: 0.5}), (-1.5, {i: -(i + 1) / 8 for i in range(9)})]
    for name in ("nibble gaps", "nibble gaps, palette"):
        reader = Reader(models.stream(file_of(name)))
        expected = [(0.5, {0: 1, 263: -2}), (-3, {}), (0, {255: 0.5}), (1, {254: 2047})]
        assert decoded(reader, reader.layers[1]) == expected


@EVERY
def test_loader_reads_the_graph(name, tmp_path):
    path = tmp_path / "hand.l3m"
    path.write_bytes(file_of(name))
    for a, b in zip(load_graph(str(path)).layers, FILES[name][0].layers, strict=True):
        np.testing.assert_array_equal(a.kernel, b.kernel)
        np.testing.assert_array_equal(a.bias, b.bias)


@EVERY
@pytest.mark.parametrize("kernel", ["python", "ulab"])
def test_kernels_compute_the_expected_output(name, kernel):
    assert Model(models.stream(file_of(name)), kernel=kernel).selftest() == (True, 0)


@pytest.mark.parametrize("kernel", models.FLOAT_KERNELS)
@pytest.mark.parametrize("encoding", writer.LOSSLESS)
def test_float_kernels_in_every_encoding(encoding, kernel):
    """Several chunks and strips, dense and sparse layers alike."""
    data = models.data(models.in_palettes(models.small(3)), [encoding] * 9)
    passed, error = Model(models.stream(data), kernel=kernel).selftest()
    assert passed, error


def test_ulab_without_take(monkeypatch):
    monkeypatch.setattr(ulab, "take", ulab.look_up)
    data = models.data(models.in_palettes(models.small(3)), [fmt.PALETTE] * 9)
    assert Model(models.stream(data), kernel="ulab").selftest()[0]


@pytest.mark.parametrize("encoding", writer.LOSSLESS)
def test_a_layer_that_an_encoding_cannot_hold(encoding):
    """More values than a palette has, or none at all."""
    rng = np.random.default_rng(0)
    for weights in (rng.normal(size=(3, 3, 1, 40)), np.zeros((3, 3, 1, 40))):
        graph = models.tiny()
        graph.layers[0].kernel, graph.layers[0].bias = weights, np.zeros(40)
        if encoding & fmt.PALETTE and (weights.any() or encoding != fmt.PALETTE):
            with pytest.raises(L3Error, match=r"layer conv1: \d+ different weights, a palette has 1 to 256"):
                writer.to_bytes(graph, [encoding])
        else:
            verify(Reader(models.stream(writer.to_bytes(graph, [encoding]))))


def test_each_position_code_has_a_name_that_inspect_prints():
    codes = {encoding & 15 for encoding in writer.LOSSLESS}
    assert codes == set(range(fmt.BITMAP + 1)) and len(describe.POSITIONS) == len(codes)
