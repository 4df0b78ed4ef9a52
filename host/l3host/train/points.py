"""Points: the places in unlabelled clips that a student trains on, and the samplings that choose them (SEA). No TensorFlow."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from l3host.errors import L3Error
from l3host.sound import hearing
from l3mote.format import Frontend


class Points(NamedTuple):
    """N windows: the index of each one's clip, and where it starts in seconds, so that any rate can be cut there."""

    clip: np.ndarray
    start: np.ndarray

    def take(self, chosen: np.ndarray) -> Points:
        return Points(self.clip[chosen], self.start[chosen])

    def windows(self, clips: Sequence[np.ndarray], fe: Frontend) -> np.ndarray:
        """Return windows (N, window) float32 in [-1, 1] of int16 clips at the front-end's rate.

        A clip's end is padded with zeros.
        """
        out = np.zeros((len(self.clip), fe.window), np.float32)
        for row, clip, start in zip(out, self.clip, self.start, strict=True):
            at = round(start * fe.sample_rate)
            part = clips[clip][at : at + fe.window]
            row[: len(part)] = part / np.float32(32768)
        return out


def at_rate(clips: Sequence[np.ndarray], rate: int, target: int) -> list[np.ndarray]:
    """Return the int16 clips at another rate."""
    if rate == target:
        return list(clips)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a silent clip is a clip
        return [hearing.pcm(clip, rate, target) for clip in clips]


def draw(clips: Sequence[np.ndarray], rate: int, seconds: float, chosen: np.ndarray, rng: np.random.Generator) -> Points:
    """Return a window of `seconds` at a random place of each chosen clip (indices, any number of times)."""
    spare = np.array([max(0.0, len(clips[i]) / rate - seconds) for i in chosen])
    return Points(chosen, spare * rng.random(len(chosen)))


def sample(number: int, points: Points, levels: Callable, embeddings: Callable, sampling: str, rng: np.random.Generator) -> Points:
    """Return `number` of the candidates, all different. levels and embeddings give those of each candidate, when they are needed.

    Raises L3Error for an unknown sampling and for fewer candidates than points.
    """
    if sampling not in SAMPLINGS:
        raise L3Error(f"unknown sampling {sampling!r}: choose from {', '.join(SAMPLINGS)}")
    if not 1 <= number <= len(points.clip):
        raise L3Error(f"{number} points of {len(points.clip)} candidates: give at least one candidate for each point")
    if sampling == "random":
        return points.take(rng.permutation(len(points.clip))[:number])
    if sampling == "loudness":
        return points.take(by_weight(number, levels(), rng))
    return points.take(far_apart(number, embeddings(), rng))


# Srivastava et al. name the three; how the last two weigh candidates is ours (their exact formulas are not in our sources).
SAMPLINGS = ("random", "loudness", "diversity")


def by_weight(number: int, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return indices drawn without replacement, each time with probability in proportion to the weight.

    Efraimidis & Spirakis (2006). Weights of zero are drawn last.
    """
    with np.errstate(divide="ignore"):
        keys = np.log(rng.random(len(weights))) / weights
    return np.argsort(-keys, kind="stable")[:number]


def far_apart(number: int, embeddings: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return indices drawn one by one, with probability in proportion to the squared distance to the nearest one drawn before.

    The seeding of k-means++ (Arthur & Vassilvitskii, 2007): it covers what is rare, without being drawn to outliers alone.
    """
    embeddings = embeddings.astype(np.float64)
    chosen = [int(rng.integers(len(embeddings)))]
    nearest = np.full(len(embeddings), np.inf)
    while len(chosen) < number:
        nearest = np.minimum(nearest, np.sum((embeddings - embeddings[chosen[-1]]) ** 2, axis=1))
        nearest[chosen] = 0
        total = nearest.sum()
        if total:
            chosen.append(int(rng.choice(len(embeddings), p=nearest / total)))
        else:  # only copies of points already drawn are left
            left = np.setdiff1d(np.arange(len(embeddings)), chosen)
            chosen += left[: number - len(chosen)].tolist()
    return np.array(chosen)


def principal(embeddings: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (D,) and the `size` first principal components (size, D) of embeddings (N, D).

    Each one's largest entry is positive.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64)
    centred = embeddings - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)
    components = vectors.T[::-1][:size]
    largest = np.abs(components).argmax(axis=1)
    return mean, components * np.sign(components[np.arange(size), largest])[:, None]
