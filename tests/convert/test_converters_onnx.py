"""ONNX as PyTorch lays it out: the graph computes what onnxruntime computes, and the file is that of the same network in Keras."""

import gzip
import sys

import keras_files as kf
import numpy as np
import onnx_chain as oc
import onnxruntime
import pytest
from onnx import TensorProto, helper

from l3convert import bounded, convert, formats
from l3host import costs
from l3host.cli import main
from l3host.errors import L3Error
from l3host.l3m.writer import to_bytes
from l3host.reference import floats


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Spare a process for each file: test_bounded.py is about those."""
    monkeypatch.setattr(bounded, "layers", formats.read)


def flattened():
    """A plane of 4 x 5 x 6 is flattened: its order differs between Keras and PyTorch."""
    return [
        kf.image_input(), kf.norm("bn0", 1), kf.conv("conv_a", 1, 4), kf.norm("bn_a", 4), kf.plain("ReLU", "relu_a"),
        kf.max_pool("pool_a", [4, 5]), kf.conv("conv_b", 4, 6), kf.plain("ReLU", "relu_b"), kf.max_pool("pool_b", [4, 2]),
        kf.plain("Flatten", "flat"), kf.dense("dense_a", 120, 7), kf.plain("ReLU", "relu_c"), kf.dense("dense_b", 7, 3),
        kf.plain("Activation", "sigmoid", activation="sigmoid"),
    ]  # fmt: skip


NETWORKS = {"small": kf.small, "flattened": flattened}


def planes(n=3):
    return np.random.default_rng(3).uniform(-4, 0, (n, 64, 50)).astype(np.float32)


def answers(path, x):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def network(graph, x):
    fe = graph.frontend
    return floats.network(graph, x.astype(np.float64) * fe.norm_scale + fe.norm_shift).output


def without_provenance(graph):
    graph.provenance = {}
    return to_bytes(graph)


@pytest.mark.parametrize("opset", [13, oc.NEWEST])
@pytest.mark.parametrize("kind", [oc.Builder, oc.View])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_is_that_of_keras_to_the_byte_and_computes_what_onnxruntime_does(name, kind, opset, tmp_path):
    layers = NETWORKS[name]()
    path = oc.write(tmp_path / "net.onnx", oc.chain(layers, kind, opset=opset))
    graph = convert(path, "sea")
    expected = answers(path, planes()[:, None])
    np.testing.assert_allclose(network(graph, planes()), expected, atol=1e-5)
    assert np.ptp(expected) > 0.01
    keras = convert(kf.write_h5(tmp_path / "net.h5", layers), "sea")
    assert without_provenance(graph) == without_provenance(keras)


def test_weights_that_stand_in_a_file_beside_it(tmp_path):
    whole = convert(oc.write(tmp_path / "whole.onnx", oc.chain(flattened())), "sea")
    path = oc.write(tmp_path / "net.onnx", oc.chain(flattened()), beside=True)
    assert without_provenance(convert(path, "sea")) == without_provenance(whole)
    (tmp_path / "net.onnx.data").rename(tmp_path / "elsewhere")
    with pytest.raises(L3Error, match=r"its weights stand in net\.onnx\.data, which must be beside it"):
        convert(path, "sea")


def test_no_other_file_is_read_for_weights(tmp_path):
    path = oc.write(tmp_path / "net.onnx", oc.chain(kf.small()), beside=True)
    (tmp_path / "secret").write_bytes((tmp_path / "net.onnx.data").read_bytes())
    (tmp_path / "net.onnx.data").unlink()
    model = oc.copy(path)
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = str(tmp_path / "secret")
    with pytest.raises(L3Error, match="must be beside it"):
        convert(oc.write(tmp_path / "net.onnx", model), "sea")


def test_what_normalises_the_input_is_the_input_batch_norm(tmp_path):
    """(x.unsqueeze(1) - mean) / std, as people write it in forward()."""
    build = oc.Builder((1, 64, 50))
    build.node("Unsqueeze", build.weight([1], np.int64))
    build.node("Sub", build.weight(-40.0))
    build.node("Div", build.weight(20.0))
    for layer in kf.small()[2:]:
        build.add(layer)
    path = oc.write(tmp_path / "net.onnx", oc.model(build, ["batch", 64, 50]))
    graph = convert(path, "sea")
    assert (graph.frontend.norm_scale, graph.frontend.norm_shift) == (1 / 20, 2)
    np.testing.assert_allclose(network(graph, 10 * planes()), answers(path, 10 * planes()), atol=1e-5)


def test_relu_after_the_pool_is_relu_before_it(tmp_path):
    """F.relu(F.max_pool2d(conv(x), 2)), as PyTorch's examples have it."""
    layers = kf.small()
    layers[4], layers[5] = layers[5], layers[4]
    path = oc.write(tmp_path / "net.onnx", oc.chain(layers))
    graph = convert(path, "sea")
    np.testing.assert_allclose(network(graph, planes()), answers(path, planes()[:, None]), atol=1e-5)
    before = convert(oc.write(tmp_path / "before.onnx", oc.chain(kf.small())), "sea")
    assert without_provenance(graph) == without_provenance(before)


def test_an_embedding_without_dense_layers_is_in_our_order(tmp_path):
    layers = flattened()[:10]
    path = oc.write(tmp_path / "net.onnx", oc.chain(layers))
    graph = convert(path, "sea")
    theirs = answers(path, planes()[:, None]).reshape(3, 6, 4, 5)  # channel, band, frame
    np.testing.assert_allclose(network(graph, planes()), np.moveaxis(theirs, 1, 3).reshape(3, -1), atol=1e-5)
    assert "embedding in the order band, frame, channel" in graph.provenance["passes"]


def test_logits_become_scores_if_asked(tmp_path):
    path = oc.write(tmp_path / "net.onnx", oc.chain(kf.small()[:-1]))
    logits = answers(path, planes()[:, None])
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(network(convert(path, "sea", scores="softmax"), planes()), expected, atol=1e-5)
    np.testing.assert_allclose(network(convert(path, "sea"), planes()), logits, atol=1e-5)


def test_a_gzipped_file_is_what_it_holds(tmp_path):
    path = kf.write_h5(tmp_path / "a.h5", kf.small())
    packed = tmp_path / "a.h5.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.h5").read_bytes()))
    assert without_provenance(convert(str(packed), "sea")) == without_provenance(convert(path, "sea"))
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(L3Error, match=r"a\.h5\.gz: damaged gzip file: it is cut"):
        convert(str(packed), "sea")


def test_a_gzipped_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "FILE_BYTES", 1 << 20)
    (tmp_path / "a.h5.gz").write_bytes(gzip.compress(bytes(1 << 24)))
    with pytest.raises(L3Error, match="the gzipped file has 1,048,577 bytes, more than the 1,048,576"):
        convert(str(tmp_path / "a.h5.gz"), "sea")


# -- refusals


def edited(edit, opset=13):
    model = oc.chain(kf.small(), opset=opset)
    edit(model)
    return model


def operator(model, kind, at=0):
    return [node for node in model.graph.node if node.op_type == kind][at]


def attribute(kind, **changes):
    def edit(model):
        node = operator(model, kind)
        for name, value in changes.items():
            for old in [old for old in node.attribute if old.name == name]:
                node.attribute.remove(old)
            node.attribute.append(helper.make_attribute(name, value))

    return edit


def renamed(kind, other):
    return lambda model: setattr(operator(model, kind), "op_type", other)


def residual(model):
    model.graph.node.insert(
        4, helper.make_node("Add", [model.graph.node[3].output[0], model.graph.node[1].output[0]], ["sum"], name="/add")
    )
    model.graph.node[5].input[0] = "sum"


def second_output(model):
    model.graph.output.append(helper.make_tensor_value_info(model.graph.node[3].output[0], TensorProto.FLOAT, None))


def many_values(model):
    model.graph.initializer[0].dims[:] = [1 << 20, 1 << 20]


REFUSED = {  # name -> (edit, words of the message)
    "average_pool": (renamed("MaxPool", "AveragePool"), "(AveragePool): not supported", "max-pool"),
    "leaky_relu": (renamed("Relu", "LeakyRelu"), "(LeakyRelu): not supported"),
    "log_softmax": (renamed("Softmax", "LogSoftmax"), "(LogSoftmax): not supported"),
    "own_operator": (lambda model: setattr(operator(model, "Relu"), "domain", "my.ops"), "(my.ops.Relu): not supported"),
    "stride": (attribute("Conv", strides=[2, 2]), "/conv1/Conv (Conv2D)", "stride 1"),
    "padding": (attribute("Conv", pads=[0, 0, 0, 0]), "/conv1/Conv (Conv2D)", "pads [0, 0, 0, 0]"),
    "groups": (attribute("Conv", group=2), "/conv1/Conv (Conv2D)", "1 group"),
    "pool_padding": (attribute("MaxPool", pads=[1, 1, 1, 1]), "/maxpool4/MaxPool", "without padding"),
    "pool_rounds_up": (attribute("MaxPool", ceil_mode=1), "/maxpool4/MaxPool", "divides the plane"),
    "training": (attribute("BatchNormalization", training_mode=1), "/batchnormalization0/", "model.eval()"),
    "residual": (residual, "feeds"),
    "second_output": (second_output, "supported is one of each"),
    "old_opset": (lambda model: setattr(model.opset_import[0], "version", 12), "opset 12", "opset_version=13"),
    "opset_to_come": (lambda model: setattr(model.opset_import[0], "version", 99), "opset 99", "pip install -U onnx"),
    "many_values": (many_values, "all arrays together has 8,796,093,022,208", "more than"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    edit, *words = REFUSED[name]
    with pytest.raises(L3Error) as caught:
        convert(oc.write(tmp_path / "net.onnx", edited(edit)), "sea")
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_without_the_package_the_message_names_it(tmp_path, monkeypatch):
    path = oc.write(tmp_path / "net.onnx", oc.chain(kf.small()))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(L3Error, match=r"needs the package onnx: pip install 'l3mote\[convert\]'"):
        convert(path, "sea")


def test_what_is_no_onnx_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"\x08\x07" + bytes(range(64)))
    with pytest.raises(L3Error, match="damaged or no ONNX file"):
        convert(str(tmp_path / "a"), "sea")


def test_the_command_says_that_outputs_are_logits_and_what_makes_scores_of_them(tmp_path, capsys):
    path = oc.write(tmp_path / "net.onnx", oc.chain(kf.small()[:-1]))
    command = ["convert", path, "--frontend", "sea", "--labels", "dog,rain,clock", "-o", str(tmp_path / "net.l3m"), "--force"]
    assert main(command) == 0
    assert "its outputs are logits" in capsys.readouterr().out
    assert main([*command, "--scores", "softmax"]) == 0
    assert "logits" not in capsys.readouterr().out
