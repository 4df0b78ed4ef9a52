"""Distillation: a student learns a teacher's embedding of unlabelled windows by mean squared error. Needs TensorFlow.

kd: the student is derived from the teacher (pruned, narrower, shallower) and has the same input. sea:
it is a new network, which may have another rate and a smaller embedding (Srivastava et al., ICASSP 2021). In both the windows are
drawn once and run through the teacher once; its embeddings are kept in the run folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from l3host.compress import batchnorm, prune
from l3host.compress.masks import Target
from l3host.errors import L3Error
from l3host.files import replace
from l3host.networks import build
from l3host.networks.backend import keras, tf
from l3host.train import loop, points
from l3host.train.points import Points
from l3host.train.settings import Kd, Schedule, Sea

BLOCK = 512  # windows that the teacher runs between two saves
BATCH = 32  # of them at a time
FIRST = 512  # windows that a new student's scale is fitted on
EDGE = 1e-3  # standard deviation below which a channel counts as constant


class Match:
    """loop.Task: the mean squared error between the student's embedding of a window and its target."""

    def __init__(self, student: keras.Model, clips: Sequence[np.ndarray], where: Points, targets: np.ndarray, settings: Schedule):
        self.model, self.clips, self.where, self.targets, self.settings = student, clips, where, targets, settings
        self.frontend = build.architecture(student).frontend

    def batches(self, epoch: int):
        rng = np.random.default_rng([self.settings.seed, epoch])
        size = min(self.settings.batch, len(self.targets))
        order = rng.permutation(len(self.targets))
        for at in range(0, len(order) - size + 1, size):
            chosen = order[at : at + size]
            yield self.where.take(chosen).windows(self.clips, self.frontend), self.targets[chosen]

    def losses(self, waves, targets):
        return tf.reduce_mean(tf.square(self.model(waves, training=True) - targets), axis=1)


def kd(
    teacher: keras.Model,
    student: keras.Model,
    clips: Sequence[np.ndarray],
    settings: Kd,
    folder: Path,
    progress: loop.Progress,
    gradual: Target | None = None,
) -> keras.Model:
    """Train the student, which it returns, to the teacher's embedding; zeros of its kernels stay zero.

    gradual: per cent of the weights that are pruned on the way (prune.while_training). clips: int16, unlabelled,
    at the networks' rate. folder: of this training alone; calling again with the same arguments goes on there (loop.run).
    Raises L3Error for networks that do not hear the same or differ in embedding, and no clips.
    """
    fe, student_fe = (build.architecture(net).frontend for net in (teacher, student))
    if (fe.sample_rate, fe.window) != (student_fe.sample_rate, student_fe.window):
        raise L3Error(
            f"the teacher hears {input_of(fe)}, the student {input_of(student_fe)}: sea teaches across rates, kd does not"
        )
    if teacher.output_shape != student.output_shape:
        sizes = f"the teacher's embedding has {teacher.output_shape[1]} values, the student's {student.output_shape[1]}"
        raise L3Error(f"{sizes}: sea reduces the teacher's (PCA), kd does not")
    check_clips(clips)
    about = describe("kd", teacher, student, clips) | {"gradual": gradual}
    pruning = prune.while_training(student, gradual, settings.epochs)
    chosen = np.repeat(np.arange(len(clips)), settings.windows)
    where = points.draw(clips, fe.sample_rate, fe.window / fe.sample_rate, chosen, np.random.default_rng(settings.seed))
    targets = embeddings(teacher, clips, where, folder)
    return loop.run(Match(student, clips, where, targets, settings), settings, folder, progress, about, pruning).model


def sea(
    teacher: keras.Model,
    student: keras.Model,
    clips: Sequence[np.ndarray],
    rate: int,
    settings: Sea,
    folder: Path,
    progress: loop.Progress,
) -> keras.Model:
    """Train a new student, which it returns, to the teacher's embedding of the domain's clips, reduced to the student's size.

    clips: int16, unlabelled, at `rate` Hz, the higher of the two networks' rates or more. The reduction is PCA, left out where
    sizes are equal. A student that ends in ReLU learns it shifted to positive values, which PCA alone does not give (ours:
    the paper does not say). Its last layer starts at the scale of the targets, so that the paper's learning rate reaches them.
    Resumable as kd. Raises L3Error for windows of different length in seconds, a student's embedding above the teacher's, an
    unknown sampling, no clips.
    """
    fe, student_fe = (build.architecture(net).frontend for net in (teacher, student))
    seconds = fe.window / fe.sample_rate
    if seconds != student_fe.window / student_fe.sample_rate:
        raise L3Error(f"the teacher hears {input_of(fe)}, the student {input_of(student_fe)}: they must be equally long")
    if student.output_shape[1] > teacher.output_shape[1]:
        sizes = f"{student.output_shape[1]} values of the student for {teacher.output_shape[1]} of the teacher"
        raise L3Error(f"{sizes}: PCA only reduces, choose a smaller embedding")
    check_clips(clips)
    about = describe("sea", teacher, student, clips)
    prune.hold(student)
    clips, teacher_clips = (points.at_rate(clips, rate, net.sample_rate) for net in (student_fe, fe))
    rng = np.random.default_rng(settings.seed)
    number = settings.points * (1 if settings.sampling == "random" else settings.candidates)
    where = points.draw(clips, student_fe.sample_rate, seconds, rng.integers(len(clips), size=number), rng)
    where = points.sample(
        settings.points,
        where,
        lambda: np.concatenate([np.sqrt(np.mean(w**2, axis=1)) for w in blocks(clips, where, student_fe)]),
        lambda: embeddings(teacher, teacher_clips, where, folder),
        settings.sampling,
        rng,
    )
    targets = reduced(embeddings(teacher, teacher_clips, where, folder), student)
    first = np.arange(min(FIRST, len(targets)))
    fit_scale(student, where.take(first).windows(clips, student_fe), targets[first])
    return loop.run(Match(student, clips, where, targets, settings), settings, folder, progress, about).model


def input_of(fe) -> str:
    return f"{fe.window} samples at {fe.sample_rate} Hz"


def check_clips(clips: Sequence[np.ndarray]) -> None:
    if not len(clips):
        raise L3Error("no clips to learn from: give at least one")


def describe(training: str, teacher: keras.Model, student: keras.Model, clips: Sequence[np.ndarray]) -> dict:
    """Return what a checkpoint notes: whose embedding, of which sounds, learnt by which network."""
    return {
        "training": training,
        "teacher": loop.digest(teacher.get_weights()),
        "student": loop.digest(student.get_weights()),
        "clips": loop.digest(clips),
    }


def blocks(clips: Sequence[np.ndarray], where: Points, fe) -> Iterable[np.ndarray]:
    """Yield the windows of all points, BLOCK at a time."""
    for at in range(0, len(where.clip), BLOCK):
        yield where.take(np.arange(at, min(at + BLOCK, len(where.clip)))).windows(clips, fe)


def embeddings(teacher: keras.Model, clips: Sequence[np.ndarray], where: Points, folder: Path) -> np.ndarray:
    """Return the teacher's embeddings (N, D) of all points, kept block by block in `folder`."""
    kept = folder / f"teacher-{loop.digest([*teacher.get_weights(), *clips, *where])[:16]}"
    kept.mkdir(parents=True, exist_ok=True)
    run = tf.function(lambda waves: teacher(waves, training=False), reduce_retracing=True)
    parts = []
    for number, windows in enumerate(blocks(clips, where, build.architecture(teacher).frontend)):
        path = kept / f"{number:06d}.npy"
        if not path.exists():
            values = [run(tf.constant(windows[at : at + BATCH])).numpy() for at in range(0, len(windows), BATCH)]
            with replace(path) as temporary, open(temporary, "wb") as file:
                np.save(file, np.concatenate(values))
        parts.append(np.load(path))
    return np.concatenate(parts)


def reduced(embedded: np.ndarray, student: keras.Model) -> np.ndarray:
    """Return the teacher's embeddings (N, D) as targets (N, d) float32 for the student."""
    size = student.output_shape[1]
    if size == embedded.shape[1]:
        return embedded
    mean, components = points.principal(embedded, size)
    targets = (embedded - mean) @ components.T
    if build.architecture(student).final_norm:
        targets -= targets.min(axis=0)
    return targets.astype(np.float32)


def fit_scale(student: keras.Model, windows: np.ndarray, targets: np.ndarray) -> None:
    """Scale and shift each output channel of a new network so that its mean and deviation are the targets'.

    Exact but for the ReLU: with positive scales the pool's maximum stands at the same place.
    """
    batchnorm.reestimate(student, windows)
    shape = build.architecture(student)
    last = student.get_layer(f"{'bn' if shape.final_norm else 'conv'}{len(shape.filters)}")
    peak = keras.Model(student.input, keras.layers.GlobalMaxPooling2D()(last.output))
    values = np.concatenate([peak.predict_on_batch(windows[at : at + BATCH]) for at in range(0, len(windows), BATCH)])
    scale = targets.std(axis=0) / np.maximum(values.std(axis=0), EDGE)
    shift = targets.mean(axis=0) - scale * values.mean(axis=0)
    if shape.final_norm:
        last.gamma.assign(last.gamma * scale)
        last.beta.assign(last.beta * scale + shift)
    else:
        last.kernel.assign(last.kernel * scale)
        if shape.use_bias:
            last.bias.assign(last.bias * scale + shift)
