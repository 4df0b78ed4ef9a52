"""A Graph as an ONNX model in memory, run by onnxruntime. The one place that imports them."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from l3host.engines import Answers, Engine
from l3host.graph.network import Conv, Graph

OPERATORS = {"relu": "Relu", "softmax": "Softmax", "sigmoid": "Sigmoid"}  # of the activations; softmax and all take the last axis
OPSET, IR = 17, 8  # of 2022: no operator here is newer


def onnx_engine(graph: Graph) -> Engine:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # whoever wants more cores calls it from more threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(to_onnx(graph).SerializeToString(), options, ["CPUExecutionProvider"])

    def of_planes(planes: np.ndarray) -> Answers:
        return Answers(*session.run(["embedding", "output"], {"planes": planes[:, None]}))

    return Engine(f"onnxruntime {onnxruntime.__version__}", of_planes, graph)


def to_onnx(graph: Graph) -> ModelProto:
    """Return a model from normalised log-mel planes (N, 1, bands, frames), float32, to embedding (N, D) and output (N, C)."""
    build = Builder()
    at = "planes"
    for conv in graph.convs:
        at = build.layer(conv, at, conv.kernel.transpose(3, 2, 0, 1))
    at = build.node("Transpose", at, perm=[0, 2, 3, 1])  # the published order: band, frame, channel
    embedding = at = build.node("Flatten", at)
    for dense in graph.denses:
        at = build.layer(dense, at, dense.kernel)
    ends = zip(("embedding", "output"), (embedding, at), strict=True)
    build.nodes += [helper.make_node("Identity", [name], [end]) for end, name in ends]
    fe = graph.frontend
    takes = helper.make_tensor_value_info("planes", TensorProto.FLOAT, ["windows", 1, fe.bands, fe.frames])
    gives = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("embedding", "output")]
    whole = helper.make_graph(build.nodes, "l3", [takes], gives, build.weights)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)


class Builder:
    """Nodes and weights of a chain of layers."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def node(self, operator: str, *takes: str, **attributes) -> str:
        """Add a node; return the name of its output."""
        name = f"{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, takes, [name], **attributes))
        return name

    def weight(self, values: np.ndarray) -> str:
        name = f"weights{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name

    def layer(self, layer, at: str, kernel: np.ndarray) -> str:
        takes = at, self.weight(kernel), self.weight(layer.bias)
        at = self.node("Conv", *takes, kernel_shape=[3, 3], pads=[1] * 4) if isinstance(layer, Conv) else self.node("Gemm", *takes)
        if layer.activation != "none":
            at = self.node(OPERATORS[layer.activation], at)
        if isinstance(layer, Conv) and tuple(layer.pool) != (1, 1):
            at = self.node("MaxPool", at, kernel_shape=layer.pool, strides=layer.pool)
        return at
