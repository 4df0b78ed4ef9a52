"""Supervised training of a classifier: from scratch or from an embedding network, and the scores of clips. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from l3host.compress import prune
from l3host.compress.masks import Target
from l3host.errors import L3Error
from l3host.evaluate.events import Timelines
from l3host.graph.network import frontend
from l3host.networks.backend import keras, tf
from l3host.networks.build import audio, classifier
from l3host.networks.layers import fused
from l3host.sound.windows import windows_of
from l3host.train import augment, loop
from l3host.train.settings import Labels, Settings
from l3mote.format import Frontend


def smoothed(labels: Sequence[int], n_labels: int, smoothing: float) -> np.ndarray:
    """Return the target rows (clips, n_labels) float32: 1 - smoothing on the label, the rest spread evenly."""
    return (np.eye(n_labels)[list(labels)] * (1 - smoothing) + smoothing / n_labels).astype(np.float32)


class Classify:
    """loop.Task: windows of int16 clips at the front-end's rate, augmented, to smoothed labels."""

    def __init__(self, model: keras.Model, clips: Sequence[np.ndarray], labels: Sequence[int], settings: Labels):
        self.model, self.clips, self.settings = model, clips, settings
        self.targets = smoothed(labels, model.output_shape[1], settings.label_smoothing)
        self.mel = model.get_layer("log_mel")
        self.body = fused(keras.Model(self.mel.output, model.output))

    def batches(self, epoch: int):
        settings = self.settings
        rng = np.random.default_rng([settings.seed, epoch])
        if settings.dropout:
            self.model.get_layer("dropout").seed_generator.state.assign([settings.seed, epoch])
        return augment.batches(
            self.clips, self.targets, self.mel.frontend, settings.windows, settings.batch, settings.mixing, rng
        )  # fmt: skip

    def losses(self, waves, masks, targets):
        plane = self.mel(waves)
        plane = tf.where(masks, tf.reduce_mean(plane, axis=(1, 2), keepdims=True), plane)
        return keras.losses.categorical_crossentropy(targets, self.body(plane, training=True))


def labels(
    network: keras.Model,
    clips: Sequence[np.ndarray],
    labels: Sequence[int],
    n_labels: int,
    settings: Labels,
    folder: Path,
    progress: loop.Progress,
    gradual: Target | None = None,
) -> keras.Model:
    """Put a classifier on an embedding network and train both on labelled clips: waveform -> (batch, n_labels).

    clips: int16 at the network's rate; labels: an index for each. Zeros of the kernels stay zero; gradual: as in distill.kd.
    folder: of this training alone; calling again with the same arguments goes on there (loop.run).
    Raises L3Error for clips that are not one a label.
    """
    return _train(network, clips, labels, n_labels, settings, folder, progress, gradual).model


def fit(
    clips: Sequence[np.ndarray],
    labels: Sequence[int],
    n_labels: int,
    settings: Settings,
    folder: Path,
    progress: loop.Progress,
) -> loop.Loop:
    """Train labels() on a new network and write it to folder/model.keras."""
    keras.utils.set_random_seed(settings.seed)
    network = audio(frontend(settings.frontend), settings.filters, use_bias=False)
    done = _train(network, clips, labels, n_labels, settings, folder, progress, None)
    done.model.save(folder / "model.keras")
    return done


def _train(network, clips, labels, n_labels, settings, folder, progress, gradual) -> loop.Loop:
    if not len(clips) or len(clips) != len(labels):
        raise L3Error(f"{len(labels)} labels for {len(clips)} clips: give one for each")
    about = {
        "training": "labels",
        "network": loop.digest(network.get_weights()),
        "clips": loop.digest(clips),
        "labels": [int(label) for label in labels],
        "gradual": gradual,
    }
    keras.utils.set_random_seed(settings.seed)
    model = classifier(network, n_labels, settings.dropout)
    pruning = prune.while_training(model, gradual, settings.epochs)
    return loop.run(Classify(model, clips, labels, settings), settings, folder, progress, about, pruning)


def clip_windows(clip: np.ndarray, fe: Frontend) -> np.ndarray:
    """Return the windows (N, window) float32 in [-1, 1] of an int16 clip, as `classify` cuts them."""
    return windows_of(clip / np.float32(32768), fe.window, fe.hop, False)


def timelines(model: keras.Model, clips: Sequence[np.ndarray], labels: Sequence[int], fe: Frontend) -> Timelines:
    """Return the scores of every window of int16 clips at the front-end's rate."""
    scores = [model.predict_on_batch(clip_windows(clip, fe)) for clip in clips]
    return Timelines(scores, np.array(labels, int), np.array([len(clip) for clip in clips]) / fe.sample_rate)


def confusion(result: Timelines, silent: Sequence[int] = ()) -> list[list[int]]:
    """Return the counts [true label][label with the highest mean score] over clips and labels that are not silent."""
    labels = [i for i in range(result.scores[0].shape[1]) if i not in silent]
    counts = np.zeros((len(labels),) * 2, int)
    for scores, label in zip(result.scores, result.labels, strict=True):
        if label not in silent:
            counts[labels.index(label), scores.mean(axis=0)[labels].argmax()] += 1
    return counts.tolist()
