"""TFLite: planes (bands, frames, channels), kernels (out, band, frame, in); float, or integers that are dequantised."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from l3convert.keras_config import KerasLayer
from l3convert.l3shape import SUPPORTED
from l3convert.nodes import Affine, Node, chain, check_sizes, merged
from l3host.errors import L3Error, malformed, reason

MOST = 1000  # tensors or operators of a network for microcontrollers: L3's have some fifty
DTYPES = {0: "f4", 1: "f2", 2: "i4", 3: "u1", 4: "i8", 7: "i2", 9: "i1", 10: "f8"}  # of the schema's TensorType


def read(data: bytes) -> list[KerasLayer]:
    """Return the layers of a TFLite file, in order, with weights. Raises L3Error for a damaged or a foreign file."""
    try:
        import tflite
    except ImportError:
        raise L3Error("reading TFLite needs the package tflite: pip install 'l3mote[convert]'") from None
    try:
        return Reader(tflite.Model.GetRootAs(data, 0)).layers()
    except malformed() as e:
        raise L3Error(f"damaged or no TFLite file: {reason(e)}") from None


class Reader:
    """Walks the chain of a model's one graph. Values are called by their number in the graph."""

    def __init__(self, model) -> None:
        self.model = model
        if model.SubgraphsLength() != 1:
            raise L3Error(f"{model.SubgraphsLength()} graphs in one file: supported is one")
        graph = self.graph = model.Subgraphs(0)
        if max(graph.TensorsLength(), graph.OperatorsLength()) > MOST:
            raise L3Error(f"more than {MOST} tensors or operators: not a network for a microcontroller")
        self.tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
        stored = {i: tensor for i, tensor in enumerate(self.tensors) if model.Buffers(tensor.Buffer()).DataLength()}
        check_sizes((_shape(tensor), 8) for tensor in stored.values())
        self.constants = {i: self._array(tensor) for i, tensor in stored.items()}
        self.dequantised = {i for i, tensor in stored.items() if _scales(tensor) is not None}
        self.nodes: list[Node] = []
        for i in range(graph.OperatorsLength()):
            node = self._node(graph.Operators(i))
            if node.operator == "DEQUANTIZE" and node.takes[0] in self.constants:  # float16 weights
                self.constants[node.gives[0]] = self.constants[node.takes[0]]
            else:
                self.nodes.append(node)

    def layers(self) -> list[KerasLayer]:
        graph = self.graph
        if (graph.InputsLength(), graph.OutputsLength()) != (1, 1):
            raise L3Error(f"{graph.InputsLength()} inputs, {graph.OutputsLength()} outputs: supported is one of each")
        source = graph.Inputs(0)
        shape = [None, *_shape(self.tensors[source])[1:]]
        first = KerasLayer("InputLayer", self._name(source), {"batch_shape": shape})
        nodes = chain(self.nodes, source, graph.Outputs(0), self.constants)
        return [first, *merged(part for node in nodes for part in self._parts(node))]

    def _name(self, tensor: int) -> str:
        return (self.tensors[tensor].Name() or b"").decode("utf-8", "replace") or f"tensor {tensor}"

    def _node(self, operator) -> Node:
        from tflite.utils import opcode2name

        code = self.model.OperatorCodes(operator.OpcodeIndex())
        name = opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        takes = [operator.Inputs(i) for i in range(operator.InputsLength()) if operator.Inputs(i) >= 0]
        gives = [operator.Outputs(i) for i in range(operator.OutputsLength())]
        return Node(name, self._name(gives[0]), takes, gives, operator.BuiltinOptions())

    def _array(self, tensor) -> np.ndarray:
        """Return a constant: integers with a scale as float64. Raises L3Error for a type that has no place in a network."""
        if tensor.Type() not in DTYPES:
            raise L3Error(f"tensor {tensor.Name()!r} is of type {tensor.Type()}, which is not supported")
        data = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
        values = np.frombuffer(data.tobytes(), "<" + DTYPES[tensor.Type()]).reshape(_shape(tensor))
        scales = _scales(tensor)
        if scales is None:
            return values
        quantised = tensor.Quantization()
        zeros = quantised.ZeroPointAsNumpy() if quantised.ZeroPointLength() else np.zeros(1)
        shape = [1] * values.ndim
        if len(scales) > 1:
            shape[quantised.QuantizedDimension()] = len(scales)
        zero = np.broadcast_to(np.asarray(zeros, np.float64), len(scales)).reshape(shape)
        scale = np.asarray(scales, np.float64).reshape(shape)
        return (values - zero) * scale

    def _parts(self, node: Node) -> list[KerasLayer | Affine]:
        """Return the layers of an operator, its activation as one of its own."""
        if node.operator in ("QUANTIZE", "DEQUANTIZE"):
            return []
        if node.operator not in HANDLERS:
            raise node.error(f"not supported: {SUPPORTED}")
        options, kind = HANDLERS[node.operator]
        table, node.options = node.options, None
        if options:
            import tflite

            node.options = getattr(tflite, options)()
            node.options.Init(table.Bytes, table.Pos)
        parts = [kind(self, node)]
        fused = getattr(node.options, "FusedActivationFunction", int)()
        if fused:
            if fused != 1:
                raise node.error(f"fused activation {fused}: supported are none and ReLU (1)")
            parts.append(node.layer("ReLU"))
        return parts

    def constant(self, node: Node, index: int) -> np.ndarray:
        if index >= len(node.takes) or node.takes[index] not in self.constants:
            raise node.error(f"its input {index} is not in the file as a constant")
        return self.constants[node.takes[index]]

    # -- one method for each kind of operator

    def _conv(self, node: Node) -> KerasLayer:
        options, kernel = node.options, self.constant(node, 1)
        return self._weighted(
            node,
            "Conv2D",
            kernel.transpose(1, 2, 3, 0),
            kernel_size=list(kernel.shape[1:3]),
            strides=[options.StrideH(), options.StrideW()],
            dilation_rate=[options.DilationHFactor(), options.DilationWFactor()],
            padding=_padding(options),
        )

    def _dense(self, node: Node) -> KerasLayer:
        return self._weighted(node, "Dense", self.constant(node, 1).T)

    def _weighted(self, node: Node, class_name: str, kernel: np.ndarray, **config) -> KerasLayer:
        has_bias = len(node.takes) > 2
        weights = {"kernel": kernel} | ({"bias": self.constant(node, 2)} if has_bias else {})
        return node.layer(class_name, weights, use_bias=has_bias, dequantised=node.takes[1] in self.dequantised, **config)

    def _max_pool(self, node: Node) -> KerasLayer:
        options = node.options
        size, strides = [options.FilterHeight(), options.FilterWidth()], [options.StrideH(), options.StrideW()]
        return node.layer("MaxPooling2D", pool_size=size, strides=strides, padding=_padding(options))

    def _global_max_pool(self, node: Node) -> KerasLayer:
        if sorted(axis % 4 for axis in self.constant(node, 1).reshape(-1).tolist()) != [1, 2]:
            raise node.error("supported is the maximum over bands and frames")
        return node.layer("GlobalMaxPooling2D", keepdims=bool(node.options.KeepDims()))

    def _flatten(self, node: Node) -> KerasLayer:
        shape = _shape(self.tensors[node.gives[0]])
        if len(shape) != 2:
            raise node.error(f"supported is one that gives (batch, values), not {tuple(shape)}")
        return node.layer("Flatten")

    def _relu(self, node: Node) -> KerasLayer:
        return node.layer("ReLU")

    def _sigmoid(self, node: Node) -> KerasLayer:
        return node.layer("Activation", activation="sigmoid")

    def _softmax(self, node: Node) -> KerasLayer:
        if node.options.Beta() != 1:
            raise node.error(f"beta is {node.options.Beta()}: supported is 1")
        return node.layer("Softmax")

    def _arithmetic(self, node: Node) -> Affine:
        first = node.takes[0] in self.constants
        return Affine.of_arithmetic(node, node.operator.lower(), self.constant(node, 0 if first else 1), -1, first)


# operator -> (its table of options in the schema, or "" where none is needed; its method)
HANDLERS: dict[str, tuple[str, Callable[[Reader, Node], KerasLayer | Affine]]] = {
    "CONV_2D": ("Conv2DOptions", Reader._conv),
    "FULLY_CONNECTED": ("FullyConnectedOptions", Reader._dense),
    "MAX_POOL_2D": ("Pool2DOptions", Reader._max_pool),
    "REDUCE_MAX": ("ReducerOptions", Reader._global_max_pool),
    "RESHAPE": ("", Reader._flatten),
    "SQUEEZE": ("", Reader._flatten),
    "RELU": ("", Reader._relu),
    "LOGISTIC": ("", Reader._sigmoid),
    "SOFTMAX": ("SoftmaxOptions", Reader._softmax),
    "ADD": ("AddOptions", Reader._arithmetic),
    "SUB": ("SubOptions", Reader._arithmetic),
    "MUL": ("MulOptions", Reader._arithmetic),
    "DIV": ("DivOptions", Reader._arithmetic),
}


def _padding(options) -> str:
    return "valid" if options.Padding() else "same"


def _shape(tensor) -> list[int]:
    return [tensor.Shape(i) for i in range(tensor.ShapeLength())]


def _scales(tensor) -> np.ndarray | None:
    """Return the scales of a quantised tensor, or None for one of floats, or of integers that are numbers themselves."""
    quantised = tensor.Quantization()
    return quantised.ScaleAsNumpy() if quantised is not None and quantised.ScaleLength() else None
