"""Figures of clips' probabilities: accuracy, area under the precision-recall curve, confidence intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from l3host.evaluate.backend import average_precision_score

DRAWS = 1000
LEVEL = 0.95

Figure = Callable[[np.ndarray, np.ndarray], float]  # (targets, scores), both (clips, labels)


def accuracy(targets: np.ndarray, scores: np.ndarray) -> float:
    """Return the share of clips whose highest score is their label's."""
    return float(np.mean(targets.argmax(axis=1) == scores.argmax(axis=1)))


def auprc_micro(targets: np.ndarray, scores: np.ndarray) -> float:
    """Return the average precision over all pairs of clip and label together.

    It is the mean of precision at each hit, no interpolation.
    """
    return float(average_precision_score(targets.ravel(), scores.ravel()))


def auprc_per_label(targets: np.ndarray, scores: np.ndarray) -> list[float | None]:
    """Return the average precision of each label; None where no clip has it."""
    pairs = zip(targets.T, scores.T, strict=True)
    return [float(average_precision_score(wanted, column)) if wanted.any() else None for wanted, column in pairs]


def auprc_macro(targets: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean over labels that some clip has."""
    return float(np.mean([value for value in auprc_per_label(targets, scores) if value is not None]))


def over_folds(figure: Figure, folds: list[tuple[np.ndarray, list[np.ndarray]]]) -> tuple[list[float], list[float]]:
    """Return the means over seeds for each fold, and over folds for each seed. folds: (targets, scores of each seed)."""
    values = np.array([[figure(targets, scores) for scores in seeds] for targets, seeds in folds])
    return values.mean(axis=1).tolist(), values.mean(axis=0).tolist()


def interval(figure: Figure, folds: list[tuple[np.ndarray, list[np.ndarray]]]) -> list[float]:
    """Return the bootstrap interval over clips.

    Percentiles that hold 95 % of the means when each fold's test clips are drawn again.

    It says how much the choice of test clips matters; what other training clips would change is not in it.
    """
    rng = np.random.default_rng(0)
    means: list[np.floating] = []
    while len(means) < DRAWS:
        chosen = [rng.integers(len(targets), size=len(targets)) for targets, _ in folds]
        if not all(targets[rows].any() for (targets, _), rows in zip(folds, chosen, strict=True)):
            continue  # AUPRC of clips without any label is not defined
        drawn = [(t[rows], [s[rows] for s in seeds]) for (t, seeds), rows in zip(folds, chosen, strict=True)]
        means.append(np.mean(over_folds(figure, drawn)[0]))
    tail = 50 * (1 - LEVEL)
    return np.percentile(means, [tail, 100 - tail]).tolist()
