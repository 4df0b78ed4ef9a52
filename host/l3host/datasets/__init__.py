"""Data sets of labelled clips, recognised by the files present. No TensorFlow is loaded here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from l3host.datasets import layouts, sonyc
from l3host.datasets.check import refuse, usable
from l3host.datasets.dataset import OTHER, Clip, Dataset, chosen_folds, fingerprint, one_label
from l3host.errors import L3Error

__all__ = [
    "KNOWN", "OTHER", "Clip", "Dataset", "chosen_folds", "fingerprint", "load", "one_label", "recognised", "refuse", "with_other",
]  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A published data set. read(root, subset) -> its clips, unchecked."""

    name: str
    table: str  # the file below the data set's folder by which it is recognised
    read: Callable[[Path, str | None], Dataset]
    subsets: tuple[str, ...] = ()


ESC = ("esc10",)
KNOWN = (
    Known("ESC-50", "meta.csv", lambda root, subset: layouts.esc50(root / "meta.csv", root, subset), ESC),
    Known("ESC-50", "meta/esc50.csv", lambda root, subset: layouts.esc50(root / "meta" / "esc50.csv", root / "audio", subset), ESC),
    Known("UrbanSound8K", "metadata/UrbanSound8K.csv", lambda root, _: layouts.urbansound8k(root)),
    Known("SONYC-UST", "annotations.csv", lambda root, _: sonyc.read(root)),
)


def recognised(root: Path) -> Known | None:
    """Return the row of the data set in a folder, None if its clips have no table that we know."""
    return next((known for known in KNOWN if (root / known.table).exists()), None)


def load(path: str, subset: str | None = None, skip_bad: bool = False, other: str | None = None) -> Dataset:
    """Read a data set's list of clips and check every clip.

    path: ESC-50 as published (audio/, meta/esc50.csv), ESC-50 with meta.csv beside its clips, UrbanSound8K as published
    (audio/fold1/..., metadata/UrbanSound8K.csv), SONYC-UST as published (annotations.csv, audio/ or audio-1/, audio-2/...), or
    a folder that has one folder of clips for each class.
    subset: "esc10", for ESC-50 only. other: a folder of sounds that are none of the labels, or a published data set whose clips
    outside this one are: they get the label _other.
    skip_bad: leave out clips that cannot be used, and name them in Dataset.skipped.
    Raises L3Error: no known layout, a column missing; clips that are missing, do not decode, are listed twice, or whose
    contents stand in two folds (unless skip_bad, then only when no clip is left).
    """
    root = Path(path)
    if not root.is_dir():
        raise L3Error(f"no such folder of clips: {path}")
    subsets = sorted({subset for known in KNOWN for subset in known.subsets})
    if subset not in (None, *subsets):
        raise L3Error(f"unknown subset {subset!r}: known are {', '.join(subsets)}")
    known = recognised(root)
    if subset and not (known and subset in known.subsets):
        owners = [row for row in KNOWN if subset in row.subsets]
        raise L3Error(f"subset {subset} needs {owners[0].name}: {root} has none of {', '.join(row.table for row in owners)}")
    if known:
        dataset = known.read(root, subset)
    else:
        tables = ", ".join(f"{row.table} ({row.name})" for row in KNOWN)
        dataset = layouts.folder_per_class(root, expected=tables)
    return usable(with_other(dataset, Path(other)) if other else dataset, skip_bad)


def with_other(dataset: Dataset, root: Path) -> Dataset:
    """Return the data set with the sounds of a folder added, labelled _other. Folds: a published data set's own, else each in turn.

    Raises L3Error for a folder without a sound that is not in the data set.
    """
    if not root.is_dir():
        raise L3Error(f"no such directory of other sounds: {root}")
    if dataset.multilabel:
        raise L3Error(f"{dataset.name} has several labels a clip: other sounds are for one label a clip")
    labels = dataset.labels if OTHER in dataset.labels else [*dataset.labels, OTHER]
    tags, own = (labels.index(OTHER),), {os.path.realpath(clip.path) for clip in dataset.clips}
    known = recognised(root)
    if known:
        result = [(clip.path, clip.fold) for clip in known.read(root, None).clips]
    else:
        folds = dataset.folds
        result = [(path, folds[i % len(folds)]) for i, path in enumerate(layouts.sounds_below(root))]
    clips = [Clip(path, tags, fold) for path, fold in result if os.path.realpath(path) not in own]
    if not clips:
        raise L3Error(f"{root} has no sounds that are not in {dataset.name} (looked for {', '.join(layouts.AUDIO_SUFFIXES)})")
    return replace(dataset, clips=[*dataset.clips, *clips], labels=labels)
