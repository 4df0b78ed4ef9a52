"""Teachers: networks whose embedding a student learns. A published .h5, a .keras file, or an ONNX file that a TOML describes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from l3host.errors import L3Error
from l3host.networks import build
from l3host.networks.backend import keras, tf
from l3host.train import loop

BATCH = 32  # windows heard at a time


class Heard(NamedTuple):
    """What a teacher says of N windows. logits: of the classes that it was trained on; without any, (N, 0)."""

    embedding: np.ndarray  # (N, size) float32
    logits: np.ndarray


class Teacher(Protocol):
    """What a training needs of a teacher."""

    name: str
    digest: str  # of everything that its answers follow from
    sample_rate: int
    seconds: float | None  # of the windows that it hears; None: of any length
    size: int  # of its embedding

    def hear(self, waves: np.ndarray) -> Heard:
        """Run on windows (N, samples) float32 in [-1, 1] at its rate."""


class Network:
    """Teach with an embedding network in Keras."""

    def __init__(self, model: keras.Model, name: str = "network"):
        fe = build.architecture(model).frontend
        self.name, self.sample_rate, self.seconds = name, fe.sample_rate, fe.window / fe.sample_rate
        self.size = model.output_shape[1]
        self.digest = loop.digest(model.get_weights())
        self._run = tf.function(lambda waves: model(waves, training=False), reduce_retracing=True)

    def hear(self, waves: np.ndarray) -> Heard:
        """Run on windows, a few at a time."""
        parts = [self._run(tf.constant(waves[at : at + BATCH])).numpy() for at in range(0, len(waves), BATCH)]
        return Heard(np.concatenate(parts), np.zeros((len(waves), 0), np.float32))


def load(path: str) -> Teacher:
    """Open a teacher: a .toml that describes an ONNX file (onnx_teacher.Description), a published .h5, a .keras file.

    Raises L3Error for anything else, and for files that cannot be used.
    """
    if not Path(path).is_file():
        raise L3Error(f"no such teacher: {path}")
    if path.endswith(".toml"):
        from l3host.train import onnx_teacher

        return onnx_teacher.load(path)
    if path.endswith(".onnx"):
        raise L3Error(f"{path}: an ONNX file does not say how it hears: write a .toml beside it (docs, Compression, Teachers)")
    from l3host.networks import weights

    return Network(weights.load(path), Path(path).name)
