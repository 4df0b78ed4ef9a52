"""Writes small_float.tflite and small_int8.tflite: keras_files.small() through TensorFlow's converter, where the fuzz starts from.

python tests/kit/make_tflite.py, with l3mote[train].
"""

from pathlib import Path

import keras_files as kf
import numpy as np
import tensorflow as tf


def small():
    la = tf.keras.layers
    made = {
        "Conv2D": lambda config: la.Conv2D(config["filters"], 3, padding="same"),
        "BatchNormalization": lambda config: la.BatchNormalization(epsilon=config["epsilon"]),
        "MaxPooling2D": lambda config: la.MaxPooling2D(config["pool_size"]),
        "GlobalMaxPooling2D": lambda config: la.GlobalMaxPooling2D(),
        "Dense": lambda config: la.Dense(config["units"]),
        "ReLU": lambda config: la.ReLU(),
        "Activation": lambda config: la.ReLU(),
        "Softmax": lambda config: la.Softmax(),
    }
    layers = kf.small()[1:]
    model = tf.keras.Sequential([tf.keras.Input((64, 50, 1)), *(made[layer.class_name](layer.config) for layer in layers)])
    for layer, source in zip(model.layers, layers, strict=True):
        layer.set_weights(list(source.weights.values()))
    return model


if __name__ == "__main__":
    planes = np.random.default_rng(3).uniform(-4, 0, (20, 1, 64, 50, 1)).astype(np.float32)
    for kind in ("float", "int8"):
        converter = tf.lite.TFLiteConverter.from_keras_model(small())
        if kind == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([plane] for plane in planes)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        Path(__file__).with_name(f"small_{kind}.tflite").write_bytes(converter.convert())
