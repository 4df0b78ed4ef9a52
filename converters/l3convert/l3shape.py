"""A chain of Keras layers -> Graph: knows what an L3-shaped network is, and nothing of files.

[front-end] [batch norm] (3x3 convolution [batch norm] [ReLU] [max-pool])+ [Flatten] (dense [batch norm] [activation])*
"""

from __future__ import annotations

import numpy as np

from l3convert import frontends
from l3convert.keras_config import KerasLayer
from l3host.errors import malformed
from l3host.graph.network import FRONTENDS, Conv, Dense, Graph, frontend
from l3mote.format import Frontend

SUPPORTED = "supported are a log-mel front-end, 3x3 convolutions, batch norm, ReLU, max-pool, then dense layers"
NO_EFFECT = (
    "Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization",
)  # fmt: skip
EPSILON = 1e-3  # Keras's default for batch norm
DEQUANTISED = "integer weights dequantised"
INPUT, PLANE, KERNEL, NORM, ACTIVATION, POOL, FLAT = range(7)  # the last step taken; from KERNEL on, inside the Graph's last layer


def build(
    layers: list[KerasLayer], frontend_name: str | None = None, embedding_size: int | None = None, scores: str | None = None
) -> Graph:
    """Build and check the Graph; arguments as convert()'s. Raises L3Error naming the layer that is not supported."""
    builder = Builder(frontend_name)
    for layer in layers:
        try:
            builder.add(layer)
        except malformed() as e:
            raise layer.error(f"its configuration or weights make no sense: {type(e).__name__}, {e}") from None
    if scores:
        builder.add(KerasLayer("Activation", "scores", {"activation": scores}))
    return builder.finish(layers[-1], embedding_size)


class Builder:
    """Walks the chain once."""

    graph: Graph  # from the step PLANE on

    def __init__(self, frontend_name: str | None):
        self.frontend_name = frontend_name
        self.shape: list = []  # of the network's input, batch first
        self.step = INPUT
        self.passes: list[str] = []
        self.channels_first = False  # the order of what was flattened

    def add(self, layer: KerasLayer) -> None:
        """Take the next layer of the chain."""
        if layer.class_name in NO_EFFECT:
            return
        if layer.class_name == "InputLayer":
            self.shape = layer.config.get("batch_shape") or layer.config.get("batch_input_shape") or []
        elif layer.class_name in frontends.LAYERS:
            self._front_end(layer)
        elif layer.class_name in HANDLERS:
            if self.step == INPUT:
                self._plane_input(layer)
            HANDLERS[layer.class_name](self, layer)
        else:
            raise layer.error(f"not supported: {SUPPORTED}")

    # -- the input

    def _front_end(self, layer: KerasLayer) -> None:
        if self.step != INPUT:
            raise layer.error("the front-end comes first, directly after the input")
        self._start(frontends.read(layer, self.shape, self.frontend_name))

    def _plane_input(self, layer: KerasLayer) -> None:
        """Take a log-mel plane as input: the caller names the front-end, which must make a plane of this shape."""
        if self.frontend_name is None:
            raise layer.error(f"no front-end before it: name the one to use, --frontend {'|'.join(FRONTENDS)}")
        fe = frontend(self.frontend_name)
        plane = (fe.bands, fe.frames, 1)
        if len(self.shape) != 4 or any(have not in (None, made) for have, made in zip(self.shape[1:], plane, strict=True)):
            raise layer.error(
                f"input {tuple(self.shape[1:])}, front-end {self.frontend_name} makes {plane}: "
                "supported is (bands, frames, 1), so choose another --frontend"
            )
        self._start(fe)

    def _start(self, fe: Frontend) -> None:
        self.graph = Graph(fe, [])
        self.step = PLANE

    # -- one method for each kind of layer

    def _conv(self, layer: KerasLayer) -> None:
        if self.step == FLAT or self.graph.denses:
            raise layer.error("a convolution after Flatten, global pool or dense layer is not supported")
        config = layer.config
        fixed = {"kernel_size": (3, 3), "strides": (1, 1), "dilation_rate": (1, 1)}
        got = {key: _pair(config.get(key, 1)) for key in fixed}
        rest = (config.get("padding"), config.get("groups", 1), config.get("data_format", "channels_last"))
        if got != fixed or rest != ("same", 1, "channels_last"):
            raise layer.error(
                f"kernel {got['kernel_size']}, strides {got['strides']}, dilation {got['dilation_rate']}, "
                f"padding, groups, data format {rest}: supported is 3x3, stride 1, no dilation, 'same', 1 group, channels_last"
            )
        kernel, bias = _kernel_and_bias(layer, 4)
        self.graph.layers.append(Conv(f"conv{len(self.graph.convs) + 1}", kernel, bias, "none"))
        self._weighted(layer)
        self._activate(layer, config.get("activation"))

    def _dense(self, layer: KerasLayer) -> None:
        if not self.graph.convs or (self.step != FLAT and not self.graph.denses):
            raise layer.error("a dense layer needs a Flatten or GlobalMaxPooling2D between it and the last convolution")
        kernel, bias = _kernel_and_bias(layer, 2)
        if self.channels_first and not self.graph.denses:
            kernel = self._channels_last(kernel)
        self.graph.layers.append(Dense(f"dense{len(self.graph.denses) + 1}", kernel, bias))
        self._weighted(layer)
        self._activate(layer, layer.config.get("activation"))

    def _weighted(self, layer: KerasLayer) -> None:
        self.step = KERNEL
        if layer.config.get("dequantised"):
            self._passed(DEQUANTISED)

    def _batch_norm(self, layer: KerasLayer) -> None:
        """Fold scale and shift of y = (x - mean) / sqrt(variance + epsilon) * gamma + beta into the layer before it."""
        flat = bool(self.graph.denses)
        axis = layer.config.get("axis", -1)
        if axis not in ((-1, 1, [1]) if flat else (-1, 3, [3])):
            raise layer.error(f"axis {axis}: supported is the last one, channels")
        scale, shift = _scale_and_shift(layer)
        if not self.graph.layers:
            self._input_norm(layer, scale, shift)
            return
        if self.step != KERNEL:
            raise layer.error("batch norm is supported directly after a convolution or dense layer, before its ReLU and pool")
        last = self.graph.layers[-1]
        if scale.shape != last.bias.shape:
            raise layer.error(f"{len(scale)} channels after {len(last.bias)} filters")
        last.kernel = last.kernel * scale
        last.bias = last.bias * scale + shift
        self.step = NORM
        self._passed("batch norm folded")

    def _input_norm(self, layer: KerasLayer, scale: np.ndarray, shift: np.ndarray) -> None:
        """Keep the batch norm of the plane apart, since the zero border of the first convolution comes after it."""
        fe = self.graph.frontend
        if self.step != PLANE or scale.shape != (1,):
            raise layer.error("before the first convolution one batch norm of one channel is supported")
        fe.norm_scale, fe.norm_shift = float(scale[0]), float(shift[0])
        self.step = NORM
        self._passed("input batch norm kept")

    def _activation(self, layer: KerasLayer) -> None:
        self._activate(layer, layer.config.get("activation"))

    def _relu(self, layer: KerasLayer) -> None:
        odd = [key for key in ("max_value", "negative_slope", "threshold") if layer.config.get(key)]
        if odd:
            raise layer.error(f"{odd[0]} is {layer.config[odd[0]]}: supported is the plain ReLU")
        self._activate(layer, "relu")

    def _softmax(self, layer: KerasLayer) -> None:
        if layer.config.get("axis", -1) not in (-1, 1, [-1], [1]):
            raise layer.error(f"axis {layer.config['axis']}: supported is the last one")
        self._activate(layer, "softmax")

    def _activate(self, layer: KerasLayer, activation) -> None:
        """Set the activation of the current layer of the Graph."""
        if activation in (None, "linear"):
            return
        if self.step == POOL and activation == "relu" and self.graph.layers[-1].activation == "none":
            self.graph.layers[-1].activation = "relu"  # the maximum of ReLUs is the ReLU of the maximum
            return
        if self.step not in (KERNEL, NORM) or not self.graph.layers:
            raise layer.error(
                "an activation is supported once, after a convolution or dense layer [and batch norm], before the pool"
            )
        last = self.graph.layers[-1]
        supported = ("relu",) if isinstance(last, Conv) else ("relu", "softmax", "sigmoid")
        if activation not in supported:
            raise layer.error(f"activation {activation!r}: supported here are linear, {', '.join(supported)}")
        last.activation = activation
        self.step = ACTIVATION

    def _max_pool(self, layer: KerasLayer) -> None:
        config = layer.config
        size = _pair(config.get("pool_size", 2))
        strides, padding = _pair(config.get("strides") or size), config.get("padding", "valid")
        rows, cols, _ = self.graph.planes()[-1]
        fits = 1 <= size[0] <= rows and 1 <= size[1] <= cols
        if strides != size or not fits or (padding == "same" and (rows % size[0] or cols % size[1])):
            raise layer.error(
                f"pool {size}, strides {strides}, padding {padding!r} on a plane of {rows} x {cols}: supported are strides "
                "equal to a pool that fits, and 'valid', or 'same' where the pool divides the plane"
            )
        self._pool(layer, size)

    def _global_max_pool(self, layer: KerasLayer) -> None:
        self._pool(layer, self.graph.planes()[-1][:2])
        if not layer.config.get("keepdims"):
            self.step = FLAT

    def _pool(self, layer: KerasLayer, size: tuple[int, int]) -> None:
        """Merge pools with strides = size that follow one another into one pool."""
        if layer.config.get("data_format", "channels_last") != "channels_last":
            raise layer.error("data format: supported is channels_last")
        if not self.graph.convs or self.graph.denses or self.step == FLAT:
            raise layer.error("a pool is supported after a convolution, its batch norm and ReLU")
        last = self.graph.convs[-1]
        last.pool = (last.pool[0] * size[0], last.pool[1] * size[1])
        self.step = POOL

    def _flatten(self, layer: KerasLayer) -> None:
        if not self.graph.convs:
            raise layer.error("Flatten is supported after the last convolution and its pool")
        if layer.config.get("data_format", "channels_last") != "channels_last":
            raise layer.error("data format: supported is channels_last")
        if not self.graph.denses:
            self.step = FLAT
            self.channels_first = bool(layer.config.get("channels_first"))  # as ONNX has it; Keras knows no such key

    # -- the end

    def finish(self, layer: KerasLayer, embedding_size: int | None) -> Graph:
        """Pool a network that ends in a bare convolution, then check the whole. layer: the last of the chain, for messages."""
        if self.step == INPUT or not self.graph.convs:
            raise layer.error(f"the network ends without a convolution: {SUPPORTED}")
        if not self.graph.denses and self.step in (KERNEL, NORM, ACTIVATION):
            self._pool_embedding(layer, embedding_size)
        self.graph.check()
        if self.channels_first and not self.graph.denses and self.graph.planes()[-1][:2] != (1, 1):
            self._passed("embedding in the order band, frame, channel")
        if embedding_size not in (None, self.graph.embedding_size):
            raise layer.error(
                f"the embedding has {self.graph.embedding_size} values, not {embedding_size}: leave --embedding-size out"
            )
        self.graph.provenance["passes"] = self.passes
        return self.graph

    def _pool_embedding(self, layer: KerasLayer, size: int | None) -> None:
        """Pool as OpenL3 does: the whole plane (one value a channel), or 4 x 3 places a channel."""
        conv = self.graph.convs[-1]
        rows, cols, channels = self.graph.planes()[-1]
        if size in (None, channels):
            conv.pool = (rows, cols)
        elif size == 12 * channels and rows % 4 == 0 and cols % 3 == 0:
            conv.pool = (rows // 4, cols // 3)
        else:
            raise layer.error(
                f"embedding of {size} from a plane of {rows} x {cols} x {channels}: "
                f"supported are {channels}, and {12 * channels} where 4 x 3 places divide the plane"
            )
        self._passed(f"embedding pooled {conv.pool[0]} x {conv.pool[1]}")

    def _channels_last(self, kernel: np.ndarray) -> np.ndarray:
        """Return the kernel of the first dense layer for values in the order band, frame, channel instead of channel first."""
        bands, frames, channels = self.graph.planes()[-1]
        if len(kernel) != bands * frames * channels:
            return kernel  # which the check of the whole refuses
        return kernel.reshape(channels, bands, frames, -1).transpose(1, 2, 0, 3).reshape(kernel.shape)

    def _passed(self, what: str) -> None:
        if what not in self.passes:
            self.passes.append(what)


HANDLERS = {
    "Conv2D": Builder._conv,
    "Dense": Builder._dense,
    "BatchNormalization": Builder._batch_norm,
    "Activation": Builder._activation,
    "ReLU": Builder._relu,
    "Softmax": Builder._softmax,
    "MaxPooling2D": Builder._max_pool,
    "GlobalMaxPooling2D": Builder._global_max_pool,
    "Flatten": Builder._flatten,
}


def _pair(value) -> tuple:
    return (value, value) if isinstance(value, int) else tuple(value)


def _array(layer: KerasLayer, name: str) -> np.ndarray:
    """Return a weight in float64. Raises L3Error if it is missing or not a float (quantised)."""
    if name not in layer.weights:
        raise layer.error(f"its {name} is missing from the file")
    array = layer.weights[name]
    if array.dtype.kind != "f":
        raise layer.error(f"{name} is {array.dtype}: supported are floating-point weights")
    return array.astype(np.float64)


def _kernel_and_bias(layer: KerasLayer, ndim: int) -> tuple[np.ndarray, np.ndarray]:
    kernel = _array(layer, "kernel")
    if kernel.ndim != ndim or (ndim == 4 and kernel.shape[:2] != (3, 3)):
        raise layer.error(f"kernel of shape {kernel.shape} in the file")
    bias = _array(layer, "bias") if layer.config.get("use_bias", True) else np.zeros(kernel.shape[-1])
    return kernel, bias


def _scale_and_shift(layer: KerasLayer) -> tuple[np.ndarray, np.ndarray]:
    """Return the batch norm as y = x * scale + shift, from moving statistics; gamma and beta may be absent."""
    config = layer.config
    mean, variance = _array(layer, "moving_mean"), _array(layer, "moving_variance")
    gamma = _array(layer, "gamma") if config.get("scale", True) else 1.0
    beta = _array(layer, "beta") if config.get("center", True) else 0.0
    scale = gamma / np.sqrt(variance + config.get("epsilon", EPSILON))
    return scale, beta - mean * scale
