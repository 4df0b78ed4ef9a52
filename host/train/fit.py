"""One training run in one process: fit, checkpoint, resume, score. Needs TensorFlow."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from l3host.embed import windows_of
from l3host.errors import L3Error
from l3host.files import replace
from l3host.graph import frontend
from l3host.train import augment
from l3host.train.backend import keras, tf
from l3host.train.networks import audio, classifier
from l3host.train.settings import Settings
from l3mote.format import Frontend


def smoothed(labels: Sequence[int], n_labels: int, smoothing: float) -> np.ndarray:
    """Target rows (clips, n_labels) float32: 1 - smoothing on the label, the rest spread evenly."""
    return (np.eye(n_labels)[list(labels)] * (1 - smoothing) + smoothing / n_labels).astype(np.float32)


def cosine(epoch: int, settings: Settings) -> float:
    """Learning rate of an epoch (from 0): half a cosine, after a ramp over the first twentieth of the epochs."""
    ramp = min(1.0, (epoch + 1) / max(1, settings.epochs / 20))
    return settings.learning_rate * ramp * (1 + np.cos(np.pi * epoch / settings.epochs)) / 2


class Trainer:
    """A network, its optimizer, and everything that a checkpoint has to hold."""

    def __init__(self, settings: Settings, n_labels: int):
        keras.utils.set_random_seed(settings.seed)
        self.settings = settings
        self.frontend = frontend(settings.frontend)
        self.model = classifier(audio(self.frontend, settings.filters, use_bias=False), n_labels, settings.dropout)
        self.mel = self.model.get_layer("log_mel")
        self.body = keras.Model(self.mel.output, self.model.output)
        self.optimizer = keras.optimizers.AdamW(settings.learning_rate, weight_decay=settings.weight_decay)
        self.optimizer.build(self.model.trainable_variables)
        self.losses: list[float] = []  # of each epoch done
        self.seconds = 0.0  # spent on them
        self.step = tf.function(self._step, reduce_retracing=True)

    def _step(self, waves, masks, targets):
        plane = self.mel(waves)
        plane = tf.where(masks, tf.reduce_mean(plane, axis=(1, 2), keepdims=True), plane)
        with tf.GradientTape() as tape:
            scores = self.body(plane, training=True)
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(targets, scores))
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return loss

    def epoch(self, clips: Sequence[np.ndarray], labels: Sequence[int]) -> float:
        """Train one epoch and return its mean loss. Randomness follows from (seed, epoch). Raises L3Error for a NaN loss."""
        start = time.monotonic()
        number = len(self.losses)
        settings = self.settings
        targets = smoothed(labels, self.model.output_shape[1], settings.label_smoothing)
        rng = np.random.default_rng([settings.seed, number])
        self.optimizer.learning_rate = cosine(number, settings)
        self.model.get_layer("dropout").seed_generator.state.assign([settings.seed, number])
        batches = augment.batches(clips, targets, self.frontend, settings.windows, settings.batch, settings.mixing, rng)
        loss = float(np.mean([self.step(*batch) for batch in batches]))
        if not np.isfinite(loss):
            raise L3Error(f"the loss is {loss} in epoch {number + 1}: stopped, the checkpoint of epoch {number} is kept")
        self.losses.append(loss)
        self.seconds += time.monotonic() - start
        return loss

    def save(self, path: Path) -> None:
        """Write weights, optimizer state, losses and time; the old checkpoint stays until the new one is complete."""
        values = [v.numpy() for v in self.model.weights + self.optimizer.variables]
        with replace(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, *values, losses=self.losses, seconds=self.seconds)

    def restore(self, path: Path) -> None:
        """Read what save wrote. Raises L3Error if it does not fit this network."""
        variables = self.model.weights + self.optimizer.variables
        try:
            with np.load(path) as saved:
                values = [saved[f"arr_{i}"] for i in range(len(variables))]
                self.losses, self.seconds = saved["losses"].tolist(), float(saved["seconds"])
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as e:
            raise L3Error(f"cannot resume from {path}: {e}; delete it to start again") from None


def fit(
    clips: Sequence[np.ndarray],
    labels: Sequence[int],
    n_labels: int,
    settings: Settings,
    folder: Path,
    progress: Callable[[int, float], None],
) -> Trainer:
    """Train on int16 clips at the front-end's rate, from folder/checkpoint.npz on if there is one; write folder/model.keras.

    progress is told (epochs done, loss) and may raise to stop; the checkpoint is then already written.
    """
    trainer = Trainer(settings, n_labels)
    checkpoint = folder / "checkpoint.npz"
    if checkpoint.exists():
        trainer.restore(checkpoint)
    while len(trainer.losses) < settings.epochs:
        loss = trainer.epoch(clips, labels)
        trainer.save(checkpoint)
        progress(len(trainer.losses), loss)
    trainer.model.save(folder / "model.keras")
    return trainer


def clip_windows(clip: np.ndarray, fe: Frontend) -> np.ndarray:
    """Windows (N, window) float32 in [-1, 1] of an int16 clip, as `classify` cuts them."""
    return windows_of(clip / np.float32(32768), fe.window, fe.hop, False)


def clip_scores(model: keras.Model, clips: Sequence[np.ndarray], fe: Frontend) -> np.ndarray:
    """Mean of the windows' probabilities for each clip, (clips, labels)."""
    return np.stack([model.predict_on_batch(clip_windows(clip, fe)).mean(axis=0) for clip in clips])


def confusion(truth: Sequence[int], scores: np.ndarray) -> list[list[int]]:
    """Counts [true label][label with the highest score]."""
    counts = np.zeros((scores.shape[1],) * 2, int)
    np.add.at(counts, (list(truth), scores.argmax(axis=1)), 1)
    return counts.tolist()
