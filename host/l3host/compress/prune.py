"""Magnitude pruning of a Keras network: at once or gradually, with zeros that survive training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from l3host.compress import masks
from l3host.compress.masks import Target
from l3host.errors import L3Error
from l3host.networks.backend import keras, tf
from l3host.networks.build import convolutions


class Masked(keras.constraints.Constraint):
    """Multiplies a kernel by its mask; a Keras optimizer does so after each of its steps."""

    def __init__(self, mask: np.ndarray):
        self.mask = tf.Variable(mask, dtype=tf.float32, trainable=False)  # a compiled training step sees it change

    def __call__(self, kernel):
        return kernel * self.mask


def kernels(model: keras.Model) -> dict[str, np.ndarray]:
    """Return layer name -> kernel (3, 3, in, out) of every convolution, in order."""
    return {conv.name: conv.kernel.numpy() for conv in convolutions(model)}


def zero(model: keras.Model, target: Target) -> None:
    """Zero the smallest weights: `target` per cent of all together, or of each convolution by a plan.

    Training would bring them back: prune() holds them. Raises L3Error as masks.masks does; the network is then untouched.
    """
    kept = masks.masks(kernels(model), target)
    for conv in convolutions(model):
        conv.kernel.assign(conv.kernel * kept[conv.name])


def hold(model: keras.Model) -> None:
    """Keep every zero of the kernels at zero in training from now on: after pruning, or after loading a pruned network.

    A kernel that has another constraint (a palette's, which has its own zeros) is left to it.

    Call it (or prune, or make a Gradual) before the first training step: a step that TensorFlow compiled without it
    stays without it. Later calls change the masks of compiled steps too. The constraint is on the variable, not in the
    layer's configuration, so a saved file is that of any other network.
    """
    for conv in convolutions(model):
        mask = conv.kernel.numpy() != 0
        if isinstance(conv.kernel.constraint, Masked):
            conv.kernel.constraint.mask.assign(mask)
        elif conv.kernel.constraint is None:
            conv.kernel.constraint = Masked(mask)


def prune(model: keras.Model, target: Target) -> None:
    """Zero the smallest weights and hold them at zero."""
    zero(model, target)
    hold(model)


class Gradual:
    """Prunes while the network trains, by Zhu & Gupta's cubic schedule from 0 at step `begin` to `target` at step `end`.

    Make it before the first training step. The masks follow from weights and step number alone, so a run that was stopped
    continues with its weights and the same schedule. Raises L3Error for a schedule without steps and, before any training, for
    a target that masks.masks refuses.
    """

    def __init__(self, model: keras.Model, target: Target, begin: int, end: int, every: int):
        if not 0 <= begin < end or every < 1:
            raise L3Error(f"pruning every {every} steps from step {begin} to {end}: there must be a step between them")
        masks.masks(kernels(model), target)
        hold(model)
        self.model, self.target, self.begin, self.end, self.every = model, target, begin, end, every
        self.held = False  # whether the zeros of a checkpoint are held

    def step(self, number: int) -> None:
        """Call before training step `number` (from 0); prunes when it is due."""
        due = self.begin <= number < self.end and (number - self.begin) % self.every == 0
        if due or number == self.end:
            prune(self.model, masks.fraction(self.target, masks.cubic(number, self.begin, self.end)))
        elif not self.held:
            hold(self.model)
        self.held = True


def while_training(model: keras.Model, target: Target | None, epochs: int) -> Callable[[int], None]:
    """Return `before` for loop.run: it prunes gradually to `target` in the first half of the epochs; None only holds zeros.

    Raises L3Error for less than two epochs, and as Gradual does.
    """
    if target is None:
        hold(model)
        return lambda epoch: None
    return Gradual(model, target, 0, epochs // 2, 1).step
