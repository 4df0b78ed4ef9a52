"""The networks: the papers' parameter counts, their shapes, weights that are shared, published weights, export."""

import importlib.util

import numpy as np
import pytest
from support import require

from l3host.errors import L3Error
from l3host.graph import frontend

require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")

from l3host.train import networks  # noqa: E402
from l3host.train.backend import keras  # noqa: E402

SMALL = (4, 4, 6, 6, 8, 8, 10, 10)
# Table I of the EdgeL3 paper: parameters (kernel and bias) of conv1 ... conv8
TABLE_I = [640, 36_928, 73_856, 147_584, 295_168, 590_080, 1_180_160, 2_359_808]


def noise(model, n=2, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, *model.input_shape[1:])).astype(np.float32)


# -- sizes


def test_l3_audio_has_table_1s_parameters():
    model = networks.audio(frontend("mel256"))
    assert [conv.count_params() for conv in networks.convolutions(model)] == TABLE_I
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 4_688_066  # with the batch norms, the input's too
    assert model.get_layer("relu8").output.shape == (None, 32, 24, 512)  # what the 32 x 24 pool takes
    assert model.output_shape == (None, 512)


def test_sea_64_has_its_parameters():
    model = networks.audio(frontend("sea"), networks.SEA_FILTERS[64])
    assert sum(conv.count_params() for conv in networks.convolutions(model)) == 397_152
    assert model.count_params() - 397_152 == 2_308
    assert model.get_layer("relu8").output.shape == (None, 8, 6, 64)


def test_a_bare_last_convolution_has_no_batch_norm():
    model = networks.audio(frontend("mel256"), final_norm=False)
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 4_688_066 - 2 * 512
    assert [layer.name for layer in model.layers[-2:]] == ["conv8", "embedding"]


def test_video_and_fusion_have_the_papers_shape():
    video = networks.video()
    assert [conv.count_params() for conv in networks.convolutions(video)] == [1_792, *TABLE_I[1:]]
    assert video.get_layer("relu8").output.shape == (None, 28, 28, 512)
    net = networks.avc(networks.audio(frontend("mel256")), video)
    assert net.get_layer("fusion").output.shape == (None, 1024)
    assert net.get_layer("fusion_dense").count_params() == 1024 * 128 + 128
    assert net.output_shape == (None, 2)
    video.trainable = False
    assert len(net.trainable_weights) == len(net.get_layer("audio").trainable_weights) + 4


@pytest.mark.parametrize("depth", [5, 6, 7])
def test_fewer_convolutions(depth):
    model = networks.audio(frontend("sea"), SMALL[:depth], final_norm=False)
    assert model.output_shape == (None, SMALL[depth - 1])
    assert model.get_layer(f"conv{depth}").output.shape[1:3] == ((16, 12) if depth < 7 else (8, 6))


# -- weights are shared, not copied


def test_the_published_embedding_is_tapped_before_batch_norm():
    trained = networks.audio(frontend("sea"), SMALL)
    trained.get_layer("bn8").moving_mean.assign(np.full(10, 5.0))
    bare = networks.embedding(trained, final_norm=False)
    waves = noise(trained)
    plane = keras.Model(trained.input, trained.get_layer("conv8").output)(waves).numpy()
    np.testing.assert_array_equal(bare(waves), plane.max(axis=(1, 2)))
    trained.get_layer("conv1").kernel.assign_add(np.ones((3, 3, 1, 4)))
    assert not np.allclose(bare(waves), plane.max(axis=(1, 2)))


def test_a_classifier_keeps_its_embedding_network():
    model = networks.classifier(networks.audio(frontend("sea"), SMALL), 3, 0.5)
    waves = noise(model)
    embedded = networks.embedding(model, final_norm=True)(waves).numpy()
    kernel, bias = (w.numpy() for w in model.get_layer("dense").weights)
    logits = np.exp(embedded @ kernel + bias)
    np.testing.assert_allclose(model(waves), logits / logits.sum(axis=1, keepdims=True), rtol=1e-4)


def test_architecture_is_what_it_was_built_with():
    for built in ((SMALL, True, True), (SMALL[:5], False, False)):
        model = networks.audio(frontend("sea"), *built)
        found = networks.architecture(model)
        assert (vars(found.frontend), *found[1:]) == (vars(frontend("sea")), *built)
        assert found == networks.architecture(networks.classifier(model, 2, 0.0))


# -- refusals


def test_networks_that_cannot_be_built():
    fe = frontend("sea")
    with pytest.raises(L3Error, match="one positive number for each convolution"):
        networks.audio(fe, ())
    with pytest.raises(L3Error, match=r"filters \(4, 0\)"):
        networks.audio(fe, (4, 0))
    fe.bands = 4
    with pytest.raises(L3Error, match="4 x 50 is too small for 3 pools"):
        networks.audio(fe, SMALL)


def test_what_is_not_ours():
    with pytest.raises(L3Error, match="model video is no L3 audio network"):
        networks.architecture(networks.video(SMALL))
    with pytest.raises(L3Error, match="no batch norm after its last convolution"):
        networks.embedding(networks.audio(frontend("sea"), SMALL, final_norm=False), final_norm=True)
