"""What the writer does to weights, how it packs them, and what it refuses."""

import json
import struct

import models
import numpy as np
import pytest

from l3host.errors import L3Error
from l3host.graph.half import flushed
from l3host.graph.network import Conv, Dense, Graph
from l3host.l3m import writer
from l3host.l3m.load import load_graph
from l3mote import format as fmt
from l3mote.reader import Reader
from l3mote.verify import verify


def head(weights, bias=None, **changes) -> Graph:
    """A dense layer with these weights, (inputs, outputs), behind a convolution that yields as many values."""
    inputs, outputs = weights.shape
    conv = Conv("conv1", np.zeros((3, 3, 1, inputs)), np.ones(inputs), "relu", (4, 2))
    bias = np.zeros(outputs) if bias is None else bias
    return Graph(models.frontend(), [conv, Dense("head", weights, bias)], **changes)


def chunks(data, layer=-1):
    """[(filters, bytes of positions, bytes of payload)] of a layer."""
    reader = Reader(models.stream(data))
    record = reader.layers[layer]
    place = reader.sections["WEIGHTS"][0] + record.offset
    result = []
    for _ in range(record.chunks):
        result.append(struct.unpack_from("<HHI", data, place))
        place += 12 + result[-1][2]
    return result


def encodings(graph):
    return [layer.encoding for layer in Reader(models.stream(writer.to_bytes(graph))).layers]


# -- float16

ROUNDED = [
    (1 / 3, 0.333251953125), (1.0, 1.0), (-0.1, -0.0999755859375), (2049.0, 2048.0), (2051.0, 2052.0),
    (65504.0, 65504.0), (-65504.0, -65504.0),
    (2.0**-14, 2.0**-14), (2.0**-14 * (1 - 2.0**-12), 2.0**-14),  # rounds up to the smallest normal number
    (2.0**-14 * 0.999, 0.0), (-(2.0**-15), 0.0), (1e-9, 0.0), (-1e-300, 0.0), (0.0, 0.0), (-0.0, 0.0),
]  # fmt: skip


@pytest.mark.parametrize("value,expected", ROUNDED)
def test_weights_round_to_float16(value, expected):
    half, _ = writer.to_half(np.array([value]))
    assert half.dtype == np.float16
    assert float(half[0]) == expected
    assert not np.signbit(half[0]) or expected < 0


def test_flushed_weights_are_counted():
    weights = np.array([1.0, 2.0**-15, -1e-5, 1e-9, 0.0, 2.0**-14])
    half, count = writer.to_half(weights)
    assert count == 2  # 1e-9 rounds to zero by itself
    assert half.tolist() == [1.0, 0, 0, 0, 0, 2.0**-14]
    graph = models.tiny()
    graph.layers[0].kernel[0, 0, 0, 0] = 2.0**-15
    assert flushed(graph) == 1
    assert Reader(models.stream(writer.to_bytes(graph))).layers[0].nonzeros == 17


@pytest.mark.parametrize("value", [65505.0, -65536.0, 1e30, np.inf, -np.inf, np.nan])
def test_weights_that_overflow(value):
    with pytest.raises(L3Error, match="does not fit float16"):
        writer.to_half(np.array([0.0, value]))
    graph = models.tiny()
    graph.layers[0].kernel[1, 2, 0, 1] = value
    with pytest.raises(L3Error, match="layer conv1: .*(float16|not finite)"):
        writer.to_bytes(graph)
    with pytest.raises(L3Error, match="layer conv1: .*float16"):
        writer.rounded(graph)


@pytest.mark.parametrize("value", [1e39, np.inf, np.nan])
def test_biases_that_overflow(value):
    graph = models.tiny()
    graph.layers[0].bias[1] = value
    with pytest.raises(L3Error, match="layer conv1: .*(float32|not finite)"):
        writer.to_bytes(graph)


# -- encodings


CODES = [(1.0, fmt.ALL), (0.95, fmt.ALL), (0.8, fmt.BITMAP), (0.4, fmt.BITMAP), (0.15, fmt.NIBBLE_GAPS), (0.02, fmt.BYTE_GAPS)]


@pytest.mark.parametrize("density,code", CODES)
def test_the_smallest_encoding_is_chosen(density, code):
    """A weight takes 2 bytes dense; a value 3 in byte gaps, 2.5 in short nibble gaps; and in a bitmap 2, 1/8 a weight."""
    rng = np.random.default_rng(1)
    graph = head(models.kernel(rng, (1200, 20), density))
    assert encodings(graph)[1] == code
    sizes = {e: len(writer.to_bytes(graph, [fmt.ALL, e])) for e in writer.FLOAT16}
    assert sizes[code] == min(sizes.values()) == len(writer.to_bytes(graph, [0, code])) < sorted(sizes.values())[1]


def test_each_layer_has_its_own_encoding():
    graph = models.small()
    result = encodings(graph)
    assert result[::2] == [fmt.ALL] * 5 and set(result[1::2]) <= set(writer.FLOAT16[1:])
    nonzeros = [layer.nonzeros for layer in Reader(models.stream(models.data(graph))).layers]
    assert nonzeros == [np.count_nonzero(layer.kernel) for layer in graph.layers]


POSITIONS = {
    (): ("", "", ""),
    (0,): ("00", "00", "01"),
    (0, 1, 2): ("000000", "0000", "07"),
    (14,): ("0e", "0e", "0040"),
    (15,): ("0f", "0f", "0080"),
    (29, 30): ("1d00", "ef00", "00000060"),
    (254,): ("fe", "ff" * 8 + "0e", "00" * 31 + "40"),
    (255,): ("ff00", "ff" * 8 + "0f", "00" * 31 + "80"),
    (3, 4, 300): ("0300ff28", "03" + "ff" * 9 + "af", "18" + "00" * 36 + "10"),
    (509,): ("fffe", None, None),
    (510,): ("ffff00", None, None),
}


@pytest.mark.parametrize("positions", POSITIONS)
def test_position_bytes(positions):
    """As many weights as there must be, so that a bitmap ends with the last."""
    row = np.zeros(max(positions, default=-1) + 1, np.float16)
    row[list(positions)] = 1
    for code, expected in zip((fmt.BYTE_GAPS, fmt.NIBBLE_GAPS, fmt.BITMAP), POSITIONS[positions], strict=True):
        assert expected is None or writer.position_bytes(row, code).hex() == expected, code


# -- chunks


def test_chunks_hold_as_many_whole_filters_as_fit_the_target():
    data = writer.to_bytes(head(np.ones((510, 10))), "f16")  # 4 + 1020 bytes a filter: 4 of them are 4096
    assert chunks(data) == [(4, 0, 4096), (4, 0, 4096), (2, 0, 2048)]
    data = writer.to_bytes(head(np.ones((511, 10))), "f16")  # 1026 bytes: 3
    assert chunks(data) == [(3, 0, 3080)] * 3 + [(1, 0, 1028)]


def test_sparse_chunks_too():
    rng = np.random.default_rng(2)
    data = writer.to_bytes(head(models.kernel(rng, (2400, 40), 0.2)))
    result = chunks(data)
    assert sum(filters for filters, _, _ in result) == 40
    assert len(result) > 3
    assert all(2600 < payload <= fmt.CHUNK_TARGET for _, _, payload in result[:-1])


def test_a_filter_larger_than_the_target_is_a_chunk_of_its_own():
    assert chunks(writer.to_bytes(head(np.ones((2500, 3))), "f16")) == [(1, 0, 5004)] * 3
    largest = (fmt.CHUNK_LIMIT - 4) // 2
    assert chunks(conv_free(np.ones((largest, 1)))) == [(1, 0, fmt.CHUNK_LIMIT)]


def conv_free(weights):
    """A dense layer on the whole plane of a one-filter convolution, with more inputs than a convolution has outputs."""
    inputs = len(weights)
    bands = next(b for b in range(100, 0, -1) if inputs % b == 0)
    plane = models.frontend(sample_rate=8000, fmax=4000.0, n_fft=256, window=inputs // bands, hop_length=1, bands=bands, padding=1)
    conv = Conv("conv1", np.zeros((3, 3, 1, 1)), np.ones(1))
    return writer.to_bytes(Graph(plane, [conv, Dense("head", weights, np.zeros(weights.shape[1]))]), "f16")


def test_a_filter_larger_than_a_chunk():
    too_many = (fmt.CHUNK_LIMIT - 4) // 2 + 2
    with pytest.raises(L3Error, match="layer head: one filter takes .* bytes, a chunk holds 16384"):
        conv_free(np.ones((too_many, 1)))


def test_a_filter_that_only_fits_a_chunk_when_sparse():
    weights = np.zeros(((fmt.CHUNK_LIMIT - 4) // 2 + 2, 1))
    weights[::100] = 1
    data = conv_free(weights)
    assert Reader(models.stream(data)).layers[1].encoding == fmt.BYTE_GAPS
    assert len(chunks(data)) == 1


# -- texts


def test_long_texts_fit_exactly():
    graph = head(np.ones((4, 1)), labels=["ä" * 127 + "x"])
    graph.layers[0].name = "é" * 8
    reader = Reader(models.stream(writer.to_bytes(graph)))
    assert (reader.layers[0].name, reader.labels) == ("é" * 8, graph.labels)


@pytest.mark.parametrize("name", ["seventeen bytes.x", "é" * 9])
def test_name_too_long(name):
    graph = models.tiny()
    graph.layers[0].name = name
    with pytest.raises(L3Error, match="the name is longer than 16 bytes"):
        writer.to_bytes(graph)


@pytest.mark.parametrize("name", ["a\0b", "a\0"])
def test_name_with_a_zero_byte(name):
    graph = models.tiny()
    graph.layers[0].name = name
    with pytest.raises(L3Error, match="control characters"):
        writer.to_bytes(graph)


def test_label_too_long():
    with pytest.raises(L3Error, match="label ääää.* is longer than 255 bytes"):
        writer.to_bytes(head(np.ones((4, 1)), labels=["ä" * 128]))


def test_labels_too_long_together():
    with pytest.raises(L3Error, match="LABELS"):
        writer.to_bytes(head(np.ones((4, 300)), labels=[f"{i:0255d}" for i in range(300)]))


def test_provenance_too_long():
    graph = models.tiny()
    graph.provenance = {"source": "x" * fmt.MAX_TEXT}
    with pytest.raises(L3Error, match="provenance of 65550 bytes: at most 65536"):
        writer.to_bytes(graph)


def test_provenance_is_json_with_sorted_keys():
    graph = models.tiny()
    graph.provenance = {"tool": "é", "licence": "CC0", "passes": [{"name": "prune"}]}
    text = Reader(models.stream(writer.to_bytes(graph))).provenance()
    assert json.loads(text) == graph.provenance
    assert text == '{"licence": "CC0", "passes": [{"name": "prune"}], "tool": "é"}'


# -- shapes that the format cannot hold


def test_thresholds_default_to_a_half():
    graph = models.classifier()
    graph.thresholds = []
    assert list(Reader(models.stream(writer.to_bytes(graph))).thresholds) == [0.5, 0.5]


def test_thresholds_and_labels_differ_in_number():
    graph = models.classifier()
    graph.thresholds = [0.5]
    with pytest.raises(L3Error, match="1 thresholds for 2 labels"):
        writer.to_bytes(graph)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_threshold_not_finite(value):
    graph = models.classifier()
    graph.thresholds = [0.5, value]
    with pytest.raises(L3Error, match="the format cannot hold this network"):
        writer.to_bytes(graph)


def test_more_outputs_than_a_layer_has():
    with pytest.raises(L3Error, match="the format cannot hold this network: .*outputs is 4097"):
        writer.to_bytes(head(np.zeros((1, 4097))))


def test_an_embedding_too_large_for_the_selftest():
    graph = Graph(models.frontend(window=2048, padding=1, hop_length=4), [Conv("c", np.zeros((3, 3, 1, 64)), np.ones(64))])
    assert graph.embedding_size > 65535
    with pytest.raises(L3Error, match="the format cannot hold this network"):
        writer.to_bytes(graph)


def test_a_front_end_out_of_range():
    graph = models.tiny()
    graph.frontend.n_fft = 100
    with pytest.raises(L3Error, match="front-end: field n_fft is out of range"):
        writer.to_bytes(graph)


# -- the whole file


def test_bytes_are_the_same_each_time():
    assert writer.to_bytes(models.small(3)) == writer.to_bytes(models.small(3))
    assert writer.to_bytes(models.small(3)) != writer.to_bytes(models.small(4))


def test_the_graph_is_not_changed():
    graph, same = models.small(), models.small()
    writer.to_bytes(graph)
    for a, b in zip(graph.layers, same.layers, strict=True):
        np.testing.assert_array_equal(a.kernel, b.kernel)
        assert a.kernel.dtype == np.float64


@pytest.mark.parametrize("graph", [models.tiny(), models.small(), models.classifier()], ids=["tiny", "small", "classifier"])
def test_loading_gives_the_rounded_graph(graph, tmp_path):
    path = tmp_path / "model.l3m"
    path.write_bytes(writer.to_bytes(graph))
    loaded, rounded = load_graph(str(path)), writer.rounded(graph)
    assert (loaded.labels, loaded.thresholds, loaded.provenance) == (graph.labels, graph.thresholds, graph.provenance)
    for a, b in zip(loaded.layers, rounded.layers, strict=True):
        assert (type(a), a.name, a.activation) == (type(b), b.name, b.activation)
        assert not isinstance(a, Conv) or a.pool == b.pool
        np.testing.assert_array_equal(a.kernel, b.kernel)
        np.testing.assert_array_equal(a.bias, b.bias)
    assert writer.to_bytes(loaded) == path.read_bytes()


@pytest.mark.parametrize("graph", [models.tiny(), models.small(), models.classifier()], ids=["tiny", "small", "classifier"])
def test_the_header_and_the_table_are_aligned(graph):
    data = models.data(graph)
    verify(Reader(models.stream(data)))
    assert len(data) % 4 == 0
    assert struct.unpack_from("<4sHHI", data) == (b"\x89L3M", 1, 6, len(data))
    assert all(offset % 4 == 0 for offset, _ in models.sections(data))
