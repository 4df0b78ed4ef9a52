"""Embeddings of every 1 s frame of a data set's clips, kept on disk block by block: a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path

import numpy as np

from l3host import __version__, files, npz
from l3host.datasets import Clip, Dataset, fingerprint
from l3host.embed import answers, batches, joined, loaded
from l3host.errors import L3Error
from l3host.l3m.load import find
from l3host.sound import hearing
from l3host.sound.windows import windows_of
from l3mote.format import Frontend

HOP = 0.5  # seconds between frames
BLOCK = 32  # clips computed and saved at a time

Embedder = Callable[[np.ndarray], np.ndarray]  # windows (N, samples) float32 in [-1, 1] -> embeddings (N, D)
OnProgress = Callable[[int], None]  # called with clips done


def of_model(
    model: str, dataset: Dataset, run_dir: str, hop: float = HOP, on_progress: OnProgress | None = None
) -> list[np.ndarray]:
    """Return the embeddings (frames, D) float32 of each clip, by a .l3m (path or shipped name).

    run_dir: keeps them in a folder named by model, clips, hop, l3mote's version and engine, so that only the first call computes.
    Raises L3Error.
    """
    engine = loaded(model, None)
    made_of = f"{fingerprint(dataset)} {hop} {__version__} {engine.name}"
    key = hashlib.sha256(find(model).read_bytes() + made_of.encode()).hexdigest()
    folder = Path(run_dir) / f"embeddings-{key[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise L3Error(f"cannot use the run directory {run_dir}: {e.strerror}") from None

    def embed(windows: np.ndarray) -> np.ndarray:
        return joined(answers(engine, batches(engine.graph, windows))).embedding

    return of_clips(dataset, embed, engine.graph.frontend, hop, folder, on_progress)


def of_clips(
    dataset: Dataset,
    embed: Embedder,
    fe: Frontend,
    hop: float = HOP,
    folder: Path | None = None,
    on_progress: OnProgress | None = None,
) -> list[np.ndarray]:
    """Return the embeddings (frames, D) float32 of each clip, of windows of fe.window samples every `hop` seconds, the end padded.

    folder: where results are kept and read back; the caller makes sure that they are of the same clips, embedder and hop.
    Raises L3Error: a hop below one sample, a clip that does not decode, embeddings that are not finite.
    """
    if not 1 <= hop * fe.sample_rate < inf:
        raise L3Error(f"a hop of {hop} s is not at least one sample at {fe.sample_rate} Hz")
    step = int(hop * fe.sample_rate)
    out: list[np.ndarray] = []
    for start in range(0, len(dataset.clips), BLOCK):
        clips = dataset.clips[start : start + BLOCK]
        saved = folder / f"{start:06d}.npz" if folder else None
        if saved and saved.exists():
            block = _read(saved)
        else:
            block = _block(clips, embed, fe, step)
            if saved:
                _write(saved, block)
        out += block
        if on_progress:
            on_progress(len(clips))
    return out


def _block(clips: Sequence[Clip], embed: Embedder, fe: Frontend, step: int) -> list[np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a silent clip is a clip
        windows = [windows_of(hearing.load(clip.path, fe.sample_rate), fe.window, step, center=False) for clip in clips]
    embedded = np.asarray(embed(np.concatenate(windows) / np.float32(32768)), np.float32)
    block = np.split(embedded, np.cumsum([len(w) for w in windows])[:-1])
    for clip, frames in zip(clips, block, strict=True):
        if not np.isfinite(frames).all():
            raise L3Error(f"{clip.path}: its embedding is NaN or infinite: the model's weights are broken, nothing to evaluate")
    return block


def _write(path: Path, block: list[np.ndarray]) -> None:
    with files.replace(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, frames=np.concatenate(block), lengths=[len(frames) for frames in block])


def _read(path: Path) -> list[np.ndarray]:
    with npz.opened(path) as saved:
        return np.split(saved["frames"], np.cumsum(saved["lengths"])[:-1])
