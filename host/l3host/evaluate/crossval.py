"""Cross-validation: which clips train and which test; accuracy per fold and per class, confusion matrix and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l3host.datasets import Dataset
from l3host.sound import pictures

FINAL = "final"  # the training on all clips, beside those that leave a fold out
Z = 1.96  # of a normal distribution, 95 % lie within so many standard deviations


class Split(NamedTuple):
    """A training of a cross-validation: indices of the clips that it learns from, and of the fold that it is tested on."""

    name: str
    fold: int | None  # None: trained on all, tested on none
    train: list[int]
    test: list[int]


def split(dataset: Dataset, fold: int | None) -> Split:
    """Hold out one fold, or None."""
    train, test = ([i for i, clip in enumerate(dataset.clips) if (clip.fold == fold) == held] for held in (False, True))
    return Split(FINAL if fold is None else f"fold-{fold}", fold, train, test)


def chosen(dataset: Dataset, pcm: Sequence[np.ndarray], indices: Sequence[int]) -> tuple[list[np.ndarray], list[int]]:
    """Return the samples and labels of some of the clips. pcm: of all of them."""
    return [pcm[i] for i in indices], [dataset.clips[i].label for i in indices]


def accuracy(confusion: np.ndarray) -> float:
    """Return the share of the counts [true][predicted] on the diagonal."""
    return float(np.trace(confusion) / confusion.sum())


def summary(labels: list[str], results: dict[str, dict]) -> dict:
    """Return the accuracies from each fold's confusion counts; mean and standard deviation over folds, the rest over all clips.

    A class without a clip in the folds has the accuracy None.
    """
    folds = {name: accuracy(np.array(result["confusion"])) for name, result in results.items()}
    total = np.sum([result["confusion"] for result in results.values()], axis=0)
    clips = total.sum(axis=1)
    per_class = {label: float(total[i, i] / clips[i]) if clips[i] else None for i, label in enumerate(labels)}
    return {
        "accuracy_per_fold": folds,
        "accuracy_mean": float(np.mean(list(folds.values()))),
        "accuracy_std": float(np.std(list(folds.values()))),
        "accuracy_interval": wilson(int(np.trace(total)), int(total.sum())),
        "accuracy_per_class": per_class,
        "confusion": total.tolist(),
    }


def wilson(right: int, of: int) -> list[float]:
    """Return the 95 % confidence interval of a share of right answers (E. B. Wilson 1927)."""
    share, z2 = right / of, Z * Z / of
    half = Z * np.sqrt(share * (1 - share) / of + z2 / (4 * of))
    return [float((share + z2 / 2 + side * half) / (1 + z2)) for side in (-1, 1)]


def draw_confusion(path: Path, labels: list[str], confusion: list[list[int]], title: str, columns: list[str] | None = None) -> None:
    """Draw the confusion matrix into a file: rows are the true labels. columns: what they were taken for (default: labels).

    Raises L3Error without matplotlib, and for a name that does not end as a picture's.
    """
    counts = np.array(confusion)
    side = 2 + 0.45 * len(labels)
    figure = pictures.figure(side, side)
    axes = figure.subplots()
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axes.text(column, row, count, ha="center", va="center", color="white" if share[row, column] > 0.5 else "black")
    names, taken = ([label.replace("_", " ") for label in some] for some in (labels, columns or labels))
    axes.set_xticks(range(len(taken)), taken, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    pictures.save(figure, path)
