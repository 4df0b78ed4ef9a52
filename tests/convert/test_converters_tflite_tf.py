"""TFLite, from TensorFlow's own converter: float files are the Keras network to the byte, integers are dequantised."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from support import require

from l3convert import bounded, convert, formats
from l3convert.l3shape import DEQUANTISED
from l3host.errors import L3Error
from l3host.l3m.writer import to_bytes
from l3host.reference import floats


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Spare a process for each file: test_bounded.py is about those."""
    monkeypatch.setattr(bounded, "layers", formats.read)


@pytest.fixture(scope="module")
def tf():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed (pip install 'l3mote[train]')")
    return importlib.import_module("tensorflow")


PLANES = np.random.default_rng(3).uniform(-4, 0, (20, 64, 50, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tf):
    """Batch norms that are exact in float32 (powers of two), as the converter folds them in float32; order of Flatten, pools."""
    la = tf.keras.layers
    x = image = tf.keras.Input((64, 50, 1))
    x = la.BatchNormalization(epsilon=0.0)(x)
    for filters, pool in ((4, (2, 1)), (6, (4, 5))):
        x = la.Conv2D(filters, 3, padding="same")(x)
        x = la.BatchNormalization(epsilon=0.0)(x)
        x = la.MaxPooling2D(pool)(la.ReLU()(x))
    x = la.Dense(9, activation="relu")(la.Flatten()(x))
    net = tf.keras.Model(image, la.Dense(4, activation="softmax")(x))
    rng = np.random.default_rng(7)
    for layer in net.layers:
        if isinstance(layer, la.BatchNormalization):
            sizes = [w.shape for w in layer.weights]
            choices = (0.5, 1.0, 2.0), (-0.5, 0.25, 1.0), (-1.0, 0.5, 0.0), (1.0, 4.0, 0.25)
            layer.set_weights([rng.choice(some, size) for some, size in zip(choices, sizes, strict=True)])
        elif layer.weights:
            layer.set_weights([rng.integers(-64, 64, w.shape) / 128 for w in layer.weights])
    scores = net.layers[-1]
    scores.set_weights([w / 32 for w in scores.get_weights()])  # else a step of int8 decides which score is 1
    return net


def converted(tf, model, folder, kind="float", plane=PLANES):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "int8":
        converter.representative_dataset = lambda: ([some[None]] for some in plane)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    path = Path(folder, f"{kind}.tflite")
    path.write_bytes(converter.convert())
    return str(path)


def network(graph, x):
    fe = graph.frontend
    return floats.network(graph, x[..., 0].astype(np.float64) * fe.norm_scale + fe.norm_shift).output


def without_provenance(graph):
    graph.provenance = {}
    return to_bytes(graph)


def test_a_float_file_is_the_keras_network_to_the_byte(tf, model, tmp_path):
    model.save(tmp_path / "net.keras")
    keras = without_provenance(convert(str(tmp_path / "net.keras"), "sea"))
    for kind in ("float", "float16"):
        graph = convert(converted(tf, model, tmp_path, kind), "sea")
        np.testing.assert_allclose(network(graph, PLANES), model.predict(PLANES, verbose=0), atol=1e-5)
        assert DEQUANTISED not in graph.provenance["passes"]
        assert without_provenance(graph) == keras


def test_an_int8_file_is_dequantised_and_says_so(tf, model, tmp_path):
    path = converted(tf, model, tmp_path, "int8")
    graph = convert(path, "sea")
    assert DEQUANTISED in graph.provenance["passes"]
    interpreter = tf.lite.Interpreter(path)
    interpreter.allocate_tensors()
    takes, gives = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    answers = []
    for plane in PLANES:
        scale, zero = takes["quantization"]
        interpreter.set_tensor(takes["index"], np.clip(np.round(plane[None] / scale + zero), -128, 127).astype(np.int8))
        interpreter.invoke()
        scale, zero = gives["quantization"]
        answers.append((interpreter.get_tensor(gives["index"])[0].astype(float) - zero) * scale)
    got, answers = network(graph, PLANES), np.array(answers)
    assert np.abs(got - answers).max() < 0.1 and np.abs(got - answers).mean() < 0.02
    assert np.ptp(answers) > 0.2
    exact = convert(converted(tf, model, tmp_path), "sea")
    for quantised, whole in zip(graph.layers, exact.layers, strict=True):
        step = np.abs(whole.kernel).max(axis=tuple(range(whole.kernel.ndim - 1))) / 127  # one scale a filter, dense: one a layer
        assert (np.abs(quantised.kernel - whole.kernel) <= 0.51 * step.max()).all()


@pytest.mark.parametrize(
    "layer, words",
    [
        (lambda la: la.AveragePooling2D(2), "(AVERAGE_POOL_2D): not supported"),
        (lambda la: la.Conv2D(4, 3, padding="valid"), "(Conv2D): kernel (3, 3)"),
        (lambda la: la.ReLU(6.0), "fused activation 3: supported are none and ReLU"),
    ],
)
def test_what_is_not_of_l3_s_shape_is_refused_by_its_name(tf, tmp_path, layer, words):
    la = tf.keras.layers
    net = tf.keras.Sequential([tf.keras.Input((64, 50, 1)), la.Conv2D(4, 3, padding="same"), layer(la), la.Flatten(), la.Dense(2)])
    with pytest.raises(L3Error) as caught:
        convert(converted(tf, net, tmp_path), "sea")
    assert words in str(caught.value) and str(caught.value).startswith("float.tflite: layer ")
