"""The one place that imports TensorFlow and Keras, quietly and on the TensorFlow backend."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from l3host.errors import L3Error

os.environ["KERAS_BACKEND"] = "tensorflow"  # LogMel is written in tf.signal
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # TensorFlow's own choice without AVX-512 is 0: 1.6 times slower (AMD EPYC)

try:
    import keras
    import tensorflow as tf
except ImportError:
    raise L3Error("training needs TensorFlow: pip install 'l3mote[train]'") from None

__all__ = ["barrier", "init_workers", "is_chief", "keras", "lost_workers", "one_thread", "strategy", "tf"]


def one_thread() -> None:
    """Limit TensorFlow to one thread: for nets this small, measured several times faster than two, and bit-reproducible.

    Only possible before TensorFlow runs its first operation.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()


_workers: tf.distribute.Strategy | None = None  # set by init_workers() if there are several


def init_workers() -> None:
    """Join the workers that TF_CONFIG names (TensorFlow's convention); without it this process works alone.

    Only possible before TensorFlow runs its first operation; waits until all workers are there. Raises L3Error for a
    TF_CONFIG that is not JSON.
    """
    global _workers
    if "TF_CONFIG" in os.environ:
        try:
            _workers = tf.distribute.MultiWorkerMirroredStrategy()
        except ValueError as e:
            raise L3Error(f"TF_CONFIG names no workers: {str(e).splitlines()[0]}") from None


def strategy() -> tf.distribute.Strategy:
    """Return the strategy to build and train networks under: that of all joined workers, or of this process alone."""
    return _workers or tf.distribute.get_strategy()


def is_chief() -> bool:
    """Return whether this process is the one that writes files: the first of the workers, or the only one."""
    return _workers is None or _workers.cluster_resolver.task_id == 0


def barrier() -> None:
    """Wait at a barrier for every worker. Raises L3Error if one is gone."""
    if _workers:
        with lost_workers():
            _workers.reduce(tf.distribute.ReduceOp.SUM, _workers.run(lambda: tf.constant(0.0)), axis=None)


@contextmanager
def lost_workers() -> Iterator[None]:
    """Raise L3Error where TensorFlow says that another worker does not answer."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError, tf.errors.CancelledError) as e:
        raise L3Error(f"a worker is gone ({e.message.splitlines()[0]}): start all of them again, the run goes on") from None
