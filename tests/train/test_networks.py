"""The networks: the papers' parameter counts, their shapes, weights that are shared, published weights, export."""

import importlib.util
import sys
from types import SimpleNamespace

import keras_files as kf
import numpy as np
import pytest
from support import require, shared

from l3convert import convert
from l3host.errors import L3Error
from l3host.graph.network import frontend
from l3host.l3m.load import load_graph
from l3host.l3m.writer import to_bytes
from l3host.pipeline.stages import Run
from l3host.reference import floats
from l3mote.tolerances import EMBEDDING, EMBEDDING_TONE

require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")

from l3host.networks import build, layers, weights  # noqa: E402
from l3host.networks.backend import keras, tf  # noqa: E402

SMALL = (4, 4, 6, 6, 8, 8, 10, 10)
# Table I of the EdgeL3 paper: parameters (kernel and bias) of conv1 ... conv8
TABLE_I = [640, 36_928, 73_856, 147_584, 295_168, 590_080, 1_180_160, 2_359_808]


def noise(model, n=2, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, *model.input_shape[1:])).astype(np.float32)


# -- sizes


def test_l3_audio_has_table_1s_parameters():
    model = build.audio(frontend("mel256"))
    assert [conv.count_params() for conv in build.convolutions(model)] == TABLE_I
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 4_688_066  # with the batch norms, the input's too
    assert model.get_layer("relu8").output.shape == (None, 32, 24, 512)  # what the 32 x 24 pool takes
    assert model.output_shape == (None, 512)


def test_sea_64_has_its_parameters():
    model = build.audio(frontend("sea"), build.SEA_FILTERS[64])
    assert sum(conv.count_params() for conv in build.convolutions(model)) == 397_152
    assert model.count_params() - 397_152 == 2_308
    assert model.get_layer("relu8").output.shape == (None, 8, 6, 64)


def test_a_bare_last_convolution_has_no_batch_norm():
    model = build.audio(frontend("mel256"), final_norm=False)
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 4_688_066 - 2 * 512
    assert [layer.name for layer in model.layers[-2:]] == ["conv8", "embedding"]


def test_video_and_fusion_have_the_papers_shape():
    video = build.video()
    assert [conv.count_params() for conv in build.convolutions(video)] == [1_792, *TABLE_I[1:]]
    assert video.get_layer("relu8").output.shape == (None, 28, 28, 512)
    net = build.avc(build.audio(frontend("mel256")), video)
    assert net.get_layer("fusion").output.shape == (None, 1024)
    assert net.get_layer("fusion_dense").count_params() == 1024 * 128 + 128
    assert net.output_shape == (None, 2)
    video.trainable = False
    assert len(net.trainable_weights) == len(net.get_layer("audio").trainable_weights) + 4


@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras would rather write no .h5
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_video_network_that_holds_code_is_refused_and_the_code_does_not_run(suffix, tmp_path, monkeypatch):
    ran, path = [], str(tmp_path / f"video{suffix}")
    monkeypatch.setattr(sys, "l3mote_test_ran", ran, raising=False)
    code = keras.layers.Lambda(lambda x: [__import__("sys").l3mote_test_ran.append(1), x][1])
    keras.Sequential([keras.layers.Input((8, 8, 3)), code]).save(path)
    assert ran  # while it was built
    ran.clear()
    source = SimpleNamespace(source=SimpleNamespace(video=path), seed=1)
    with pytest.raises(L3Error, match="cannot read .* as a Keras model"):
        Run(source, tmp_path, {}, lambda *_: None).video()
    assert not ran


@pytest.mark.parametrize("depth", [5, 6, 7])
def test_fewer_convolutions(depth):
    model = build.audio(frontend("sea"), SMALL[:depth], final_norm=False)
    assert model.output_shape == (None, SMALL[depth - 1])
    assert model.get_layer(f"conv{depth}").output.shape[1:3] == ((16, 12) if depth < 7 else (8, 6))


# -- weights are shared, not copied


def test_the_published_embedding_is_tapped_before_batch_norm():
    trained = build.audio(frontend("sea"), SMALL)
    trained.get_layer("bn8").moving_mean.assign(np.full(10, 5.0))
    bare = build.embedding(trained, final_norm=False)
    waves = noise(trained)
    plane = keras.Model(trained.input, trained.get_layer("conv8").output)(waves).numpy()
    np.testing.assert_array_equal(bare(waves), plane.max(axis=(1, 2)))
    trained.get_layer("conv1").kernel.assign_add(np.ones((3, 3, 1, 4)))
    assert not np.allclose(bare(waves), plane.max(axis=(1, 2)))


def test_a_classifier_keeps_its_embedding_network():
    model = build.classifier(build.audio(frontend("sea"), SMALL), 3, 0.5)
    waves = noise(model)
    embedded = build.embedding(model, final_norm=True)(waves).numpy()
    kernel, bias = (w.numpy() for w in model.get_layer("dense").weights)
    logits = np.exp(embedded @ kernel + bias)
    np.testing.assert_allclose(model(waves), logits / logits.sum(axis=1, keepdims=True), rtol=1e-4)


def test_architecture_is_what_it_was_built_with():
    for built in ((SMALL, True, True), (SMALL[:5], False, False)):
        model = build.audio(frontend("sea"), *built)
        result = build.architecture(model)
        assert (vars(result.frontend), *result[1:]) == (vars(frontend("sea")), *built)
        assert result == build.architecture(build.classifier(model, 2, 0.0))


# -- weights of files


@pytest.mark.parametrize("name", ["synth_am_noise", "synth_drill_harmonics", "synth_white_noise", "wav_silence", "wav_chirp_8k"])
def test_published_weights_give_the_golden_embeddings(sea64, name):
    with np.load(shared(f"golden/{name}.npz")) as arrays:
        waves, expected = arrays.get("frames", arrays["audio"][None]), arrays["embedding"]
    assert np.abs(sea64(waves.astype(np.float32)) - expected).max() < (EMBEDDING_TONE if "chirp" in name else EMBEDDING)


@pytest.fixture(scope="module")
def sea64():
    return weights.load(str(shared("models/edgel3_sea_ust_audio_emb_64.h5")))


@pytest.fixture(scope="module", params=[True, False], ids=["sea", "edgel3"])
def published(request, tmp_path_factory):
    """(path, whether it ends in batch norm) of a weights-only file in the published layout, random weights."""
    path = tmp_path_factory.mktemp("weights") / "published.h5"
    return kf.write_h5(path, kf.published("sea", SMALL, request.param), whole=False), request.param


def test_loaded_weights_compute_what_the_converter_understood(published, tmp_path):
    path, pooled = published
    model = weights.load(path)
    assert build.architecture(model)[1:] == (SMALL, pooled, True)
    waves = noise(model)
    expected = floats.run(convert(path), waves).embedding
    np.testing.assert_allclose(model(waves), expected, atol=1e-4 * np.abs(expected).max())
    model.save(tmp_path / "again.keras")
    np.testing.assert_array_equal(weights.load(str(tmp_path / "again.keras"))(waves), model(waves))


def test_final_norm_can_be_added_or_left_out(published):
    path, pooled = published
    model = weights.load(path, final_norm=True)
    bare = weights.load(path, final_norm=False)
    waves = noise(model)
    np.testing.assert_array_equal(build.embedding(model, final_norm=False)(waves), bare(waves))
    if not pooled:  # the batch norm added is the identity, but for its epsilon
        np.testing.assert_allclose(model(waves), np.maximum(bare(waves), 0) / np.sqrt(1.001), rtol=1e-5)


def spoilt(edit):
    layers = kf.published("sea", SMALL, True)
    edit({layer.name: layer for layer in layers}, layers)
    return layers


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda named, layers: layers.remove(named["batch_normalization_4"]), "batch norm on its input and after every conv"),
        (lambda named, layers: named["batch_normalization_2"].config.update(epsilon=1e-5), "batch_normalization_2.*epsilon 1e-05"),
        (lambda named, layers: layers.remove(named["activation_3"]), "ReLU after every batch norm"),
        (lambda named, layers: layers.remove(named["max_pooling2d_2"]), "pools .* pools 2x2 after conv2, conv4 and conv6"),
    ],
)
def test_networks_of_another_shape_are_refused(edit, message, tmp_path):
    path = kf.write_h5(tmp_path / "other.h5", spoilt(edit))
    with pytest.raises(L3Error, match=f"^other.h5: .*{message}"):
        weights.load(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(L3Error, match="No such file"):
        weights.load(str(tmp_path / "absent.h5"))
    (tmp_path / "junk.h5").write_bytes(b"junk")
    with pytest.raises(L3Error, match="^junk.h5: unknown format"):
        weights.load(str(tmp_path / "junk.h5"))


def test_export_of_an_embedding_network(published, tmp_path):
    """Through the .l3m bytes and back: what the format computes is what Keras computes, and zeros stay zeros."""
    model = weights.load(published[0])
    kernel = build.convolutions(model)[3].kernel
    kernel.assign(kernel * (np.random.default_rng(1).random(kernel.shape) < 0.2))
    data = to_bytes(weights.to_graph(model, source="a test"))
    assert data == to_bytes(weights.to_graph(model, source="a test"))
    (tmp_path / "x.l3m").write_bytes(data)
    graph = load_graph(str(tmp_path / "x.l3m"))
    assert graph.provenance["source"] == "a test" and not graph.labels
    np.testing.assert_array_equal(graph.convs[3].kernel != 0, kernel.numpy() != 0)
    waves = noise(model)
    expected = model(waves).numpy()
    np.testing.assert_allclose(floats.run(graph, waves).embedding, expected, atol=5e-3 * np.abs(expected).max())


# -- refusals


def test_networks_that_cannot_be_built():
    fe = frontend("sea")
    with pytest.raises(L3Error, match="one positive number for each convolution"):
        build.audio(fe, ())
    with pytest.raises(L3Error, match=r"filters \(4, 0\)"):
        build.audio(fe, (4, 0))
    fe.bands = 4
    with pytest.raises(L3Error, match="4 x 50 is too small for 3 pools"):
        build.audio(fe, SMALL)


def test_what_is_not_ours():
    with pytest.raises(L3Error, match="model video is not an L3 audio network"):
        build.architecture(build.video(SMALL))
    with pytest.raises(L3Error, match="no batch norm after its last convolution"):
        build.embedding(build.audio(frontend("sea"), SMALL, final_norm=False), final_norm=True)


def test_fused_batch_norms_train_as_keras_own_do():
    keras.utils.set_random_seed(0)
    model = build.audio(frontend("sea"), (4, 4, 8, 8), use_bias=False)
    body = keras.Model(model.get_layer("log_mel").output, model.output)
    planes = tf.constant(np.random.default_rng(0).normal(-40, 20, (8, 64, 50, 1)).astype(np.float32))
    start, results = model.get_weights(), []
    for net in (body, layers.fused(body)):
        model.set_weights(start)
        with tf.GradientTape() as tape:
            embedding = net(planes, training=True)
            loss = tf.reduce_sum(embedding**2)
        gradients = [gradient.numpy().ravel() for gradient in tape.gradient(loss, model.trainable_variables)]
        results.append([embedding, np.concatenate(gradients), *model.get_weights(), net(planes)])
    for expected, actual in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * max(1, np.abs(expected).max()))
    assert not all((a == b).all() for a, b in zip(start, model.get_weights(), strict=True))  # the moving means moved
