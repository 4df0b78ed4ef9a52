"""What a model answers to whole recordings, block by block; embeddings with the conventions of the published packages."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from math import inf
from numbers import Real
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from l3host import npz
from l3host.errors import L3Error
from l3host.graph.network import Graph
from l3host.l3m.load import load_graph
from l3host.reference import floats
from l3host.sound import audio
from l3host.sound.windows import cut, heard_windows
from l3mote.format import Frontend

BATCH_BYTES = 8_000_000  # im2col columns of one batch stay near the processor's cache


class Answers(NamedTuple):
    """Of every window."""

    embedding: np.ndarray  # (N, D)
    output: np.ndarray  # (N, C)


Found = TypeVar("Found", Answers, np.ndarray)
Progress = Callable[[int], None]  # called with windows done
Engine = Callable[[np.ndarray], Answers]  # windows (N, window) in [-1, 1], or of int16


def batch_size(graph: Graph) -> int:
    """Windows whose largest im2col matrix stays within BATCH_BYTES."""
    largest = max(9 * np.prod(shape) for shape in graph.planes()[:-1])
    return max(1, int(BATCH_BYTES // (4 * largest)))


def reference_engine(graph: Graph, dtype: type = np.float32) -> Engine:
    """The reference's own arithmetic, in dtype."""

    def run(windows: np.ndarray) -> Answers:
        found = floats.run(graph, windows / (32768 if windows.dtype == np.int16 else 1), dtype)
        return Answers(found.embedding, found.output)

    return run


@cache
def blas() -> ThreadpoolController:
    return ThreadpoolController()


def answers(engine: Engine, batches: Iterable[np.ndarray], threads: int | None = None) -> Iterator[Answers]:
    """What the engine answers to batches of windows, in their order, while the next ones are decoded.

    threads: batches at a time, each with one BLAS thread (default: one a core): several threads in one matrix product wait for
    each other on a busy machine. No more batches are in memory than twice as many.
    """
    threads = threads or os.cpu_count() or 1
    with blas().limit(limits=1), ThreadPoolExecutor(threads) as pool:
        due: deque = deque()
        for batch in batches:
            due.append(pool.submit(engine, batch))
            if len(due) > 2 * threads:
                yield due.popleft().result()
        while due:
            yield due.popleft().result()


def run_windows(graph: Graph, windows: np.ndarray, progress: Progress | None = None, dtype: type = np.float32) -> Answers:
    """What the reference gives for windows (N, window) in [-1, 1] or of int16, in dtype."""
    size = batch_size(graph)
    batches = (windows[start : start + size] for start in range(0, len(windows), size))
    return joined(told(answers(reference_engine(graph, dtype), batches), progress))


def told(found: Iterable[Found], progress: Progress | None) -> Iterator[Found]:
    """What is found as it comes; progress hears of how many windows."""
    for some in found:
        if progress:
            progress(len(some[0] if isinstance(some, Answers) else some))
        yield some


def joined(found: Iterable[Answers]) -> Answers:
    return Answers(*map(np.concatenate, zip(*found, strict=True)))


def heard(graph: Graph, path: str, threads: int | None = None) -> Iterator[Answers]:
    """Answers to a file's windows, heard as a board hears them, block by block. Raises L3Error."""
    return answers(reference_engine(graph), heard_windows(graph.frontend, path, batch_size(graph)), threads)


def embedded(
    graph: Graph, sound: audio.Recording, center: bool = True, hop_size: float = 0.1, threads: int | None = None
) -> Iterator[np.ndarray]:
    """Embeddings (n, D) of a recording's windows, block by block, as get_embedding has them. Raises L3Error."""
    fe, hop = graph.frontend, hop_samples(graph.frontend, hop_size)
    batches = cut(audio.prepared(sound, fe.sample_rate), fe.window, hop, center, batch_size(graph), sound.name)
    with audio.naming(sound.name):
        for some in answers(reference_engine(graph), batches, threads):
            yield some.embedding


def hop_samples(fe: Frontend, hop_size: float) -> int:
    """Samples between windows that are hop_size seconds apart. Raises L3Error."""
    if not isinstance(hop_size, Real) or not 0 < hop_size < inf:
        raise L3Error(f"hop size must be a positive number of seconds, not {hop_size!r}")
    hop = int(hop_size * fe.sample_rate)
    if hop < 1:
        raise L3Error(f"hop size {hop_size} s is less than one sample at {fe.sample_rate} Hz")
    return hop


@dataclass(frozen=True)
class Embed:
    """Writes the embeddings of a file to .npz (embedding, timestamps), in whatever process it is called.

    Fields: as embedded has them.
    """

    model: str
    center: bool
    hop_size: float
    threads: int | None = None

    def __call__(self, files: tuple[str, Path], progress: Progress) -> tuple[str, Path, tuple[int, ...]]:
        """files: the sound, and the .npz to write. Returns both, and the embeddings' shape. Raises L3Error."""
        path, out = files
        found = embedded(loaded(self.model), audio.recording(path), self.center, self.hop_size, self.threads)
        return path, out, npz.write(out, "embedding", told(found, progress), lambda n: {"timestamps": np.arange(n) * self.hop_size})


@lru_cache(maxsize=1)  # a process has one model
def loaded(model: str) -> Graph:
    return load_graph(model)


def get_embedding(
    audio_data: np.ndarray,
    sr: int,
    model: str | Graph,
    center: bool = True,
    hop_size: float = 0.1,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Embedding of every window of a recording.

    audio_data: (samples,) or (samples, channels), floats or signed integers, at any rate `sr` in Hz; channels are averaged,
    the rate converted to the model's.
    model: a .l3m path, the name of a shipped model, or a Graph. hop_size: seconds between windows.
    progress: called with windows done.
    Returns (embedding (T, D) float32, timestamps (T,) = arange(T) * hop_size).
    Raises L3Error for empty or non-finite audio, a hop that is not positive, or a model that cannot be read.
    """
    graph = model if isinstance(model, Graph) else load_graph(str(model))
    embedding = np.concatenate(list(told(embedded(graph, audio.of_samples(audio_data, sr), center, hop_size), progress)))
    return embedding, np.arange(len(embedding)) * hop_size
