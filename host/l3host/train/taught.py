"""Train a student on lessons: a teacher's embedding, the class scores of a head on it, and labels. Needs TensorFlow.

The embedding is reduced by PCA and learnt through a linear layer that is thrown away afterwards, so that the student's own
embedding may have any size and stay positive. The head is a logistic regression on what the teacher says of the same lessons.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from l3host.compress import prune
from l3host.compress.masks import Target
from l3host.errors import L3Error
from l3host.evaluate.backend import LogisticRegression, StandardScaler, make_pipeline
from l3host.graph.network import frontend
from l3host.networks.backend import keras, tf
from l3host.networks.build import BN_MOMENTUM, audio, classifier
from l3host.train import augment, lessons, loop, points
from l3host.train.lessons import Lessons, Material
from l3host.train.settings import Taught, TaughtSettings
from l3host.train.teachers import Teacher

HEAD_C = 0.01  # of the logistic regression: inverse of its regularisation
PLANES = 256  # windows whose planes are computed at a time


def maker(network: keras.Model, teacher: Teacher, material: Material, settings: Taught) -> lessons.Maker:
    """What makes the lessons of a student: its own front-end hears them. Raises L3Error as lessons.Maker does."""
    layer = network.get_layer("log_mel")
    run = tf.function(layer, reduce_retracing=True)

    def mel(waves: np.ndarray) -> np.ndarray:
        return np.concatenate([run(tf.constant(waves[at : at + PLANES])).numpy() for at in range(0, len(waves), PLANES)])

    return lessons.Maker(material, teacher, layer.frontend, mel, settings.lessons, settings.seed)


class Learn:
    """loop.Task: a version of each window's plane, masked anew in each epoch, to what the teacher and the labels say of it."""

    def __init__(self, model: keras.Model, planes: np.ndarray, targets: Sequence[np.ndarray], settings: Taught, dropout=None):
        self.model, self.planes, self.targets, self.settings, self.dropout = model, planes, targets, settings, dropout

    def batches(self, epoch: int):
        settings = self.settings
        rng = np.random.default_rng([settings.seed, epoch])
        if self.dropout:
            self.dropout.seed_generator.state.assign([settings.seed, epoch])
        order, size = rng.permutation(len(self.planes)), min(settings.batch, len(self.planes))
        _, versions, bands, frames = self.planes.shape
        for at in range(0, len(order) - size + 1, size):
            chosen = np.sort(order[at : at + size])
            masks = np.stack([augment.mask(bands, frames, rng, settings.masks) for _ in chosen])
            planes = self.planes[chosen, rng.integers(versions, size=size)].astype(np.float32)
            yield planes[..., None], masks[..., None], *[target[chosen] for target in self.targets]

    def losses(self, planes, masks, features, *classes):
        planes = tf.where(masks, tf.reduce_mean(planes, axis=(1, 2), keepdims=True), planes)
        outputs = keras.tree.flatten(self.model(planes, training=True))  # Keras returns a list of one as its one tensor
        total = self.settings.features * tf.reduce_mean(tf.square(outputs[0] - features), axis=1)
        if classes:
            soft, hard, known = classes
            cross_entropy = keras.losses.categorical_crossentropy
            total += self.settings.soft * cross_entropy(soft, outputs[1])
            total += self.settings.hard * known * cross_entropy(hard, outputs[1])
        return total


def fit(folds: Sequence[Path], settings: TaughtSettings, folder: Path, progress: loop.Progress) -> tuple[keras.Model, float]:
    """teach() a new network, which is then written to folder/model.keras; return it and the seconds. folds: folders of lessons."""
    keras.utils.set_random_seed(settings.seed)
    network = audio(frontend(settings.frontend), settings.filters, use_bias=False)
    student, done = train(network, lessons.read(folds), settings, folder, progress, None)
    student.save(folder / "model.keras")
    return student, done.seconds


def teach(
    network: keras.Model,
    given: Lessons,
    settings: Taught,
    folder: Path,
    progress: loop.Progress,
    gradual: Target | None = None,
) -> keras.Model:
    """Train an embedding network on lessons; return it, with a classifier on it if the lessons have classes.

    Zeros of the kernels stay zero; gradual: as in distill.kd. folder: of this training alone; calling again with the same
    arguments goes on there (loop.run). Raises L3Error for lessons without two classes to tell apart.
    """
    return train(network, given, settings, folder, progress, gradual)[0]


def train(network, given: Lessons, settings: Taught, folder: Path, progress, gradual) -> tuple[keras.Model, loop.Loop]:
    n_labels = given.shares.shape[1]
    targets = [features(given.embedding, network.output_shape[1])]
    if n_labels:
        soft = scores(given, settings.temperature)
        targets += [soft, given.shares, given.shares.sum(axis=1)]
    about = {
        "training": "taught",
        "network": loop.digest(network.get_weights()),
        "lessons": loop.digest([given.planes, *targets]),
        "gradual": gradual,
    }
    keras.utils.set_random_seed(settings.seed)
    mel = network.get_layer("log_mel").output
    adapter = adapted(network.output, targets[0].shape[1], alone=not n_labels)
    student = classifier(network, n_labels, settings.dropout) if n_labels else network
    whole = keras.Model(mel, [adapter, student.output] if n_labels else [adapter])
    dropout = student.get_layer("dropout") if n_labels and settings.dropout else None
    pruning = prune.while_training(network, gradual, settings.epochs)
    done = loop.run(Learn(whole, given.planes, targets, settings, dropout), settings, folder, progress, about, pruning)
    return student, done


def adapted(embedding, size: int, alone: bool):
    """Return what the teacher's embedding is compared with.

    alone: there are no labels, so a batch norm holds the embedding's scale; else the squared error first shrinks it
    (ESC-50 after a short training, one fold: .63 without, .67 with it).
    """
    if alone:
        embedding = keras.layers.BatchNormalization(momentum=BN_MOMENTUM, name="adapter_bn")(embedding)
    return keras.layers.Dense(size, name="adapter")(embedding)


def features(embedding: np.ndarray, size: int) -> np.ndarray:
    """The teacher's embeddings (N, D) reduced to `size` values at most, (N, d) float32, with a mean variance of 1."""
    mean, components = points.principal(embedding, min(size, embedding.shape[1]))
    reduced = (embedding - mean) @ components.T
    return (reduced / max(np.sqrt(reduced.var(axis=0).mean()), 1e-6)).astype(np.float32)


def scores(given: Lessons, temperature: float) -> np.ndarray:
    """Class scores (N, labels) float32 of all lessons by a head that is fitted on those of one known class alone."""
    pure = given.shares.max(axis=1) == 1
    labels = given.shares[pure].argmax(axis=1)
    if len(set(labels)) < 2:
        raise L3Error("the lessons have fewer than two classes: there is nothing to tell apart")
    inputs = np.concatenate([given.embedding, given.logits], axis=1).astype(np.float64)
    with threadpool_limits(1):
        head = make_pipeline(StandardScaler(), LogisticRegression(C=HEAD_C, max_iter=300)).fit(inputs[pure], labels)
        decisions = head.decision_function(inputs) / temperature
    if decisions.ndim == 1:  # of two classes
        decisions = np.stack([-decisions / 2, decisions / 2], axis=1)
    decisions = np.exp(decisions - decisions.max(axis=1, keepdims=True))
    result = np.zeros(given.shares.shape, np.float32)
    result[:, head.classes_] = decisions / decisions.sum(axis=1, keepdims=True)
    return result
