"""Filters that a network can do without: what they give is a constant, or nobody reads it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from l3host.graph.network import Conv, Graph


def without_dead_filters(graph: Graph) -> tuple[Graph, dict[str, int]]:
    """Return a network that computes the same without its dead filters, and how many each layer has lost, by its name.

    A filter without weights gives one constant. Zero goes without a trace; any other goes into the next biases where the next
    kernels weigh it in their middle alone: elsewhere the zero border makes sums at the edges differ, so the filter stays. A filter
    whose output no kernel weighs goes, too. The last convolution keeps all of its own: they are the embedding.
    """
    convs = graph.convs
    for i in range(len(convs) - 1):
        convs[i : i + 2] = _without(convs[i], convs[i + 1], _constants(convs[i], convs[i + 1]))
    for i in reversed(range(len(convs) - 1)):  # from the back, because what goes may be the last to read a filter
        convs[i : i + 2] = _without(convs[i], convs[i + 1], np.logical_not(convs[i + 1].kernel.any(axis=(0, 1, 3))))
    lost = {old.name: len(old.bias) - len(new.bias) for old, new in zip(graph.convs, convs, strict=True)}
    return replace(graph, layers=[*convs, *graph.denses]), {name: n for name, n in lost.items() if n}


def _value(conv: Conv) -> np.ndarray:
    """What each filter gives if it has no weights."""
    return np.maximum(conv.bias, 0) if conv.activation == "relu" else conv.bias


def _constants(conv: Conv, after: Conv) -> np.ndarray:
    """Which filters give a constant that the next layer's biases can take."""
    around = after.kernel.copy()
    around[1, 1] = 0
    movable = (_value(conv) == 0) | ~around.any(axis=(0, 1, 3))
    return np.asarray(~conv.kernel.any(axis=(0, 1, 2)) & movable)


def _without(conv: Conv, after: Conv, dead: np.ndarray) -> tuple[Conv, Conv]:
    """Both layers without these filters of the first, whose constants go into the biases of the second. One filter stays."""
    dead[0] &= not dead.all()
    moved = _value(conv)[dead].astype(np.float64) @ after.kernel[1, 1, dead]
    return (
        replace(conv, kernel=conv.kernel[..., ~dead], bias=conv.bias[~dead]),
        replace(after, kernel=after.kernel[:, :, ~dead], bias=(after.bias + moved).astype(after.bias.dtype)),
    )
