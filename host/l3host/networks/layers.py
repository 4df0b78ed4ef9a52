"""LogMel: the format's front-end as a Keras layer, so that a .keras file carries its own front-end parameters."""

import numpy as np

from l3host.errors import L3Error
from l3host.networks.backend import keras, tf
from l3mote.format import PADDING_SAME, SCALE_MEL, Frontend
from l3mote.opening import frontend_problem

FIELDS = Frontend.FIELDS[:-2]  # the last two are the input batch norm, which the network learns


def mel_weights(fe: Frontend) -> np.ndarray:
    """Return the area-normalised triangular filters on the HTK mel scale, (n_fft / 2 + 1, bands), float32."""
    low, high = np.log1p(np.array([fe.fmin, fe.fmax]) / 700)
    mel_edges = np.linspace(low, high, fe.bands + 2)
    hz_edges = 700 * np.expm1(mel_edges)
    bins = np.arange(fe.n_fft // 2 + 1) * fe.sample_rate / fe.n_fft
    weights = [np.interp(bins, hz_edges[b : b + 3], (0, 2 / (hz_edges[b + 2] - hz_edges[b]), 0)) for b in range(fe.bands)]
    return np.stack(weights, axis=1).astype(np.float32)


@keras.saving.register_keras_serializable("l3mote")
class LogMel(keras.layers.Layer):
    """Waveform (batch, window) in [-1, 1] -> dB plane (batch, bands, frames, 1), 0 at each window's maximum, float32.

    Keyword arguments are the fields of l3mote.format.Frontend except norm_scale and norm_shift; FORMAT.md defines the plane.
    Raises L3Error for a field out of range, TypeError for a missing one.
    """

    def __init__(self, **config):
        missing = [name for name in FIELDS if name not in config]
        if missing:
            raise TypeError(f"LogMel needs {', '.join(missing)}")
        self.frontend = Frontend(*[config.pop(name) for name in FIELDS], 1.0, 0.0)
        problem = frontend_problem(self.frontend)
        if problem:
            raise L3Error(f"front-end: field {problem} is out of range")
        super().__init__(trainable=False, **{k: v for k, v in config.items() if k != "trainable"})

    @classmethod
    def of(cls, frontend: Frontend, **kwargs) -> "LogMel":
        """Return the layer of a Frontend (its input batch norm is left out)."""
        return cls(**{name: getattr(frontend, name) for name in FIELDS}, **kwargs)

    def get_config(self):
        return super().get_config() | {name: getattr(self.frontend, name) for name in FIELDS}

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.frontend.bands, self.frontend.frames, 1)

    def call(self, waveform):
        fe = self.frontend
        after = 0
        if fe.padding == PADDING_SAME:
            after = max(0, (fe.frames - 1) * fe.hop_length + fe.n_fft - fe.window - fe.pad_before)
        padded = tf.pad(waveform, ((0, 0), (fe.pad_before, after)))
        frames = tf.signal.frame(padded, fe.n_fft, fe.hop_length)[:, : fe.frames]
        spectrum = tf.signal.rfft(frames * tf.signal.hann_window(fe.n_fft, periodic=True))
        power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
        if fe.scale == SCALE_MEL:
            power = tf.matmul(power, mel_weights(fe))
        db = 10 / np.log(10) * tf.math.log(tf.maximum(tf.sqrt(power), fe.floor))
        db = tf.maximum(db - tf.reduce_max(db, axis=(1, 2), keepdims=True), -fe.dynamic_range)
        return tf.transpose(db, (0, 2, 1))[..., None]
