"""Recordings as a network hears them (mono int16 at its rate), decoded once and kept in a file while something trains."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from l3host import npz
from l3host.datasets.check import refuse
from l3host.errors import L3Error
from l3host.files import replace
from l3host.sound import hearing

CACHE = "clips.npz"  # its name in a run folder


def decoded(path: str, rate: int) -> np.ndarray:
    """Return int16 samples of a recording. Raises L3Error if it does not decode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a silent clip is a clip
        return hearing.load(path, rate)


def prepare(cache: Path, paths: Sequence[str], rate: int, on_clip: Callable[[], None] = lambda: None) -> None:
    """Write all recordings at `rate` Hz to a file (.npz), unless it is there.

    Raises L3Error that names the first few that do not decode.
    """
    if cache.exists():
        return
    pcm, bad = [], []
    for path in paths:
        try:
            pcm.append(decoded(path, rate))
        except L3Error as e:
            bad.append(str(e))
        on_clip()
    refuse(bad, len(paths))
    with replace(cache) as temporary, open(temporary, "wb") as file:
        np.savez(file, pcm=np.concatenate(pcm), lengths=[len(p) for p in pcm])


def read(cache: Path) -> list[np.ndarray]:
    """Return the recordings that prepare wrote, in their order."""
    with npz.opened(cache) as saved:
        return np.split(saved["pcm"], np.cumsum(saved["lengths"])[:-1])
