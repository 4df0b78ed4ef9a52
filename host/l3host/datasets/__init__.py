"""Data sets of labelled clips, recognised by the files present. No TensorFlow is loaded here."""

from __future__ import annotations

from pathlib import Path

from l3host.datasets import layouts, sonyc
from l3host.datasets.check import refuse, usable
from l3host.datasets.dataset import Clip, Dataset, chosen_folds, fingerprint
from l3host.errors import L3Error

__all__ = ["Clip", "Dataset", "chosen_folds", "fingerprint", "load", "refuse"]


def load(path: str, subset: str | None = None, skip_bad: bool = False) -> Dataset:
    """Read a data set's list of clips and check every clip.

    path: ESC-50 as published (audio/, meta/esc50.csv), ESC-50 with meta.csv beside its clips, UrbanSound8K as published
    (audio/fold1/..., metadata/UrbanSound8K.csv), SONYC-UST as published (annotations.csv, audio/ or audio-1/, audio-2/...), or
    a folder that has one folder of clips for each class.
    subset: "esc10", for ESC-50 only. skip_bad: leave out clips that cannot be used, and name them in Dataset.skipped.
    Raises L3Error: no known layout, a column missing; clips that are missing, do not decode, are listed twice, or whose
    contents stand in two folds (unless skip_bad, then only when no clip is left).
    """
    root = Path(path)
    if not root.is_dir():
        raise L3Error(f"no such data set directory: {path}")
    if subset not in (None, "esc10"):
        raise L3Error(f"unknown subset {subset!r}: only esc10 is known")
    return usable(_read(root, subset), skip_bad)


def _read(root: Path, subset: str | None) -> Dataset:
    for table, audio in ((root / "meta.csv", root), (root / "meta" / "esc50.csv", root / "audio")):
        if table.exists():
            return layouts.esc50(table, audio, subset)
    if subset:
        raise L3Error(f"subset {subset} needs ESC-50: neither meta.csv nor meta/esc50.csv is in {root}")
    if (root / "metadata" / "UrbanSound8K.csv").exists():
        return layouts.urbansound8k(root)
    if (root / "annotations.csv").exists():
        return sonyc.read(root)
    return layouts.folder_per_class(root)
