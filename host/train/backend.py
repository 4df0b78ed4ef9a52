"""The one place that imports TensorFlow and Keras, quietly and on the TensorFlow backend."""

import os

from l3host.errors import L3Error

os.environ["KERAS_BACKEND"] = "tensorflow"  # LogMel is written in tf.signal
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # TensorFlow's own choice without AVX-512 is 0: 1.6 times slower (AMD EPYC)

try:
    import keras
    import tensorflow as tf
except ImportError:
    raise L3Error("training needs TensorFlow: pip install 'l3mote[train]'") from None

__all__ = ["keras", "one_thread", "strategy", "tf"]


def one_thread() -> None:
    """Limit TensorFlow to one thread: for nets this small, measured several times faster than two, and bit-reproducible.

    Only possible before TensorFlow runs its first operation.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()


def strategy() -> tf.distribute.Strategy:
    """Several workers where TF_CONFIG names them (TensorFlow's convention), else this process alone.

    Only possible before TensorFlow runs its first operation; waits until all workers are there.
    """
    return tf.distribute.MultiWorkerMirroredStrategy() if "TF_CONFIG" in os.environ else tf.distribute.get_strategy()
