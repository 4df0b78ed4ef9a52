"""Audio-visual correspondence, the task that L3 learns from: does this second of sound belong to this frame?

Arandjelovic & Zisserman, "Look, Listen and Learn" (ICCV 2017); Cramer et al., ICASSP 2019. Needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from l3host.compress import prune
from l3host.compress.masks import Target
from l3host.errors import L3Error
from l3host.networks import build
from l3host.networks.backend import keras, tf
from l3host.train import loop, videos
from l3host.train.settings import Avc
from l3host.train.videos import FPS, Recording

BRIGHTNESS = 0.1  # relative change, uniform
BATCH = 20  # pairs predicted at a time


class Correspond:
    """loop.Task: (second of sound, frame) to whether both are of one recording."""

    def __init__(self, net: keras.Model, recordings: Sequence[Recording], settings: Avc):
        self.model, self.recordings, self.settings = net, recordings, settings
        self.window, self.side = net.input_shape[0][1], net.input_shape[1][1]

    def batches(self, epoch: int):
        rng = np.random.default_rng([self.settings.seed, epoch])
        return pairs(self.recordings, self.window, self.side, self.settings.pairs, self.settings.batch, rng)

    def losses(self, waves, frames, truth):
        return keras.losses.sparse_categorical_crossentropy(truth, self.model([waves, frames], training=True))


def avc(
    audio: keras.Model,
    video: keras.Model,
    recordings: Sequence[Recording],
    settings: Avc,
    folder: Path,
    progress: loop.Progress,
    gradual: Target | None = None,
) -> keras.Model:
    """Train the AVC net of the two networks, which keep what they learn, and return it (networks.avc).

    recordings: of videos.load, for these networks. The video network is trained only if settings.train_video: the papers
    freeze it while a pruned audio network is fine-tuned, whose zeros stay zero. gradual: as in distill.kd.
    folder: of this training alone; calling again with the same arguments goes on there (loop.run).
    Raises L3Error for fewer than 2 recordings, and another rate.
    """
    fe = build.architecture(audio).frontend
    videos.check(recordings)
    rates = {recording.rate for recording in recordings} - {fe.sample_rate}
    if rates:
        raise L3Error(f"sound at {rates.pop()} Hz for a network at {fe.sample_rate} Hz: load the videos at its rate")
    about = {
        "training": "avc",
        "audio": loop.digest(audio.get_weights()),
        "video": loop.digest(video.get_weights()),
        "recordings": [recording.key for recording in recordings],
        "gradual": gradual,
    }
    video.trainable = settings.train_video
    keras.utils.set_random_seed(settings.seed)
    net = build.avc(audio, video)
    pruning = prune.while_training(audio, gradual, settings.epochs)
    return loop.run(Correspond(net, recordings, settings), settings, folder, progress, about, pruning).model


def pairs(
    recordings: Sequence[Recording], window: int, side: int, number: int, batch: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (waves (batch, window), frames (batch, side, side, 3) in [-1, 1], truth (batch,)): every other pair belongs together.

    `number` pairs in all, in whole batches, at least one. A pair that belongs together is a frame and the second of sound
    around it; one that does not, a frame and any second of another recording.
    """
    batch = min(batch, number)
    for _ in range(number // batch):
        truth = np.arange(batch) % 2
        waves, frames = zip(*[pair(recordings, window, side, bool(t), rng) for t in truth], strict=True)
        yield np.stack(waves), np.stack(frames), truth


def pair(recordings: Sequence[Recording], window: int, side: int, together: bool, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return one (sound, frame)."""
    i = int(rng.integers(len(recordings)))
    seen = recordings[i]
    number = int(rng.integers(len(seen.frames)))
    middle = number / FPS * seen.rate
    other = seen
    if not together:
        other = recordings[(i + int(rng.integers(1, len(recordings)))) % len(recordings)]
        middle = rng.uniform(0, len(other.sound))
    start = int(np.clip(middle - window / 2, 0, max(0, len(other.sound) - window)))
    wave = np.zeros(window, np.float32)
    part = other.sound[start : start + window]
    wave[: len(part)] = part / np.float32(32768)
    return wave, augmented(seen.frames[number], side, rng)


def augmented(frame: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random crop (side, side, 3) of a uint8 frame, flipped half of the time, a little brighter or darker.

    The result is float32 in [-1, 1].
    """
    top, left = (int(rng.integers(size - side + 1)) for size in frame.shape[:2])
    crop = frame[top : top + side, left : left + side]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    return np.clip(crop * np.float32(rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS) / 127.5) - 1, -1, 1)


def accuracy(net: keras.Model, recordings: Sequence[Recording], number: int, seed: int) -> float:
    """Share of `number` (a multiple of 20) pairs of these recordings, half of which belong together, that the net tells right."""
    videos.check(recordings)
    window, side = net.input_shape[0][1], net.input_shape[1][1]
    run = tf.function(lambda waves, frames: net([waves, frames], training=False), reduce_retracing=True)
    right = [
        run(waves, frames).numpy().argmax(axis=1) == truth
        for waves, frames, truth in pairs(recordings, window, side, number, BATCH, np.random.default_rng(seed))
    ]
    return float(np.mean(np.concatenate(right)))
