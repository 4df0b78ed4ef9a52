"""Keras 3 writes a network, the converter reads it without Keras, and the reference computes what Keras computed."""

import os

import keras_files as kf
import numpy as np
import pytest
from support import require

from l3convert import convert
from l3host.graph.network import frontend
from l3host.reference import floats

RELATIVE = 1e-4


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
    except ImportError:
        keras = None
    require(keras, "Keras is not installed (pip install 'l3mote[train]')")
    return keras


def shake(model):
    """Random weights and batch norm statistics, as after training; Keras starts with ones and zeros."""
    rng = np.random.default_rng(7)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            arrays = [rng.uniform(0.5, 1.5, v.shape) if v.name in ("gamma", "moving_variance") else rng.normal(0, 0.3, v.shape)
                      for v in layer.weights]  # fmt: skip
            layer.set_weights(arrays)
        elif getattr(layer, "use_bias", False):
            layer.set_weights([layer.get_weights()[0], rng.normal(0, 0.2, layer.get_weights()[1].shape)])
    return model


def sequential(keras):
    """ReLU layers and activations inside, convolutions without bias, batch norms without scale or centre, pools in a row."""
    la = keras.layers
    return shake(keras.Sequential([
        keras.Input((64, 50, 1)), la.BatchNormalization(),
        la.Conv2D(6, 3, padding="same", use_bias=False), la.BatchNormalization(scale=False), la.ReLU(), la.MaxPooling2D(2),
        la.SpatialDropout2D(0.1), la.Conv2D(8, 3, padding="same", activation="relu"), la.MaxPooling2D((4, 3)),
        la.Conv2D(5, 3, padding="same"), la.BatchNormalization(center=False, epsilon=0.01), la.Activation("relu"),
        la.MaxPooling2D((3, 2)), la.GlobalMaxPooling2D(), la.Dropout(0.5), la.Dense(7, activation="relu"), la.Dense(3),
        la.Softmax(),
    ]))  # fmt: skip


def functional(keras):
    """Order of Flatten, batch norm after a dense layer, 'same' pool that divides, sigmoid."""
    la = keras.layers
    x = image = keras.Input((64, 50, 1))
    for filters, pool in ((4, (2, 1)), (6, (4, 5))):
        x = la.Conv2D(filters, (3, 3), padding="same")(x)
        x = la.BatchNormalization()(x)
        x = la.ReLU()(x)
        x = la.MaxPooling2D(pool, padding="same")(x)
    x = la.Flatten()(x)
    x = la.ReLU()(la.BatchNormalization()(la.Dense(9)(x)))
    return shake(keras.Model(image, la.Activation("sigmoid")(la.Dense(4)(x))))


def embedding(keras):
    """No dense layer: ends in the pool."""
    la = keras.layers
    return shake(keras.Sequential([
        keras.Input((64, 50, 1)), la.Conv2D(4, 3, padding="same", activation="relu"), la.MaxPooling2D((16, 7)), la.Flatten(),
    ]))  # fmt: skip


NETWORKS = {"sequential": sequential, "functional": functional, "embedding": embedding}


@pytest.fixture(scope="module")
def saved(keras, tmp_path_factory):
    """(kind, extension) -> path; and kind -> (planes, what Keras predicts)."""
    folder = tmp_path_factory.mktemp("keras")
    planes = np.random.default_rng(3).uniform(-80, 0, (3, 64, 50)).astype(np.float32) / 20
    paths, predicted = {}, {}
    for kind, make in NETWORKS.items():
        model = make(keras)
        predicted[kind] = planes, model.predict(planes[..., None], verbose=0)
        for extension in ("keras", "h5"):
            paths[kind, extension] = str(folder / f"{kind}.{extension}")
            model.save(paths[kind, extension])
        model.save_weights(str(folder / f"{kind}.weights.h5"))
        paths[kind, "weights.h5"] = str(folder / f"{kind}.weights.h5")
    return paths, predicted


def compare(graph, planes, expected):
    fe = graph.frontend
    got = floats.network(graph, planes.astype(np.float64) * fe.norm_scale + fe.norm_shift).output
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() < RELATIVE * np.abs(expected).max()
    assert np.ptp(expected) > 0.01  # the network distinguishes something


@pytest.mark.parametrize("extension", ["keras", "h5"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_graph_computes_what_keras_computes(saved, kind, extension):
    paths, predicted = saved
    graph = convert(paths[kind, extension], frontend="sea")
    compare(graph, *predicted[kind])
    names = [layer.name for layer in graph.layers]
    assert names == [f"conv{i + 1}" for i in range(len(graph.convs))] + [f"dense{i + 1}" for i in range(len(graph.denses))]


def test_older_keras_3_without_names_in_the_weights(saved, tmp_path):
    def forget(file):
        for group in file["layers"].values():
            del group["vars"].attrs["name"]

    paths, predicted = saved
    path = kf.rewrite_keras(paths["sequential", "keras"], tmp_path / "old.keras", edit_weights=forget)
    compare(convert(path, "sea"), *predicted["sequential"])


@pytest.mark.parametrize("extension", ["keras", "h5"])
def test_our_log_mel_layer_is_the_front_end(keras, extension, tmp_path):
    from l3host.networks import build

    fe = frontend("sea")
    fe.hop = 2000
    model = shake(build.classifier(build.audio(fe, (4, 4, 6, 6)), 3, 0.2))
    path = str(tmp_path / f"audio.{extension}")
    model.save(path)
    windows = np.random.default_rng(2).normal(0, 0.1, (3, 8000)) * np.array([[1], [0.1], [3]])
    windows[:, 2000:4000] *= 0.01
    graph = convert(path)
    assert {k: v for k, v in vars(graph.frontend).items() if k[:5] != "norm_"} == {
        k: v for k, v in vars(fe).items() if k[:5] != "norm_"
    }
    expected = model.predict(windows.astype(np.float32), verbose=0)
    got = floats.run(graph, windows).output
    assert np.abs(got - expected).max() < RELATIVE * expected.max()
    assert np.ptp(expected) > 0.01
