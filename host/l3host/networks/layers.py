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


class FusedNorm(keras.layers.Layer):
    """A batch norm's twin: the same weights, trained by TensorFlow's one kernel instead of Keras' dozen operations."""

    def __init__(self, norm: keras.layers.BatchNormalization):
        super().__init__(name=norm.name)
        self.norm = norm

    def call(self, x, training=None, mask=None):
        norm = self.norm
        if not training or norm.synchronized:  # the kernel knows one worker's share of a batch only
            return norm(x, training=training)
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=norm.gamma.value, offset=norm.beta.value, mean=[], variance=[], epsilon=norm.epsilon, is_training=True
        )  # fmt: skip
        values = tf.cast(tf.size(x) / tf.shape(x)[-1], tf.float32)
        seen = mean, variance * (values - 1) / values  # Keras' is not an estimate of the whole population's
        for moving, now in zip((norm.moving_mean, norm.moving_variance), seen, strict=True):
            moving.assign(moving * norm.momentum + now * (1 - norm.momentum))
        return y


def fused(model: keras.Model) -> keras.Model:
    """Return a model with the same layers and weights that trains a fifth faster: its batch norms are FusedNorm."""

    def twin(layer: keras.layers.Layer) -> keras.layers.Layer:
        return FusedNorm(layer) if isinstance(layer, keras.layers.BatchNormalization) else layer

    return keras.models.clone_model(model, clone_function=twin)
