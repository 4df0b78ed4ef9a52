"""The L3-shaped audio network in Keras: log-mel, batch norm, blocks of two 3x3 convolutions, global max-pool, dense head."""

from collections.abc import Sequence

from l3host.errors import L3Error
from l3host.train.backend import keras
from l3host.train.layers import LogMel
from l3mote.format import Frontend

BN_MOMENTUM = 0.95  # an epoch is a few dozen batches: Keras' 0.99 would lag behind for several epochs


def build(frontend: Frontend, filters: Sequence[int], n_labels: int, dropout: float) -> keras.Model:
    """Waveform (batch, window) in [-1, 1] -> class probabilities (batch, n_labels).

    filters: two for each block; 2x2 max-pool between blocks, global max-pool after the last
    (Cramer et al., "Look, listen and learn more", ICASSP 2019, narrowed). Raises L3Error for an odd number of filters.
    """
    if not filters or len(filters) % 2:
        raise L3Error(f"filters come in pairs, two for each block: {len(filters)} given")
    layers = keras.layers
    waveform = keras.Input((frontend.window,), name="waveform")
    x = LogMel.of(frontend, name="log_mel")(waveform)
    x = layers.BatchNormalization(momentum=BN_MOMENTUM, name="mel_bn")(x)
    for i, width in enumerate(filters, 1):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"conv{i}")(x)
        x = layers.BatchNormalization(momentum=BN_MOMENTUM, name=f"bn{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
        if i % 2 == 0 and i < len(filters):
            x = layers.MaxPooling2D(2, name=f"pool{i // 2}")(x)
    x = layers.GlobalMaxPooling2D(name="embedding")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(waveform, layers.Dense(n_labels, activation="softmax", name="dense")(x), name="l3mote")
