"""Two files written by hand, byte by byte from FORMAT.md, against the writer (graph -> bytes) and the reader (bytes -> values)."""

import json

import models
import numpy as np
import pytest
from handmade import DENSE, SPARSE, decoded, dense_graph, sparse_graph

from l3host.graph.network import Conv
from l3host.l3m import writer
from l3host.l3m.load import load_graph
from l3mote import format as fmt
from l3mote.model import Model
from l3mote.reader import Reader
from l3mote.verify import verify

FILES = pytest.mark.parametrize("graph,data", [(dense_graph(), DENSE), (sparse_graph(), SPARSE)], ids=["dense", "sparse"])
GAPS = {1: [fmt.ALL], 2: [fmt.BYTE_GAPS, fmt.BYTE_GAPS]}  # encodings by number of layers
LAYER = ("name", "kind", "activation", "encoding", "reserved", "inputs", "outputs", "pool_rows", "pool_cols", "chunks", "offset")
LAYER += ("length", "nonzeros", "reserved2", "rows", "cols", "taps", "out_rows", "out_cols", "out_size")


def record(layer):
    return tuple(getattr(layer, name) for name in LAYER)


@FILES
def test_writer_writes_the_bytes(graph, data):
    assert writer.to_bytes(graph, GAPS[len(graph.layers)]).hex(" ", 4) == data.hex(" ", 4)


@FILES
def test_loader_reads_the_graph(graph, data, tmp_path):
    path = tmp_path / "hand.l3m"
    path.write_bytes(data)
    loaded = load_graph(str(path))
    assert vars(loaded.frontend) == vars(graph.frontend)
    assert (loaded.labels, loaded.thresholds, loaded.provenance) == (graph.labels, graph.thresholds, graph.provenance)
    for a, b in zip(loaded.layers, graph.layers, strict=True):
        assert (type(a), a.name, a.activation) == (type(b), b.name, b.activation)
        assert not isinstance(a, Conv) or a.pool == b.pool
        np.testing.assert_array_equal(a.kernel, b.kernel)
        np.testing.assert_array_equal(a.bias, b.bias)


@FILES
@pytest.mark.parametrize("kernel", ["python", "ulab"])
def test_kernels_compute_the_expected_output(graph, data, kernel):
    model = Model(models.stream(data), kernel=kernel)
    assert model.selftest() == (True, 0)


def test_reader_reads_the_dense_file():
    reader = Reader(models.stream(DENSE))
    verify(reader)
    assert (reader.version, reader.length, reader.crc, reader.seed) == (1, 276, 0x32542541, 12345)
    assert reader.sections == {
        "FRONTEND": (88, 48),
        "LAYERS": (136, 48),
        "LABELS": (184, 2),
        "SELFTEST": (188, 16),
        "PROVENANCE": (204, 16),
        "WEIGHTS": (220, 56),
    }
    fe = reader.frontend
    assert (fe.sample_rate, fe.window, fe.hop, fe.n_fft, fe.hop_length, fe.bands) == (8000, 96, 48, 64, 32, 4)
    assert (fe.scale, fe.padding, fe.frames, fe.pad_before) == (fmt.SCALE_MEL, fmt.PADDING_VALID, 2, 0)
    assert (fe.fmin, fe.fmax, fe.floor, fe.dynamic_range) == (125, 4000, 2**-20, 16)
    assert (fe.norm_scale, fe.norm_shift) == (0.125, 2)
    assert (reader.labels, list(reader.thresholds), list(reader.expected())) == ([], [], [1.25, 0])
    assert json.loads(reader.provenance()) == {"tool": "hand"}
    assert reader.chunk_bytes == 44
    (layer,) = reader.layers
    assert record(layer) == ("c1", fmt.CONV, fmt.RELU, fmt.ALL, 0, 1, 2, 2, 4, 1, 0, 56, 10, 0, 2, 4, 9, 1, 1, 2)
    centre = [0, 0, 0, 0, 0.5, 0, 0, 0, 0]
    falling = [-(i + 1) / 8 for i in range(9)]
    assert decoded(reader, layer) == [(0.25, dict(enumerate(centre))), (-1.5, dict(enumerate(falling)))]


def test_reader_reads_the_sparse_file():
    reader = Reader(models.stream(SPARSE))
    verify(reader)
    assert (reader.version, reader.length, reader.crc, reader.seed) == (1, 372, 0x62E9EFB8, 12345)
    assert reader.sections == {
        "FRONTEND": (88, 48),
        "LAYERS": (136, 96),
        "LABELS": (232, 27),
        "SELFTEST": (260, 24),
        "PROVENANCE": (284, 16),
        "WEIGHTS": (300, 72),
    }
    fe = reader.frontend
    assert (fe.sample_rate, fe.window, fe.hop, fe.n_fft, fe.hop_length, fe.bands) == (16000, 288, 160, 64, 32, 33)
    assert (fe.scale, fe.padding, fe.frames, fe.pad_before) == (fmt.SCALE_LINEAR, fmt.PADDING_VALID, 8, 0)
    assert (fe.fmin, fe.fmax, fe.floor, fe.dynamic_range) == (0, 8000, 2**-20, 80)
    assert (fe.norm_scale, fe.norm_shift) == (1, 0)
    assert (reader.labels, list(reader.thresholds)) == (["a", "é", "b", "c"], [0.5, 0.25, 1, 0])
    assert list(reader.expected()) == [-1, -3, 0.75, 3071.5]
    assert json.loads(reader.provenance()) == {"tool": "hand"}
    assert reader.chunk_bytes == 40
    conv, head = reader.layers
    assert record(conv) == ("c1", fmt.CONV, fmt.NONE, fmt.BYTE_GAPS, 0, 1, 1, 1, 1, 1, 0, 20, 0, 0, 8, 33, 9, 8, 33, 264)
    assert record(head) == ("head", fmt.DENSE, fmt.NONE, fmt.BYTE_GAPS, 0, 264, 4, 1, 1, 1, 20, 52, 4, 0, 1, 1, 264, 1, 1, 4)
    assert decoded(reader, conv) == [(1.5, {})]
    assert decoded(reader, head) == [(0.5, {0: 1, 263: -2}), (-3, {}), (0, {255: 0.5}), (1, {254: 2047})]


def test_reader_finds_the_parts_of_a_chunk():
    reader = Reader(models.stream(SPARSE))
    buffer = bytearray(reader.chunk_bytes)
    (chunk,) = reader.chunks(reader.layers[1], buffer)
    assert (chunk.at, chunk.filters, chunk.n_values, chunk.n_position_bytes) == (332, 4, 4, 6)
    assert (chunk.biases, chunk.counts, chunk.values, chunk.positions) == (0, 16, 24, 32)
    assert [chunk.count(buffer, f) for f in range(4)] == [2, 0, 1, 1]
    assert [chunk.bias(buffer, f) for f in range(4)] == [0.5, -3, 0, 1]
