"""The one training loop: epochs, checkpoints, resuming; on one worker or, under a tf.distribute strategy, on several.

Every worker makes the same batches and computes its share of each; batch norm statistics and gradients are those of the
whole batch, so several workers train the same network as one. Make and train such a network in `with strategy.scope()`
(backend.strategy()).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from l3host import npz
from l3host.errors import L3Error
from l3host.files import replace
from l3host.networks import backend
from l3host.networks.backend import keras, tf
from l3host.train.settings import Schedule

CHECKPOINT = "checkpoint.npz"
EVENTS = "tensorboard"  # folder of the loss and the learning rate of each epoch
WARM_UP = 1 / 20  # of the epochs

Progress = Callable[[int, float], None]  # called with (epochs done, loss); may raise to stop, the checkpoint is then written


class Task(Protocol):
    """What distinguishes one kind of training from another."""

    model: keras.Model  # its trainable weights are trained; all are checkpointed

    def batches(self, epoch: int) -> Iterable[tuple[np.ndarray, ...]]:
        """Return the batches of an epoch (from 0), rows first. They depend on `epoch` and the task's data only."""

    def losses(self, *batch: tf.Tensor) -> tf.Tensor:
        """Return the loss of each row of a batch, or of a worker's share of one, (rows,)."""


def cosine(epoch: int, schedule: Schedule) -> float:
    """Return the learning rate of an epoch (from 0): half a cosine, after a ramp over the first twentieth of the epochs."""
    ramp = min(1.0, (epoch + 1) / max(1, schedule.epochs * WARM_UP))
    return schedule.learning_rate * ramp * (1 + np.cos(np.pi * epoch / schedule.epochs)) / 2


def ahead(batches: Iterable[tuple[np.ndarray, ...]]) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the batches; a thread makes the next one meanwhile, for NumPy and TensorFlow let other threads run."""
    with ThreadPoolExecutor(1) as thread:
        made = iter(batches)
        due = thread.submit(next, made, None)
        while (batch := due.result()) is not None:
            due = thread.submit(next, made, None)
            yield batch


class Loop:
    """A task's network, its optimizer (AdamW), and everything else that a checkpoint has to hold.

    about: what identifies this training besides its schedule, ready for JSON; a checkpoint of any other is refused.
    """

    def __init__(self, task: Task, schedule: Schedule, about: dict):
        self.task, self.schedule = task, schedule
        self.about = json.loads(json.dumps(about | vars(schedule)))  # tuples become lists, as in a checkpoint
        self.model = task.model
        self.optimizer = keras.optimizers.AdamW(schedule.learning_rate, weight_decay=schedule.weight_decay)
        self.optimizer.build(self.model.trainable_variables)
        self.losses: list[float] = []  # of each epoch done
        self.seconds = 0.0  # spent on them
        self.strategy = tf.distribute.get_strategy()
        self.step = tf.function(self._step, reduce_retracing=True)

    def _step(self, *shares):
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, self.strategy.run(self._worker_step, shares), axis=None)

    def _worker_step(self, *share):
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            losses = self.task.losses(*share)
            rows = tf.size(losses) * self.strategy.num_replicas_in_sync
            loss = tf.reduce_sum(losses) / tf.cast(rows, losses.dtype)
        self.optimizer.apply(tape.gradient(loss, variables), variables)  # adds up the gradients of all workers
        return loss

    def _shares(self, batch: tuple[np.ndarray, ...]) -> list:
        """Return each array split among the workers, in order."""
        workers = self.strategy.num_replicas_in_sync
        if len(batch[0]) % workers:
            raise L3Error(f"a batch of {len(batch[0])} for {workers} workers: choose a multiple of {workers}")
        parts = [np.split(array, workers) for array in batch]
        at = self.strategy.experimental_distribute_values_from_function
        return [at(lambda context, p=part: tf.constant(p[context.replica_id_in_sync_group])) for part in parts]

    def epoch(self) -> float:
        """Train one epoch and return its mean loss. Raises L3Error for a NaN or infinite one."""
        start = time.monotonic()
        number = len(self.losses)
        self.optimizer.learning_rate = cosine(number, self.schedule)
        with backend.lost_workers():
            loss = float(np.mean([self.step(*self._shares(batch)) for batch in ahead(self.task.batches(number))]))
        if not all(np.isfinite(values).all() for values in self.model.get_weights()):
            loss = np.nan  # which a ReLU may have hidden
        if not np.isfinite(loss):
            kept = f"the checkpoint of epoch {number} is kept" if number else "nothing was saved"
            raise L3Error(f"the loss is {loss} in epoch {number + 1}: stopped, {kept}; try a lower learning rate")
        self.losses.append(loss)
        self.seconds += time.monotonic() - start
        return loss

    def save(self, path: Path) -> None:
        """Write weights, optimizer state, losses and time; the old checkpoint stays until the new one is complete."""
        values = [v.numpy() for v in self.model.weights + self.optimizer.variables]
        with replace(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, *values, losses=self.losses, seconds=self.seconds, about=json.dumps(self.about))

    def restore(self, path: Path) -> None:
        """Read what save wrote. Raises L3Error if it is broken or of another training."""
        variables = self.model.weights + self.optimizer.variables
        with npz.opened(path, "; delete it to start over") as saved:
            about = dict(json.loads(str(saved["about"])))
            values = [saved[name] for name in saved.files if name.startswith("arr_")]
            losses, seconds = saved["losses"].astype(float).tolist(), float(saved["seconds"])
        names = sorted(name for name in self.about | about if self.about.get(name) != about.get(name))
        if not names and [v.shape for v in values] != [tuple(v.shape) for v in variables]:
            names = ["architecture"]
        if names:
            raise L3Error(f"{path} is of another training (other {', '.join(names)}): choose another run directory or delete it")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.losses, self.seconds = losses, seconds


def run(
    task: Task,
    schedule: Schedule,
    folder: Path,
    progress: Progress,
    about: dict,
    before: Callable[[int], None] = lambda epoch: None,
) -> Loop:
    """Train to the schedule's end, from folder/checkpoint.npz on if there is one: the same network as without a stop.

    before: is called before each epoch (from 0), and may change weights in a way that follows from them and the number.
    Bit-equal on one thread (backend.one_thread()). folder: of this training alone, made if need be; several workers see the
    same. Raises L3Error for a NaN loss or a lost worker, which leave the last good checkpoint, and for a checkpoint that is
    broken or of another training.
    """
    if schedule.epochs < 1 or schedule.batch < 1:
        raise L3Error(f"{schedule.epochs} epochs in batches of {schedule.batch}: at least 1 of each")
    folder.mkdir(parents=True, exist_ok=True)
    loop = Loop(task, schedule, about)
    if (folder / CHECKPOINT).exists():
        loop.restore(folder / CHECKPOINT)
    events = None
    synchronize(loop.model, loop.strategy.num_replicas_in_sync > 1)
    try:
        while len(loop.losses) < schedule.epochs:
            before(len(loop.losses))
            loss = loop.epoch()
            if backend.is_chief():
                loop.save(folder / CHECKPOINT)
                events = events or tf.summary.create_file_writer(str(folder / EVENTS))
                write_scalars(events, len(loop.losses), loss=loss, learning_rate=cosine(len(loop.losses) - 1, schedule))
            progress(len(loop.losses), loss)
    finally:
        synchronize(loop.model, False)  # else it would be saved with the network
    backend.barrier()  # the checkpoint is there for every worker
    return loop


def synchronize(model: keras.Model, workers: bool) -> None:
    """Have every batch norm take its statistics over all workers' shares of a batch, or over its own."""
    for layer in every_layer(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = workers


def every_layer(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers of a network and of the networks in it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from every_layer(layer)
        else:
            yield layer


def write_scalars(events, step: int, **values: float) -> None:
    """Write scalars for TensorBoard, which need not be installed: tf.summary.scalar would ask for it."""
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    with events.as_default(step):
        for name, value in values.items():
            tf.summary.write(name, tf.constant(value, tf.float32), metadata=metadata)
    events.flush()


def digest(arrays: Iterable[np.ndarray]) -> str:
    """Return the SHA-256 of shapes and values, which identifies a training."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
