"""What a data set is: clips with labels and folds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l3host.errors import L3Error
from l3mote.format import silent

OTHER = "_other"  # the label of sounds that are none of the labels


class Clip(NamedTuple):
    path: str
    tags: tuple[int, ...]  # indices into Dataset.labels: one, or of a multi-label data set any number
    fold: int

    @property
    def label(self) -> int:
        """The only label of a clip that has one."""
        (label,) = self.tags
        return label


@dataclass(frozen=True)
class Dataset:
    """Clips with their labels and folds; licence and attribution are empty when unknown.

    split: folds 1, 2 and 3 are the publisher's training, validation and test split, not folds to be held out in turn.
    skipped: what was left out of `clips` and why, one line a clip.
    """

    name: str
    clips: list[Clip]
    labels: list[str]
    licence: str = ""
    attribution: str = ""
    multilabel: bool = False
    split: bool = False
    skipped: tuple[str, ...] = ()

    @property
    def folds(self) -> list[int]:
        return sorted({clip.fold for clip in self.clips})

    @property
    def silent(self) -> tuple[int, ...]:
        """The numbers of the labels that are learnt and never reported."""
        return tuple(i for i, label in enumerate(self.labels) if silent(label))

    @property
    def targets(self) -> np.ndarray:
        """(clips, labels) bool, true where a clip has a label."""
        rows = np.zeros((len(self.clips), len(self.labels)), bool)
        for row, clip in zip(rows, self.clips, strict=True):
            row[list(clip.tags)] = True
        return rows


def chosen_folds(dataset: Dataset, folds: Sequence[int] | None) -> list[int]:
    """Return the folds to hold out, in order.

    Raises L3Error for one that the data set lacks, or that leaves nothing to train on.
    """
    held_out = dataset.folds if folds is None else sorted(set(folds))
    known = ", ".join(map(str, dataset.folds))
    for fold in held_out:
        if fold not in dataset.folds:
            raise L3Error(f"{dataset.name} has no fold {fold}: its folds are {known}")
    if held_out and len(dataset.folds) == 1:
        raise L3Error(f"{dataset.name} has only fold {known}: nothing is left to train on, leave cross-validation out")
    return held_out


def one_label(dataset: Dataset, who: str) -> None:
    """Raise L3Error for a data set that has several labels a clip, or a reported one with fewer than two clips."""
    if dataset.multilabel:
        raise L3Error(f"{dataset.name} has several labels a clip, {who} learns one: l3mote evaluate judges embeddings on it")
    counts = [sum(clip.label == i for clip in dataset.clips) for i in range(len(dataset.labels))]
    few = [label for label, count in zip(dataset.labels, counts, strict=True) if count < 2]
    if few:
        raise L3Error(
            f"{dataset.name}: fewer than two clips of {', '.join(few)}: one to learn from and one to hold out are the least"
        )


def fingerprint(dataset: Dataset) -> str:
    """Return the SHA-256 of the names, labels, folds and contents of all clips, in order."""
    digest = hashlib.sha256()
    for clip in dataset.clips:
        path = Path(clip.path)
        names = ",".join(dataset.labels[tag] for tag in clip.tags)
        digest.update(f"{path.name} {names} {clip.fold}\n".encode() + path.read_bytes())
    return digest.hexdigest()
