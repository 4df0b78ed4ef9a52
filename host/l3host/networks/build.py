"""L3's networks in Keras (Cramer et al., ICASSP 2019), at any width and depth: audio, video, their fusion (AVC), a classifier.

The convolutional part is the same everywhere: conv1 ... convN (3x3, 'same'), each with bnI and reluI, 2x2 max-pool after the
second, fourth and sixth, global max-pool ("embedding") at the end. final_norm says whether the last convolution has its batch
norm and ReLU: in the AVC net and in SEA's students it does, the published L3 and EdgeL3 embeddings are tapped before them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from l3host.errors import L3Error
from l3host.graph.l3 import L3_FILTERS, POOLED
from l3host.networks.backend import keras
from l3host.networks.layers import LogMel
from l3mote.format import Frontend

SEA_FILTERS = {d: (32, 32, 64, 64, 128, 128, d, d) for d in (64, 128, 256)} | {512: L3_FILTERS}  # by size of the embedding
SIDE = 224  # of a video's frame, pixels
BN_MOMENTUM = 0.95  # an epoch is a few dozen batches: Keras' 0.99 would lag behind for several epochs


class Architecture(NamedTuple):
    """The arguments that a model's audio network was built with: `audio(*architecture(model))` has the same shape."""

    frontend: Frontend
    filters: tuple[int, ...]
    final_norm: bool
    use_bias: bool


def audio(frontend: Frontend, filters: Sequence[int] = L3_FILTERS, final_norm: bool = True, use_bias: bool = True) -> keras.Model:
    """Build the network from a waveform (batch, window) in [-1, 1] to an embedding (batch, filters[-1]).

    use_bias: of the convolutions; the published networks have them beside their batch norms.
    Raises L3Error for no filters, for one below 1, and for more pools than the plane has room for.
    """
    if not filters or min(filters) < 1:
        raise L3Error(f"filters {tuple(filters)}: give one positive number for each convolution")
    pools = sum(i < len(filters) for i in POOLED)
    if min(frontend.bands, frontend.frames) >> pools == 0:
        raise L3Error(f"a plane of {frontend.bands} x {frontend.frames} is too small for {pools} pools: use fewer convolutions")
    waveform = keras.Input((frontend.window,), name="waveform")
    plane = LogMel.of(frontend, name="log_mel")(waveform)
    return keras.Model(waveform, _embedding(plane, "mel_bn", filters, final_norm, use_bias), name="audio")


def video(filters: Sequence[int] = L3_FILTERS, side: int = SIDE) -> keras.Model:
    """Build the network from an RGB frame (batch, side, side, 3) in [-1, 1] to an embedding (batch, filters[-1]).

    Used only as the AVC net's other half.
    """
    frame = keras.Input((side, side, 3), name="frame")
    return keras.Model(frame, _embedding(frame, "frame_bn", filters, True, True), name="video")


def _embedding(x, input_norm: str, filters: Sequence[int], final_norm: bool, use_bias: bool):
    """Apply the input batch norm, the convolutions and the global max-pool."""
    layers = keras.layers
    x = layers.BatchNormalization(momentum=BN_MOMENTUM, name=input_norm)(x)
    for i, width in enumerate(filters, 1):
        x = layers.Conv2D(
            width, 3, padding="same", use_bias=use_bias, kernel_initializer="he_normal", name=f"conv{i}"
        )(x)  # fmt: skip
        if i < len(filters) or final_norm:
            x = layers.BatchNormalization(momentum=BN_MOMENTUM, name=f"bn{i}")(x)
            x = layers.ReLU(name=f"relu{i}")(x)
        if i in POOLED and i < len(filters):
            x = layers.MaxPooling2D(2, name=f"pool{i // 2}")(x)
    return layers.GlobalMaxPooling2D(name="embedding")(x)


def avc(audio: keras.Model, video: keras.Model) -> keras.Model:
    """Build the network from [waveform, frame] to the probabilities (batch, 2) that they do not, or do, belong together.

    The two networks are its layers "audio" and "video" and keep their weights: video.trainable = False freezes one, and
    embedding(audio, final_norm=False) is what the published packages call the embedding.
    """
    layers = keras.layers
    inputs = [keras.Input(audio.input_shape[1:], name="waveform"), keras.Input(video.input_shape[1:], name="frame")]
    x = layers.Concatenate(name="fusion")([audio(inputs[0]), video(inputs[1])])
    x = layers.Dense(128, activation="relu", name="fusion_dense")(x)
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="correspondence")(x), name="avc")


def classifier(embedding: keras.Model, n_labels: int, dropout: float) -> keras.Model:
    """Return the embedding network with a head on it, weights shared: waveform -> class probabilities (batch, n_labels)."""
    x = keras.layers.Dropout(dropout, name="dropout")(embedding.output)
    x = keras.layers.Dense(n_labels, activation="softmax", name="dense")(x)
    return keras.Model(embedding.input, x, name="classifier")


def like(model: keras.Model, embedding: keras.Model) -> keras.Model:
    """Return the embedding network with a copy of `model`'s head on it if `model` is a classifier, else unchanged."""
    if model.name != "classifier":
        return embedding
    head = model.get_layer("dense")
    copy = classifier(embedding, head.units, model.get_layer("dropout").rate)
    copy.get_layer("dense").set_weights(head.get_weights())
    return copy


def convolutions(model: keras.Model) -> list[keras.layers.Conv2D]:
    """Return the layers conv1 ... convN."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def embedding(model: keras.Model, final_norm: bool) -> keras.Model:
    """Return the audio network inside `model` without its head, weights shared.

    final_norm: False taps the last convolution before its batch norm and ReLU, if it has them. Raises L3Error for True where
    there are none, and for a model that is not of this module.
    """
    shape = architecture(model)
    if final_norm and not shape.final_norm:
        raise L3Error("the network has no batch norm after its last convolution: its embedding is the bare convolution's")
    if final_norm:
        return keras.Model(model.input, model.get_layer("embedding").output, name="audio")
    pool = keras.layers.GlobalMaxPooling2D(name="embedding")
    return keras.Model(model.input, pool(convolutions(model)[-1].output), name="audio")


def architecture(model: keras.Model) -> Architecture:
    """Return the architecture of the audio network in `model`, which may be a classifier on it.

    Raises L3Error for any other model.
    """
    names = {layer.name for layer in model.layers}
    convs = convolutions(model)
    expected = [f"conv{i}" for i in range(1, len(convs) + 1)]
    if not {"log_mel", "mel_bn", "embedding"} <= names or not convs or [c.name for c in convs] != expected:
        raise L3Error(f"model {model.name} is not an L3 audio network (log_mel, mel_bn, conv1 ..., embedding)")
    filters = tuple(conv.filters for conv in convs)
    return Architecture(model.get_layer("log_mel").frontend, filters, f"bn{len(convs)}" in names, convs[0].use_bias)
