"""Ablation: what a smaller network computes, against the big one in NumPy."""

import importlib.util

import keras_files as kf
import numpy as np
import pytest
from support import require

from l3convert import convert
from l3host.errors import L3Error
from l3host.reference import floats

require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")

from l3host.compress import ablate  # noqa: E402
from l3host.networks import build, weights  # noqa: E402

SMALL = (4, 4, 6, 6, 8, 8, 10, 10)
NARROW = (4, 3, 4, 6, 5, 2, 7, 4)


def noise(n=3):
    return np.random.default_rng(0).uniform(-1, 1, (n, 8000)).astype(np.float32)


@pytest.fixture(scope="module", params=[True, False], ids=["sea", "edgel3"])
def big(request, tmp_path_factory):
    """(network, its file): random weights, batch norms too."""
    path = kf.write_h5(tmp_path_factory.mktemp("big") / "big.h5", kf.published("sea", SMALL, request.param), whole=False)
    return weights.load(path), path


def close(got, expected):
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())
    assert np.ptp(expected) > 0.01


@pytest.mark.parametrize("depth", [5, 6, 7, 8])
def test_depth_taps_an_earlier_convolution(big, depth):
    model, path = big
    small = ablate.depth(model, depth)
    shape = build.architecture(model)
    assert build.architecture(small)[1:] == (SMALL[:depth], shape.final_norm, True)
    graph = convert(path)
    last = graph.convs[depth - 1]
    if not shape.final_norm and depth < 8:  # the file's convolution before its batch norm, which convert has folded
        raw = {layer.name: layer for layer in kf.published("sea", SMALL, False)}[f"conv2d_{depth}"]
        last.kernel, last.bias = raw.weights["kernel"], raw.weights["bias"]
    plane = floats.normalised(graph, noise())
    before = floats.network(graph, plane).outputs[depth - 2]
    expected = floats.activate(floats.conv3x3(before, last), "relu" if shape.final_norm else "none")
    close(small(noise()), expected.max(axis=(1, 2)))


def test_width_is_the_big_network_without_its_weakest_filters(big):
    """The reference runs the big network with the dropped filters silenced: nothing else may change."""
    model, path = big
    small = ablate.width(model, NARROW)
    assert build.architecture(small).filters == NARROW
    graph = convert(path)
    raw = [layer for layer in kf.published("sea", SMALL, True) if layer.class_name == "Conv2D"]
    for conv, layer, count in zip(graph.convs, raw, NARROW, strict=True):
        norms = [np.abs(layer.weights["kernel"][..., o]).sum() for o in range(conv.kernel.shape[3])]
        dropped = sorted(range(len(norms)), key=norms.__getitem__)[: len(norms) - count]
        conv.kernel[..., dropped] = 0
        conv.bias[dropped] = 0
    kept = [o for o in range(SMALL[-1]) if o not in dropped]
    embedding = floats.run(graph, noise()).embedding
    assert len(kept) == NARROW[-1] and not embedding[:, dropped].any()
    close(small(noise()), embedding[:, kept])


def test_the_same_width_is_the_same_network(big):
    np.testing.assert_array_equal(ablate.width(big[0], SMALL)(noise()), big[0](noise()))


def test_networks_without_biases():
    from l3host.graph.network import frontend

    model = build.classifier(build.audio(frontend("sea"), SMALL, use_bias=False), 2, 0.0)
    assert build.architecture(ablate.width(model, NARROW))[1:] == (NARROW, True, False)


def test_bad_cuts(big):
    model, _ = big
    for depth in (4, 9, 0):
        with pytest.raises(L3Error, match=f"depth {depth}: choose from 5 to 8 convolutions"):
            ablate.depth(model, depth)
    with pytest.raises(L3Error, match="depth 8: choose from 5 to 6"):
        ablate.depth(ablate.depth(model, 6), 8)
    with pytest.raises(L3Error, match="2 widths for 8 convolutions"):
        ablate.width(model, (4, 4))
    with pytest.raises(L3Error, match="layer conv3: 7 filters of 6"):
        ablate.width(model, (4, 4, 7, 6, 8, 8, 10, 10))
    with pytest.raises(L3Error, match="layer conv8: 0 filters of 10: keep at least one"):
        ablate.width(model, (4, 4, 6, 6, 8, 8, 10, 0))
