"""Ablation: an audio network with fewer convolutions or fewer filters, with the weights of the one it is cut from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from l3host.errors import L3Error
from l3host.networks import build
from l3host.networks.backend import keras

DEPTHS = range(5, 9)


def depth(model: keras.Model, convolutions: int) -> keras.Model:
    """Return the first 5 to 8 convolutions of an audio network (a head is left out), the embedding taken after the last of them.

    The embedding has that convolution's batch norm and ReLU if, and only if, the model's own has them (Table III: neither).
    Raises L3Error for a depth that is not 5 ... 8 or more than there is.
    """
    shape = build.architecture(model)
    if convolutions not in DEPTHS or convolutions > len(shape.filters):
        raise L3Error(f"depth {convolutions}: choose from {DEPTHS[0]} to {min(DEPTHS[-1], len(shape.filters))} convolutions")
    return _cut(model, [np.arange(width) for width in shape.filters[:convolutions]])


def width(model: keras.Model, filters: Sequence[int]) -> keras.Model:
    """Return the audio network with this many filters in each convolution (a head is left out): those of the largest L1 norm.

    Norms are taken on the whole kernels, before anything is cut (Li et al., "Pruning filters for efficient convnets", 2017,
    independent pruning). Raises L3Error for a list of the wrong length, and a layer that would be empty or grow.
    """
    convs = build.convolutions(model)
    build.architecture(model)
    if len(filters) != len(convs):
        raise L3Error(f"{len(filters)} widths for {len(convs)} convolutions: give one for each")
    for conv, count in zip(convs, filters, strict=True):
        if not 1 <= count <= conv.filters:
            raise L3Error(f"layer {conv.name}: {count} filters of {conv.filters}: keep at least one, and no more than there are")
    return _cut(model, [_strongest(conv.kernel.numpy(), count) for conv, count in zip(convs, filters, strict=True)])


def _strongest(kernel: np.ndarray, count: int) -> np.ndarray:
    """Return the indices, in order, of the `count` filters with the largest L1 norm; among equals the first stay."""
    norms = np.abs(kernel).sum(axis=(0, 1, 2))
    return np.sort(np.argsort(-norms, kind="stable")[:count])


def _cut(model: keras.Model, kept: list[np.ndarray]) -> keras.Model:
    """Return a network of the filters kept in each convolution: a convolution loses the inputs that the one before has lost."""
    shape = build.architecture(model)
    small = build.audio(shape.frontend, [len(k) for k in kept], shape.final_norm, shape.use_bias)
    small.get_layer("mel_bn").set_weights(model.get_layer("mel_bn").get_weights())
    inputs = np.arange(1)
    for i, outputs in enumerate(kept, 1):
        kernel, *bias = model.get_layer(f"conv{i}").get_weights()
        small.get_layer(f"conv{i}").set_weights([kernel[:, :, inputs][..., outputs], *(b[outputs] for b in bias)])
        if i < len(kept) or shape.final_norm:
            small.get_layer(f"bn{i}").set_weights([value[outputs] for value in model.get_layer(f"bn{i}").get_weights()])
        inputs = outputs
    return small
