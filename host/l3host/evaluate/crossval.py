"""Figures of a cross-validation: accuracy per fold and per class, confusion matrix and its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def accuracy(confusion: np.ndarray) -> float:
    """Share of the counts [true][predicted] on the diagonal."""
    return float(np.trace(confusion) / confusion.sum())


def summary(labels: list[str], results: dict[str, dict]) -> dict:
    """Accuracies from each fold's confusion counts; mean and standard deviation over folds, the rest over all clips.

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
        "accuracy_per_class": per_class,
        "confusion": total.tolist(),
    }


def draw_confusion(path: Path, labels: list[str], confusion: list[list[int]], title: str) -> None:
    """Write the confusion matrix as a PNG picture: rows are the true labels."""
    from matplotlib.figure import Figure

    counts = np.array(confusion)
    side = 2 + 0.45 * len(labels)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axes.text(column, row, count, ha="center", va="center", color="white" if share[row, column] > 0.5 else "black")
    names = [label.replace("_", " ") for label in labels]
    axes.set_xticks(range(len(labels)), names, rotation=90)
    axes.set_yticks(range(len(labels)), names)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    figure.savefig(path, dpi=100)
