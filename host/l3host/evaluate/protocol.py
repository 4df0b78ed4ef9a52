"""The papers' downstream protocol: each official fold is the test fold in turn, the next one validates, the others train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from l3host.datasets import Dataset, chosen_folds
from l3host.errors import L3Error
from l3host.evaluate import metrics
from l3host.evaluate.crossval import summary
from l3host.evaluate.probes import PROBES, Set

OnProgress = Callable[[int], None]  # called with probes trained


class Round(NamedTuple):
    """Folds of one training; test is what its figures are reported as."""

    train: list[int]
    validation: int
    test: int


def rounds(dataset: Dataset, folds: Sequence[int] | None = None) -> list[Round]:
    """Return the trainings that test these folds (None: all), or a published split as it is. Raises L3Error."""
    if dataset.split:
        train, validation, test = 1, 2, 3
        if folds is not None:
            raise L3Error(f"{dataset.name} is published with one split into train, validate and test: leave the folds out")
        if dataset.folds != [train, validation, test]:
            raise L3Error(f"{dataset.name}: a split (train, validate, test) has no clips")
        return [Round([train], validation, test)]
    known = dataset.folds
    if len(known) < 3:
        raise L3Error(f"{dataset.name} has {len(known)} folds: the protocol needs one to test, one to validate, one to train")
    plan = []
    for test in chosen_folds(dataset, folds):
        validation = known[(known.index(test) + 1) % len(known)]
        plan.append(Round([fold for fold in known if fold not in (test, validation)], validation, test))
    if not plan:
        raise L3Error("no fold to test is named")
    return plan


def evaluate(
    dataset: Dataset,
    embeddings: Sequence[np.ndarray],
    probe: str = "mlp",
    folds: Sequence[int] | None = None,
    seeds: int = 1,
    on_progress: OnProgress | None = None,
) -> dict:
    """Judge embeddings by what a probe learns from them: a dictionary that is ready for JSON.

    embeddings: (frames, D) of each of dataset.clips, in order. probe: "mlp" or "logistic". seeds: how often the MLP is
    trained, with seeds 1, 2...; every figure is the mean over them.
    One label a clip: report.summary's accuracies (confusion counts of all seeds together); several: micro and macro AUPRC.
    The same arguments give the same figures on the same machine. Raises L3Error: fewer than two labels, a fold that does not
    exist, too few folds, an unknown probe, embeddings that are not one for each clip or not finite.
    """
    plan = planned(dataset, probe, folds, seeds)
    checked(dataset, embeddings)
    numbers = seed_numbers(probe, seeds)
    tested: list[tuple[np.ndarray, list[np.ndarray]]] = []
    with threadpool_limits(1):  # matrices this small are slower with more
        for turn in plan:
            tested.append((members(dataset, embeddings, [turn.test]).targets, []))
            for seed in numbers:
                tested[-1][1].append(scores(dataset, embeddings, probe, turn, seed))
                if on_progress:
                    on_progress(1)
    names = ["test" if dataset.split else str(turn.test) for turn in plan]
    figures = several_labels if dataset.multilabel else one_label
    return {
        "dataset": dataset.name,
        "clips": len(dataset.clips),
        "skipped": list(dataset.skipped),
        "labels": dataset.labels,
        "probe": probe,
        "seeds": numbers,
        "rounds": [turn._asdict() for turn in plan],
        "confidence": f"{metrics.LEVEL:.0%} interval, bootstrap over test clips within folds, {metrics.DRAWS} draws",
        **figures(dataset.labels, names, tested),
    }


def planned(dataset: Dataset, probe: str, folds: Sequence[int] | None, seeds: int) -> list[Round]:
    """Return the rounds, if these can be evaluated: what is known before any embedding is computed. Raises L3Error."""
    if probe not in PROBES:
        raise L3Error(f"unknown probe {probe!r}: {' or '.join(PROBES)}")
    if seeds < 1:
        raise L3Error(f"{seeds} seeds: at least 1")
    if len(dataset.labels) < 2:
        raise L3Error(f"{dataset.name} has only the class {', '.join(dataset.labels)}: there is nothing to tell apart")
    plan = rounds(dataset, folds)
    for turn in plan:
        if not dataset.multilabel and len({clip.label for clip in dataset.clips if clip.fold in turn.train}) < 2:
            raise L3Error(f"{dataset.name}: the training folds {turn.train} have only one class")
        for what, fold in (("validation", turn.validation), ("test", turn.test)):
            if not any(clip.tags for clip in dataset.clips if clip.fold == fold):
                raise L3Error(f"{dataset.name}: no {what} clip has a label, there is nothing to learn")
    return plan


def seed_numbers(probe: str, seeds: int) -> list[int]:
    """Return the seeds to train with; one is enough for the logistic probe, which has nothing random."""
    return list(range(1, seeds + 1)) if probe == "mlp" else [0]


def checked(dataset: Dataset, embeddings: Sequence[np.ndarray]) -> None:
    """Raise L3Error unless there is a finite embedding for each clip."""
    if len(embeddings) != len(dataset.clips):
        raise L3Error(f"{len(embeddings)} embeddings for {len(dataset.clips)} clips")
    for clip, frames in zip(dataset.clips, embeddings, strict=True):
        if not np.isfinite(frames).all():
            raise L3Error(f"{clip.path}: its embedding is NaN or infinite: the model's weights are broken")


def members(dataset: Dataset, embeddings: Sequence[np.ndarray], folds: Sequence[int]) -> Set:
    """Return the clips of these folds."""
    chosen = [i for i, clip in enumerate(dataset.clips) if clip.fold in folds]
    return Set([embeddings[i] for i in chosen], dataset.targets[chosen])


def scores(dataset: Dataset, embeddings: Sequence[np.ndarray], probe: str, turn: Round, seed: int) -> np.ndarray:
    """Return the probabilities (clips of the test fold, labels) by a probe that has not seen them."""
    train, validation, test = (members(dataset, embeddings, folds) for folds in (turn.train, [turn.validation], [turn.test]))
    return PROBES[probe](train, validation, test, dataset.multilabel, seed)


def one_label(labels: list[str], names: list[str], tested: list[tuple[np.ndarray, list[np.ndarray]]]) -> dict:
    """Return the accuracy figures. tested: (targets, scores of each seed) of each fold."""
    counts = {name: {"confusion": confusion(*fold)} for name, fold in zip(names, tested, strict=True)}
    return summary(labels, counts) | {
        "accuracy_per_seed": metrics.over_folds(metrics.accuracy, tested)[1],
        "accuracy_interval": metrics.interval(metrics.accuracy, tested),
    }


def confusion(targets: np.ndarray, seeds: list[np.ndarray]) -> list[list[int]]:
    """Return the counts [true label][label with the highest score], all seeds together."""
    counts = np.zeros((targets.shape[1],) * 2, int)
    for scores in seeds:
        np.add.at(counts, (targets.argmax(axis=1), scores.argmax(axis=1)), 1)
    return counts.tolist()


def several_labels(labels: list[str], names: list[str], tested: list[tuple[np.ndarray, list[np.ndarray]]]) -> dict:
    """Return the AUPRC figures. tested: (targets, scores of each seed) of each fold."""
    result: dict[str, object] = {}
    for name, figure in (("auprc_micro", metrics.auprc_micro), ("auprc_macro", metrics.auprc_macro)):
        per_fold, per_seed = metrics.over_folds(figure, tested)
        result |= {
            f"{name}_per_fold": dict(zip(names, per_fold, strict=True)),
            f"{name}_mean": float(np.mean(per_fold)),
            f"{name}_std": float(np.std(per_fold)),
            f"{name}_per_seed": per_seed,
            f"{name}_interval": metrics.interval(figure, tested),
        }
    return result | {"auprc_per_class": dict(zip(labels, per_class(tested), strict=True))}


def per_class(tested: list[tuple[np.ndarray, list[np.ndarray]]]) -> list[float | None]:
    """Return each label's AUPRC, the mean over folds and seeds that have it."""
    values = [metrics.auprc_per_label(targets, scores) for targets, seeds in tested for scores in seeds]
    columns = ([value for value in column if value is not None] for column in zip(*values, strict=True))
    return [float(np.mean(column)) if column else None for column in columns]
