"""Dead filters leave the file: the network without them computes the same, in floats and bit for bit."""

from dataclasses import replace
from io import BytesIO

import models
import numpy as np
import pytest
from shapes import graph_of, noise

from l3host.graph.dead import without_dead_filters
from l3host.l3m.finish import finish
from l3host.l3m.writer import to_bytes
from l3host.reference import fixed_point, floats
from l3mote.format import CONV
from l3mote.reader import Reader


def network(activation="relu"):
    """Three convolutions of 6, 6 and 8 filters; those of the first two, by their number:

    first: 1 gives zero with a ReLU, 2 a constant that the next one weighs all around, 3 one that it weighs in the middle alone,
    4 is not read. second: 0 has weights for the first's 1 alone, 5 is the only one to read the first's 5, and is not read.
    """
    rng = np.random.default_rng(7)
    first, second, third = (
        models.conv(rng, name, n, m, activation=activation) for name, n, m in (("a", 1, 6), ("b", 6, 6), ("c", 6, 8))
    )
    first.kernel[..., [1, 2, 3]] = 0
    first.bias[[1, 2, 3]] = -0.5, 0.25, 0.75
    middle = second.kernel[1, 1, 3].copy()
    second.kernel[:, :, 3] = 0
    second.kernel[1, 1, 3] = middle
    second.kernel[:, :, 4] = 0
    second.kernel[:, :, 5, :5] = 0
    second.kernel[:, :, [0, 2, 3, 5], 0] = 0
    second.bias[0] = -1
    third.kernel[:, :, 5] = 0
    head = models.dense(rng, "head", 8 * 4 * 2, 3)
    return models.Graph(models.frontend(), [first, second, third, head])


def windows(graph):
    return np.random.default_rng(3).normal(0, 0.1, (4, graph.frontend.window))


def test_each_kind_of_dead_filter_goes_and_the_outputs_stay():
    graph = network()
    small, lost = without_dead_filters(graph)
    assert lost == {"a": 4, "b": 2}  # a: 1, 3, 4, 5; b: 0, 5
    assert [conv.kernel.shape for conv in small.convs] == [(3, 3, 1, 2), (3, 3, 2, 4), (3, 3, 4, 8)]
    before, after = floats.run(graph, windows(graph)), floats.run(small, windows(graph))
    np.testing.assert_allclose(after.output, before.output, rtol=0, atol=1e-12)
    np.testing.assert_allclose(after.embedding, before.embedding, rtol=0, atol=1e-12)


def test_a_constant_moves_only_where_the_zero_border_does_not_see_it():
    graph = network()
    assert without_dead_filters(graph)[0].convs[0].bias[1] == 0.25  # the first's 2 stays
    moved = without_dead_filters(graph)[0].convs[1].bias
    np.testing.assert_allclose(moved, graph.convs[1].bias[1:5] + 0.75 * graph.convs[1].kernel[1, 1, 3, 1:5])


def test_without_a_relu_a_negative_constant_is_one():
    graph = network("none")
    small, lost = without_dead_filters(graph)
    assert lost == {"a": 3, "b": 1}  # not a's 1, whose -0.5 b weighs all around, nor b's 0, which has its weights
    np.testing.assert_allclose(
        floats.run(small, windows(graph)).output, floats.run(graph, windows(graph)).output, rtol=0, atol=1e-12
    )


def test_a_layer_keeps_one_filter():
    graph = network()
    graph.convs[1].kernel[:] = 0
    graph.convs[1].bias[:] = -1
    small, _ = without_dead_filters(graph)
    assert [len(conv.bias) for conv in small.convs] == [1, 1, 8]
    np.testing.assert_allclose(
        floats.run(small, windows(graph)).output, floats.run(graph, windows(graph)).output, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("shape", ["all-zero filters", "nearly empty", "more than 255 taps apart"])
def test_integers_are_the_same_bit_for_bit(shape):
    """With the scales of the filters that stay. Constants other than zero are rounded elsewhere, so there are none."""
    graph = graph_of(shape)
    scales = graph.fixed
    for conv in graph.convs:
        conv.bias[~conv.kernel.any(axis=(0, 1, 2))] = -0.25
    small, lost = without_dead_filters(graph)
    assert lost
    layers = []
    for old, new, scale in zip(graph.layers, small.layers, scales.layers, strict=True):
        kept, there = [], list(old.bias)
        for bias in new.bias:  # in their order
            kept.append(there.index(bias, kept[-1] + 1 if kept else 0))
        layers.append(replace(scale, shifts=scale.shifts[kept]))
    pcm = noise(graph.frontend, 3)
    before, after = fixed_point.run(graph, scales, pcm), fixed_point.run(small, replace(scales, layers=layers), pcm)
    np.testing.assert_array_equal(after.flat, before.flat)


def test_the_file_has_no_dead_filters_and_says_so():
    graph = network()
    pcm = noise(graph.frontend, 4)
    done = finish(graph, windows=pcm, sounds="noise")
    assert done.provenance["passes"][0] == "dead filters removed: a 4, b 2"
    reader = Reader(BytesIO(to_bytes(done)))
    assert [layer.outputs for layer in reader.layers if layer.kind == CONV] == [2, 4, 8]
    again = finish(done)  # whose scales are of these filters
    assert again.provenance == done.provenance and again.fixed is done.fixed
