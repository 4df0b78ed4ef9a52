"""What the mutated files of fuzz.py reach, 1,000 of them on ulab, and random graphs through the writer and the reader."""

import tempfile
from pathlib import Path

import fuzz
import models
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import require

from l3host.errors import L3Error
from l3host.graph.network import Conv, Dense, Graph
from l3host.l3m import writer
from l3host.l3m.load import load_graph
from l3mote.reader import Reader
from l3mote.verify import verify


def test_mutated_files_in_micropython_with_ulab():
    """wasm has the kernel on ulab; attack/test_attack.py runs the others, and CPython."""
    try:
        outcomes = fuzz.run_micropython(1000, "wasm")
    except L3Error as e:
        require(False, str(e))
    assert set(outcomes) <= set(fuzz.OUTCOMES)


def test_mutations_reach_every_check():
    """Each kind of refusal that the reader and verify know comes up among the first files."""
    corpus = fuzz.seeds()
    messages = []
    for index in range(6000):
        try:
            verify(Reader(models.stream(fuzz.mutate(index, corpus))))
        except fuzz.FormatError as e:
            messages.append(str(e))
    for part in (
        "truncated", "trailing bytes", "magic", "version", "crc32 at byte 12", "has kind", "overlaps", "out of range", "FRONTEND",
        "unknown layer kind", "unknown activation", "unknown encoding", "reserved", "inputs is", "pool of", "nonzeros is",
        "labels for",
        "not UTF-8", "outputs, the network has", "crc32 differs", "does not fit", "values of", "outside the filter",
        "not a normal number", "is not finite", "padding", "no palette", "palette value", "half a position byte", "a bitmap has",
        "an input scale is", "silence is", "counts add up", "a band ends at bin", "add up to", "scales of layer", "its tables take",
    ):  # fmt: skip
        assert any(part in message for message in messages), part


def test_mutations_are_the_same_each_time():
    corpus = fuzz.seeds()
    assert [fuzz.mutate(i, corpus) for i in range(200)] == [fuzz.mutate(i, list(corpus)) for i in range(200)]
    assert len({fuzz.mutate(i, corpus) for i in range(1000)}) > 800


# -- writer -> reader

PLAIN = st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"])  # what names and labels are of
NAMES = st.text(PLAIN, max_size=5).filter(lambda s: len(s.encode()) <= 16)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
LIMITS = st.sampled_from([0.0, 1.0, -1.0, 65504.0, -65504.0, 2.0**-14, 2.0**-15, 1e-9, 1 / 3])
FLOATS = st.floats(-1000, 1000, width=32)


@st.composite
def graphs(draw):
    """Up to three convolutions and two dense layers with weights of every density, extremes among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale, padding = draw(st.sampled_from([(1, 0), (1, 1), (0, 0)]))
    front = models.frontend(scale=scale, padding=padding, bands=draw(st.integers(1, 12)) if scale else 33)
    graph, channels = Graph(front, []), 1
    for _ in range(draw(st.integers(1, 3))):
        bands, frames, _ = graph.planes()[-1]
        pool = (draw(st.integers(1, bands)), draw(st.integers(1, frames)))
        outputs = draw(st.integers(1, 6))
        activation = draw(st.sampled_from(["none", "relu"]))
        graph.layers.append(models.conv(rng, draw(NAMES), channels, outputs, draw(st.floats(0, 1)), pool, activation))
        channels = outputs
    size = graph.embedding_size
    for _ in range(draw(st.integers(0, 2))):
        outputs = draw(st.integers(1, 5))
        activation = draw(st.sampled_from(["none", "relu", "softmax", "sigmoid"]))
        graph.layers.append(models.dense(rng, draw(NAMES), size, outputs, draw(st.floats(0, 1)), activation))
        size = outputs
    for layer in graph.layers:
        layer.kernel.reshape(-1)[rng.integers(layer.kernel.size)] = draw(LIMITS) * (0.01 if graph.denses else 1)
        layer.bias[0] = draw(FLOATS)
    if graph.denses and draw(st.booleans()):
        graph.labels = draw(st.lists(st.text(PLAIN, min_size=1, max_size=20), min_size=size, max_size=size, unique=True))
        graph.thresholds = draw(st.lists(FLOATS, min_size=size, max_size=size))
    graph.provenance = draw(st.dictionaries(TEXT, TEXT, max_size=3))
    return graph


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_what_the_writer_writes_the_reader_reads(graph):
    written_and_read(graph, "auto")
    graph = models.in_palettes(graph)
    written_and_read(graph, [writer.LOSSLESS[-1 - i] if layer.kernel.any() else 0 for i, layer in enumerate(graph.layers)])


def written_and_read(graph, encoding):
    data = writer.to_bytes(graph, encoding)
    verify(Reader(models.stream(data)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.l3m"
        path.write_bytes(data)
        same(load_graph(str(path)), writer.rounded(graph))


def same(a, b):
    """Two graphs are equal, to the bit."""
    for name in b.frontend.FIELDS:
        assert np.float32(getattr(a.frontend, name)) == np.float32(getattr(b.frontend, name))
    thresholds = [2.0 if b.labels[i].startswith("_") else t for i, t in enumerate(b.thresholds)]  # 2: never reached
    assert (a.labels, a.thresholds, a.provenance) == (b.labels, thresholds, b.provenance)
    for x, y in zip(a.layers, b.layers, strict=True):
        assert (type(x), x.name, x.activation) == (type(y), y.name, y.activation)
        assert isinstance(x, Dense) or (isinstance(x, Conv) and x.pool == y.pool)
        np.testing.assert_array_equal(x.kernel, y.kernel)
        np.testing.assert_array_equal(x.bias, y.bias)
