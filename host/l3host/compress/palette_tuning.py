"""Fine-tuning of palettes: weights that share a value in the file share it while the network trains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from l3host.errors import L3Error
from l3host.graph import palette
from l3host.graph.half import to_half
from l3host.networks import build
from l3host.networks.backend import keras, tf
from l3host.networks.build import convolutions


class Shared(keras.constraints.Constraint):
    """Sets each group of weights to its mean after each optimizer step: projects the step onto what a palette can hold.

    groups: integers shaped like the kernel, from 0; -1 is zero and stays it.
    """

    def __init__(self, groups: np.ndarray):
        self.groups = tf.constant(groups.ravel() + 1, tf.int32)
        self.number = int(groups.max()) + 2

    def __call__(self, kernel):
        means = tf.math.unsorted_segment_mean(tf.reshape(kernel, (-1,)), self.groups, self.number)
        means = tf.concat([tf.zeros(1), means[1:]], axis=0)
        return tf.reshape(tf.gather(means, self.groups), kernel.shape)


def fold(model: keras.Model) -> keras.Model:
    """Return the audio network (a head is left out) with its batch norms multiplied into the convolutions, as the file holds them.

    Those batch norms become the identity and, like the input's, are no longer trained: sharing by value would not survive
    another scale for each filter.
    """
    shape = build.architecture(model)
    folded = build.audio(shape.frontend, shape.filters, shape.final_norm)
    folded.get_layer("mel_bn").set_weights(model.get_layer("mel_bn").get_weights())
    folded.get_layer("mel_bn").trainable = False
    for i, conv in enumerate(convolutions(model), 1):
        kernel, bias = conv.kernel.numpy(), conv.bias.numpy() if shape.use_bias else 0
        scale, shift = 1, 0
        if i < len(shape.filters) or shape.final_norm:
            norm = model.get_layer(f"bn{i}")
            gamma, beta, mean, variance = norm.get_weights()
            scale = gamma / np.sqrt(variance + norm.epsilon)
            shift = beta - mean * scale
            _make_identity(folded.get_layer(f"bn{i}"))
        folded.get_layer(f"conv{i}").set_weights([kernel * scale, np.broadcast_to(bias * scale + shift, kernel.shape[3])])
    return folded


def groups(folded: keras.Model) -> dict[str, np.ndarray]:
    """Return groups for share(): the cells of the palette that the writer would choose, for every convolution that gets one."""
    kernels = {conv.name: to_half(conv.kernel.numpy())[0] for conv in convolutions(folded)}
    return {name: palette.quantise(kernel)[1] for name, kernel in kernels.items() if palette.worth_it(kernel)}


def _make_identity(norm: keras.layers.Layer) -> None:
    ones, zeros = np.ones(norm.gamma.shape), np.zeros(norm.gamma.shape)
    norm.set_weights([ones * np.sqrt(1 + norm.epsilon), zeros, zeros, ones])
    norm.trainable = False


def share(folded: keras.Model, groups: Mapping[str, np.ndarray]) -> None:
    """Give the weights of a group one value from now on: their mean at first, and their mean after each training step.

    groups: layer name -> integers shaped like the kernel, -1 for zeros (the indices of l3host.palette.quantise); a layer that is
    not named trains freely. Call it before the first training step. Raises L3Error for an unknown layer and for other shapes.
    """
    convs = {conv.name: conv for conv in convolutions(folded)}
    for name, members in groups.items():
        if name not in convs or members.shape != tuple(convs[name].kernel.shape):
            known = ", ".join(f"{conv.name} {tuple(conv.kernel.shape)}" for conv in convs.values())
            raise L3Error(f"groups for layer {name} {members.shape}: the network has {known}")
    for name, members in groups.items():
        kernel = convs[name].kernel
        kernel.constraint = Shared(members)
        kernel.assign(kernel.constraint(kernel))
