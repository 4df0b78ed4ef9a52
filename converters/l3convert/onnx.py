"""ONNX, as PyTorch exports it: planes (channels, bands, frames), kernels (out, in, band, frame), floats.

Weights may stand in a file NAME.data beside NAME, as newer PyTorch writes them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from l3convert.keras_config import KerasLayer
from l3convert.l3shape import SUPPORTED
from l3convert.nodes import Affine, Node, chain, check_sizes, merged
from l3host.errors import L3Error, malformed, reason

OLDEST = 13  # opset of 2020: softmax along the last axis, axes of Squeeze and Unsqueeze as inputs
NO_EFFECT = ("Identity", "Dropout", "Cast")
CHANNELS_FIRST, CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]  # permutations of a Transpose


def read(data: bytes, beside: bytes = b"") -> list[KerasLayer]:
    """Return the layers of an ONNX file, in order, with weights. beside: its NAME.data. Raises L3Error."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise L3Error("reading ONNX needs the package onnx: pip install 'l3mote[convert]'") from None
    try:
        model = onnx.load_model_from_string(data)
        _check_opset(model, onnx.defs.onnx_opset_version())
        return Reader(model.graph, beside).layers()
    except (DecodeError, *malformed()) as e:
        raise L3Error(f"damaged or no ONNX file: {reason(e)}") from None


def _check_opset(model, newest: int) -> None:
    versions = [opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")]
    if not versions or not model.graph.node:
        raise L3Error("damaged or no ONNX file: no network in it")
    if versions[0] < OLDEST:
        raise L3Error(f"ONNX opset {versions[0]}: export with opset_version={OLDEST} or newer")
    if versions[0] > newest:
        raise L3Error(f"ONNX opset {versions[0]}: the package onnx knows up to {newest}, pip install -U onnx")


class Reader:
    """Walks the chain of a graph once."""

    def __init__(self, graph, beside: bytes) -> None:
        check_sizes((tensor.dims, 8) for tensor in graph.initializer)
        self.graph = graph
        self.constants = {tensor.name: _array(tensor, beside) for tensor in graph.initializer}
        self.channels_first = True
        self.flat = False
        self.nodes: list[Node] = []
        for proto in graph.node:
            node = _node(proto)
            if node.operator == "Constant" and "value" in node.options:
                check_sizes([(node.options["value"].dims, 8)])
                self.constants[node.gives[0]] = _array(node.options["value"], beside)
            elif node.operator == "Identity" and node.takes[0] in self.constants:  # weights that are used twice
                self.constants[node.gives[0]] = self.constants[node.takes[0]]
            else:
                self.nodes.append(node)

    def layers(self) -> list[KerasLayer]:
        inputs = [value for value in self.graph.input if value.name not in self.constants]
        outputs = [value.name for value in self.graph.output]
        if len(inputs) != 1 or len(outputs) != 1:
            names = ", ".join(value.name for value in inputs), ", ".join(outputs)
            raise L3Error(f"inputs {names[0]}, outputs {names[1]}: supported is one of each")
        nodes = chain(self.nodes, inputs[0].name, outputs[0], self.constants)
        return [self._input(inputs[0], nodes), *merged(self._layer(node) for node in nodes)]

    def _input(self, value, nodes: list[Node]) -> KerasLayer:
        """Take (batch, 1, bands, frames); without the 1 before an Unsqueeze, with the 1 last before a Transpose."""
        dims = [dim.dim_value or None for dim in value.type.tensor_type.shape.dim]
        first = nodes[0]
        if first.operator == "Unsqueeze" and len(dims) == 3 and self._axes(first) == [1]:
            dims.insert(1, 1)
            del nodes[0]
        elif first.operator == "Transpose" and first.options.get("perm") == CHANNELS_FIRST and len(dims) == 4:
            dims = [dims[i] for i in CHANNELS_FIRST]
            del nodes[0]
        if len(dims) != 4 or dims[1] != 1:
            raise L3Error(f"input {value.name} of {tuple(dims)}: supported is a log-mel plane, (batch, 1, bands, frames)")
        return KerasLayer("InputLayer", value.name, {"batch_shape": [None, dims[2], dims[3], 1]})

    def _layer(self, node: Node) -> KerasLayer | Affine | None:
        if node.operator in NO_EFFECT:
            return None
        if node.operator not in HANDLERS:
            raise node.error(f"not supported: {SUPPORTED}")
        return HANDLERS[node.operator](self, node)

    def constant(self, node: Node, index: int) -> np.ndarray:
        if index >= len(node.takes) or node.takes[index] not in self.constants:
            raise node.error(f"its input {index} is not in the file as a constant")
        return self.constants[node.takes[index]]

    def _axes(self, node: Node) -> list[int]:
        """Return the axes that a Squeeze, Unsqueeze or ReduceMax names: an input, or an attribute in older opsets."""
        axes = node.options.get("axes")
        return [int(axis) for axis in (self.constant(node, 1) if axes is None else axes)]

    # -- one method for each kind of operator

    def _conv(self, node: Node) -> KerasLayer:
        kernel = self.constant(node, 1)
        has_bias = len(node.takes) > 2 and node.takes[2] != ""
        if kernel.ndim != 4:
            raise node.error(f"kernel of shape {kernel.shape}: supported are 3x3 convolutions of planes")
        options = node.options
        same = _same_padding(options)
        return node.layer(
            "Conv2D",
            {"kernel": kernel.transpose(2, 3, 1, 0)} | ({"bias": self.constant(node, 2)} if has_bias else {}),
            kernel_size=list(kernel.shape[2:]),
            strides=options.get("strides", 1),
            dilation_rate=options.get("dilations", 1),
            groups=options.get("group", 1),
            padding="same" if same else f"pads {options.get('pads', 0)}",
            use_bias=has_bias,
        )

    def _norm(self, node: Node) -> Affine:
        if node.options.get("training_mode"):
            raise node.error("it trains: export after model.eval()")
        epsilon = float(str(np.float32(node.options.get("epsilon", 1e-5))))  # 0.001, not the float32 beside it
        gamma, beta, mean, variance = (self.constant(node, i) for i in (1, 2, 3, 4))
        return Affine.of_norm(node, gamma, beta, mean, variance, epsilon)

    def _arithmetic(self, node: Node) -> Affine:
        first = node.takes[0] in self.constants
        axis = -3 if self.channels_first and not self.flat else -1
        return Affine.of_arithmetic(node, node.operator.lower(), self.constant(node, 0 if first else 1), axis, first)

    def _activation(self, node: Node) -> KerasLayer:
        return node.layer("Activation", activation=node.operator.lower())

    def _softmax(self, node: Node) -> KerasLayer:
        return node.layer("Softmax", axis=node.options.get("axis", -1))

    def _max_pool(self, node: Node) -> KerasLayer:
        options = node.options
        size = options["kernel_shape"]
        if any(options.get("pads", ())) or any(n != 1 for n in options.get("dilations", ())):
            raise node.error("supported are pools without padding and dilation")
        # rounding up makes no difference where the pool divides the plane, as 'same' there
        valid = not options.get("ceil_mode") and options.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
        strides = options.get("strides", [1] * len(size))
        return node.layer("MaxPooling2D", pool_size=size, strides=strides, padding="valid" if valid else "same")

    def _global_max_pool(self, node: Node) -> KerasLayer:
        plane = [2, 3] if self.channels_first else [1, 2]
        if node.operator == "ReduceMax" and sorted(axis % 4 for axis in self._axes(node)) != plane:
            raise node.error("supported is the maximum over bands and frames")
        keeps = node.operator == "GlobalMaxPool" or bool(node.options.get("keepdims", 1))
        self.flat = not keeps
        return node.layer("GlobalMaxPooling2D", keepdims=keeps)

    def _flatten(self, node: Node) -> KerasLayer | None:
        """Flatten, Reshape to (batch, values), or Squeeze what a pool of the whole plane left."""
        if self.flat:
            return None
        shape = self.constants.get(node.takes[1]) if node.operator == "Reshape" else None
        if node.options.get("axis", 1) != 1 or (shape is not None and shape.size != 2):
            raise node.error(f"supported is one that gives (batch, values){'' if shape is None else f', not {tuple(shape)}'}")
        self.flat = True
        return node.layer("Flatten", channels_first=self.channels_first)

    def _transpose(self, node: Node) -> None:
        if self.flat or not self.channels_first or node.options.get("perm") != CHANNELS_LAST:
            raise node.error("supported is one of a plane to (batch, bands, frames, channels), before it is flattened")
        self.channels_first = False

    def _gemm(self, node: Node) -> KerasLayer:
        options = node.options
        if options.get("transA"):
            raise node.error("transA is not supported")
        kernel = self.constant(node, 1) * np.float64(options.get("alpha", 1.0))
        has_bias = len(node.takes) > 2
        bias = {"bias": self.constant(node, 2).reshape(-1) * np.float64(options.get("beta", 1.0))} if has_bias else {}
        return node.layer("Dense", {"kernel": kernel.T if options.get("transB") else kernel} | bias, use_bias=has_bias)

    def _matmul(self, node: Node) -> KerasLayer:
        return node.layer("Dense", {"kernel": self.constant(node, 1)}, use_bias=False)


HANDLERS: dict[str, Callable[[Reader, Node], KerasLayer | Affine | None]] = {
    "Conv": Reader._conv,
    "BatchNormalization": Reader._norm,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), Reader._arithmetic),
    **dict.fromkeys(("Relu", "Sigmoid"), Reader._activation),
    "Softmax": Reader._softmax,
    "MaxPool": Reader._max_pool,
    **dict.fromkeys(("GlobalMaxPool", "ReduceMax"), Reader._global_max_pool),
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze"), Reader._flatten),
    "Transpose": Reader._transpose,
    "Gemm": Reader._gemm,
    "MatMul": Reader._matmul,
}


def _same_padding(options: dict) -> bool:
    if options.get("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER"):
        return True
    return options.get("auto_pad", "NOTSET") == "NOTSET" and options.get("pads") == [1, 1, 1, 1]


def _node(proto) -> Node:
    from onnx import helper

    operator = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
    options = {attribute.name: helper.get_attribute_value(attribute) for attribute in proto.attribute}
    options = {key: value.decode() if isinstance(value, bytes) else value for key, value in options.items()}
    return Node(operator, proto.name or proto.output[0], list(proto.input), list(proto.output), options)


def _array(tensor, beside: bytes) -> np.ndarray:
    """Return a weight. Raises L3Error for one that stands in a file that is not there, and what onnx raises."""
    from onnx import TensorProto, helper, numpy_helper

    if tensor.data_location != TensorProto.EXTERNAL:
        return numpy_helper.to_array(tensor)
    where = {entry.key: entry.value for entry in tensor.external_data}
    if not beside:
        raise L3Error(f"its weights stand in {where.get('location')}, which must be beside it under the name of this file + .data")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    count = int(np.prod([int(n) for n in tensor.dims]))
    return np.frombuffer(beside, dtype, count, int(where.get("offset", 0))).reshape(tensor.dims)
