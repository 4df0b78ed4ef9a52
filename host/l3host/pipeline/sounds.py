"""Sounds of a recipe's data: labelled clips, or any folder of recordings; and windows drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l3host import datasets
from l3host.datasets import clips as cached
from l3host.datasets.check import undecodable
from l3host.datasets.layouts import AUDIO_SUFFIXES, sounds_below
from l3host.errors import L3Error
from l3host.sound.windows import windows_of
from l3mote.format import Frontend

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov")


def labelled(
    path: str, subset: str | None, folds: Sequence[int] | None, skip_bad: bool, other: str | None = None
) -> datasets.Dataset:
    """Return a data set, or the clips of some of its folds. other: as datasets.load has it. Raises L3Error."""
    dataset = datasets.load(path, subset, skip_bad, other)
    if folds is None:
        return dataset
    datasets.chosen_folds(dataset, folds)
    return replace(dataset, clips=[clip for clip in dataset.clips if clip.fold in folds])


class Recordings(NamedTuple):
    """Sounds to train on without labels; licence and attribution are empty when unknown. skipped: as Dataset has it."""

    paths: list[str]
    licence: str = ""
    attribution: str = ""
    skipped: tuple[str, ...] = ()


def recordings(path: str, subset: str | None = None, folds: Sequence[int] | None = None, skip_bad: bool = False) -> Recordings:
    """Return the clips of a data set with a table, or every audio file under a folder.

    Raises L3Error for files that do not decode, naming the first few, unless skip_bad and others are left.
    """
    root = Path(path)
    if subset or folds or datasets.recognised(root):
        return of_dataset(labelled(path, subset, folds, skip_bad))
    paths = sounds_below(root)
    if not paths:
        raise L3Error(f"no audio files in {path} (looked for {', '.join(AUDIO_SUFFIXES)})")
    bad = {p: f"{p} ({reason})" for p in paths if (reason := undecodable(p))}
    good = [p for p in paths if p not in bad]
    if not (skip_bad and good):
        datasets.refuse(list(bad.values()), len(paths))
    return Recordings(good, skipped=tuple(bad.values()))


def of_dataset(dataset: datasets.Dataset) -> Recordings:
    """Return the clips of a data set, its labels left out."""
    return Recordings([clip.path for clip in dataset.clips], dataset.licence, dataset.attribution, dataset.skipped)


def films(path: str) -> list[str]:
    """Return every video file under a folder. Raises L3Error if there is none."""
    paths = sorted(str(p) for p in Path(path).rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and not p.name.startswith("."))
    if not paths:
        raise L3Error(f"no video files in {path} (looked for {', '.join(VIDEO_SUFFIXES)})")
    return paths


def clips(paths: Sequence[str], rate: int, folder: Path) -> list[np.ndarray]:
    """Return int16 recordings at `rate` Hz, decoded once.

    folder/clips.npz keeps them until the stage that needs them is finished.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cached.prepare(folder / cached.CACHE, paths, rate)
    return cached.read(folder / cached.CACHE)


def windows(paths: Sequence[str], fe: Frontend, count: int, seed: int) -> np.ndarray:
    """Return int16 windows (count, fe.window) at random places of recordings drawn at random, each about as often as the others."""
    rng = np.random.default_rng(seed)
    rounds = [rng.permutation(len(paths)) for _ in range(-(-count // len(paths)))]
    drawn, at = np.sort(np.concatenate(rounds)[:count]), {}
    out = []
    for i in drawn:
        if i not in at:
            at = {i: windows_of(cached.decoded(paths[i], fe.sample_rate), fe.window, fe.window // 4, center=False)}
        out.append(at[i][rng.integers(len(at[i]))])
    return np.stack(out)
