"""Clips as the network hears them (mono int16 at its rate), read once and kept in the run directory while it trains."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from rich.progress import Progress

from l3host import hearing
from l3host.datasets import Dataset, refuse
from l3host.errors import L3Error
from l3host.files import replace


def prepare(path: Path, dataset: Dataset, rate: int, progress: Progress) -> None:
    """Write all clips of the data set at `rate` Hz to `path` (.npz). Raises L3Error with the first few that do not decode."""
    pcm, bad = [], []
    for clip in progress.track(dataset.clips, description="clips"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a silent clip is a clip
                pcm.append(hearing.load(clip.path, rate))
        except L3Error as e:
            bad.append(str(e))
    refuse(bad, len(dataset.clips))
    with replace(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, pcm=np.concatenate(pcm), lengths=[len(p) for p in pcm])


def read(path: Path) -> list[np.ndarray]:
    """The clips that prepare wrote, in the data set's order."""
    with np.load(path) as saved:
        return np.split(saved["pcm"], np.cumsum(saved["lengths"])[:-1])
