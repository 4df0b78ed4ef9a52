"""Events of labelled clips: what the listening app would report, and the thresholds at which it would. No TensorFlow.

A clip's peak for a label is the highest threshold at which the app (smoothing and votes included) still reports the label in it.
So whatever thresholds are tried, the events follow from peaks, and the scores are gone through once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l3host import npz
from l3host.files import replace
from l3mote.format import NEVER, Frontend
from l3mote.limits import possible_hop
from l3mote.listener import hearings

PRICE = 0.05  # of unrelated clips, all labels together, that may raise an event
RECALL = 0.75  # of the labels' clips that are to be reported even where that costs more
DRAWS = 1000  # of the bootstrap
HOUR = 3600.0


class Timelines(NamedTuple):
    """The scores of clips.

    scores: (windows, labels) of each clip, windows at every hop. labels: the number of its true label. seconds: its length.
    """

    scores: list[np.ndarray]
    labels: np.ndarray
    seconds: np.ndarray

    def save(self, path: Path) -> None:
        """Write a file, whole or not at all."""
        lengths = [len(scores) for scores in self.scores]
        with replace(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, scores=np.concatenate(self.scores), lengths=lengths, labels=self.labels, seconds=self.seconds)

    @classmethod
    def read(cls, path: Path) -> Timelines:
        """Read what save wrote."""
        with npz.opened(path) as saved:
            scores = np.split(saved["scores"], np.cumsum(saved["lengths"])[:-1])
            return cls(scores, saved["labels"], saved["seconds"])


class Peaks(NamedTuple):
    """The peaks of clips.

    values: (clips, labels), 0 for silent labels. labels: the number of each clip's true label. silent: the numbers of labels
    that are never reported.
    """

    values: np.ndarray
    labels: np.ndarray
    seconds: np.ndarray
    silent: tuple[int, ...]

    @property
    def unrelated(self) -> np.ndarray:
        """Whether a clip has none of the labels, (clips,) bool."""
        return np.isin(self.labels, self.silent)

    @property
    def own(self) -> np.ndarray:
        """The peak of each other clip for its own label."""
        related = ~self.unrelated
        return self.values[related, self.labels[related]]

    def take(self, chosen: np.ndarray) -> Peaks:
        return self._replace(values=self.values[chosen], labels=self.labels[chosen], seconds=self.seconds[chosen])


def peaks(result: Timelines, silent: Sequence[int] = (), smooth: int = 1, votes: int = 1, of: int = 1) -> Peaks:
    """Reduce timelines to peaks, with the app's settings."""
    values = np.stack([peak(scores, smooth, votes, of) for scores in result.scores])
    values[:, [i for i in silent if i >= 0]] = 0
    return Peaks(values, result.labels, result.seconds, tuple(silent))


def peak(scores: np.ndarray, smooth: int = 1, votes: int = 1, of: int = 1) -> np.ndarray:
    """Return the highest threshold at which each label starts, (labels,), from scores (windows, labels).

    A label starts when `votes` of the last `of` means reach the threshold.
    """
    means = np.array([scores[max(0, k - smooth + 1) : k + 1].mean(axis=0) for k in range(len(scores))])
    enough = [np.sort(means[max(0, k - of + 1) : k + 1], axis=0)[-votes] for k in range(votes - 1, len(means))]
    return np.max(enough, axis=0) if enough else np.zeros(scores.shape[1])


def of_app(result: Timelines, fe: Frontend, silent: Sequence[int] = (), settings: dict | None = None) -> Peaks:
    """Return the peaks in the app: windows at its own hop (l3mote.limits), with its settings smooth, votes and of."""
    given = {key: value for key, value in (settings or {}).items() if value is not None}
    hop = possible_hop(fe, fe.hop)
    every = max(1, hop // fe.hop)
    votes = given.get("votes", 1)
    of_hop = result._replace(scores=[scores[::every] for scores in result.scores])
    return peaks(of_hop, silent, given.get("smooth", hearings(fe.window, hop)), votes, given.get("of", votes))


class Figures(NamedTuple):
    """What thresholds give: recall of the labels' clips, share of unrelated clips with an event, events an hour in those."""

    recall: float
    false: float
    per_hour: float


def figures(result: Peaks, thresholds: np.ndarray) -> Figures:
    """Return the figures of thresholds, one a label; NaN where there are no such clips."""
    reported = result.values >= thresholds
    unrelated, related = result.unrelated, ~result.unrelated
    own = reported[related, result.labels[related]]
    events, hours = reported[unrelated].sum(), result.seconds[unrelated].sum() / HOUR
    with np.errstate(invalid="ignore"):
        return Figures(
            float(own.mean()) if len(own) else float("nan"),
            float(reported[unrelated].any(axis=1).mean()) if unrelated.any() else float("nan"),
            float(events / hours) if hours else float("nan"),
        )


def curve(result: Peaks) -> list[tuple[float, np.ndarray]]:
    """Return (share of unrelated clips with an event, thresholds), ascending, from thresholds that nothing reaches to low ones.

    One threshold for all labels: one for each overfits. Set on 24 clips a label, where both were to cost 9 % of unrelated clips,
    one for each cost new folds 10.7 % and reported 78.9 % of their clips, one for all 9.2 % and 79.2 % (the shipped classifier).
    """
    loudest = result.values[result.unrelated].max(axis=1, initial=0.0)
    peaks = np.unique(np.concatenate([result.own, loudest, [0.0]]))
    steps = [(0.0, np.full(result.values.shape[1], NEVER))]
    for level in np.unique(result.own)[::-1]:
        if level > 0:
            thresholds = np.full(
                result.values.shape[1], (level + peaks[peaks < level].max()) / 2
            )  # half way to the next peak below
            thresholds[[i for i in result.silent if i >= 0]] = NEVER
            steps.append((float((loudest >= level).mean()) if len(loudest) else 0.0, thresholds))
    return steps


def choose(result: Peaks, price: float = PRICE, recall: float = RECALL) -> np.ndarray:
    """Return thresholds (labels,) float32 of at most this price or, where none of these keep the recall, the cheapest that do.

    Silent labels keep NEVER. Without unrelated clips there is no price: the thresholds are those that keep the recall.
    """
    steps = curve(result)
    within = [thresholds for cost, thresholds in steps if cost <= price] if result.unrelated.any() else []
    if within and figures(result, within[-1]).recall >= recall:
        return within[-1].astype(np.float32)
    enough = [thresholds for _, thresholds in steps if figures(result, thresholds).recall >= recall]
    return (enough[0] if enough else steps[-1][1]).astype(np.float32)


def held_out(folds: Sequence[Peaks], price: float = PRICE, recall: float = RECALL) -> Figures:
    """Return the figures of held-out folds: the thresholds for each are chosen on the others."""
    parts = []
    for i, fold in enumerate(folds):
        rest = joined([other for k, other in enumerate(folds) if k != i])
        parts.append((fold, choose(rest, price, recall)))
    related = np.concatenate([(p.values >= t)[~p.unrelated, p.labels[~p.unrelated]] for p, t in parts])
    unrelated = np.concatenate([(p.values >= t)[p.unrelated].sum(axis=1) for p, t in parts])
    hours = sum(float(p.seconds[p.unrelated].sum()) for p, _ in parts) / HOUR
    nan = float("nan")
    return Figures(
        float(related.mean()) if len(related) else nan,
        float((unrelated > 0).mean()) if len(unrelated) else nan,
        float(unrelated.sum() / hours) if hours else nan,
    )


def tuned(folds: Sequence[Peaks], labels: Sequence[str], price: float = PRICE, recall: float = RECALL) -> dict:
    """Set thresholds on clips that were not trained on; return them by label, and their figures, ready for JSON.

    recall, false, per_hour: of these thresholds on the clips they are set on; held_out: of each fold with thresholds set on the
    others, which says more of new sounds (None for one fold).
    """
    everything = joined(folds)
    thresholds = choose(everything, price, recall)
    related = int((~everything.unrelated).sum())
    return {
        "thresholds": {label: round(float(t), 4) for label, t in zip(labels, thresholds, strict=True)},
        "price": price,
        "recall_wanted": recall,
        "clips": related,
        "unrelated_clips": len(everything.labels) - related,
        "unrelated_hours": round(float(everything.seconds[everything.unrelated].sum()) / HOUR, 3),
        **figures(everything, thresholds)._asdict(),
        "held_out": held_out(folds, price, recall)._asdict() if len(folds) > 1 else None,
    }


def joined(parts: Sequence[Peaks]) -> Peaks:
    """Return the clips of several folds as one."""
    values, labels, seconds, silent = zip(*parts, strict=True)
    return Peaks(np.concatenate(values), np.concatenate(labels), np.concatenate(seconds), silent[0])


def intervals(result: Peaks, thresholds: np.ndarray) -> dict[str, list[float]]:
    """Return the 95 % bootstrap interval of each figure, over clips drawn with replacement."""
    rng = np.random.default_rng(0)
    drawn = [figures(result.take(rng.integers(len(result.labels), size=len(result.labels))), thresholds) for _ in range(DRAWS)]
    return {name: np.nanpercentile([getattr(f, name) for f in drawn], [2.5, 97.5]).tolist() for name in Figures._fields}
