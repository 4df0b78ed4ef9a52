"""ONNX files of the networks of keras_files.py, laid out as PyTorch exports them: channels first, weights as initialisers."""

import numpy as np
from onnx import TensorProto, external_data_helper, helper, load, numpy_helper, save

NEWEST = 22  # that onnxruntime's oldest supported release runs; 13 is the oldest that is read


class Builder:
    def __init__(self, shape):
        self.nodes, self.weights, self.at, self.shape = [], [], "x", list(shape)  # shape: (channels, bands, frames)

    def node(self, operator, *others, **attributes):
        """The next operator of the chain, named as PyTorch names modules."""
        name = f"/{operator.lower()}{len(self.nodes)}/{operator}"
        self.nodes.append(helper.make_node(operator, [self.at, *others], [f"{name}_output_0"], name=name, **attributes))
        self.at = f"{name}_output_0"

    def weight(self, values, dtype=np.float32):
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, dtype, order="C"), name))
        return name

    def add(self, layer):
        config, weights = layer.config, layer.weights
        if layer.class_name == "Conv2D":
            takes = self.weight(weights["kernel"].transpose(3, 2, 0, 1)), self.weight(weights["bias"])
            self.node("Conv", *takes, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1], dilations=[1, 1], group=1)
            self.shape[0] = weights["kernel"].shape[3]
        elif layer.class_name == "BatchNormalization":
            takes = [self.weight(weights[name]) for name in ("gamma", "beta", "moving_mean", "moving_variance")]
            self.node("BatchNormalization", *takes, epsilon=config["epsilon"], momentum=0.9)
        elif layer.class_name == "MaxPooling2D":
            size = config["pool_size"]
            self.node("MaxPool", kernel_shape=size, strides=size, ceil_mode=0)
            self.shape[1:] = [have // by for have, by in zip(self.shape[1:], size, strict=True)]
        elif layer.class_name == "GlobalMaxPooling2D":
            self.node("GlobalMaxPool")
            self.shape[1:] = [1, 1]
            self.flatten()
        elif layer.class_name == "Flatten":
            self.flatten()
        elif layer.class_name == "Dense":
            self.node("Gemm", self.weight(self.channels_first(weights["kernel"]).T), self.weight(weights["bias"]), transB=1)
            self.shape = [weights["kernel"].shape[1]]
        elif layer.class_name == "Softmax":
            self.node("Softmax", axis=1)
        elif layer.class_name in ("ReLU", "Activation"):
            self.node({"relu": "Relu", "sigmoid": "Sigmoid"}[config.get("activation", "relu")])

    def flatten(self):
        self.node("Flatten", axis=1)

    def channels_first(self, kernel):
        """A dense kernel of Keras, whose values come band by band, for those that come channel by channel."""
        if len(self.shape) == 1:
            return kernel
        channels, bands, frames = self.shape
        order = np.arange(len(kernel)).reshape(bands, frames, channels)
        return kernel[np.moveaxis(order, 2, 0).ravel()]


class View(Builder):
    """x.view(x.size(0), -1), whose shape is computed."""

    def flatten(self):
        plane, zero, minus = self.at, self.weight(0, np.int64), self.weight([-1], np.int64)
        self.node("Shape")
        self.node("Gather", zero, axis=0)
        self.node("Unsqueeze", self.weight([0], np.int64))
        self.nodes.append(helper.make_node("Concat", [self.at, minus], ["shape"], axis=0))
        self.at = plane
        self.node("Reshape", "shape")


def model(build, shape=("batch", 1, 64, 50), opset=13):
    """What a builder has built, as a model."""
    takes = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    gives = helper.make_tensor_value_info(build.at, TensorProto.FLOAT, None)
    graph = helper.make_graph(build.nodes, "main_graph", [takes], [gives], build.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def chain(layers, kind=Builder, **more):
    """layers: as keras_files.py makes them, on a plane of 64 x 50."""
    build = kind((1, 64, 50))
    for layer in layers:
        build.add(layer)
    return model(build, **more)


def write(path, onnx_model, beside=False):
    """beside: its weights in a file NAME.data, as newer PyTorch writes them."""
    if beside:
        external_data_helper.convert_model_to_external_data(onnx_model, location=path.name + ".data", size_threshold=0)
    save(onnx_model, str(path))
    return str(path)


def copy(path):
    return load(str(path), load_external_data=False)
