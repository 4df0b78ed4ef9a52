"""Embeddings of whole recordings, with the conventions of the published edgel3/openl3 packages."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from numbers import Real
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from l3host.errors import L3Error
from l3host.graph.network import Graph
from l3host.l3m.load import load_graph
from l3host.reference import floats
from l3host.sound import audio
from l3host.sound.windows import recording_windows

BATCH_BYTES = 8_000_000  # im2col columns of one batch stay near the processor's cache


def batch_size(graph: Graph) -> int:
    """Windows whose largest im2col matrix stays within BATCH_BYTES."""
    largest = max(9 * np.prod(shape) for shape in graph.planes()[:-1])
    return max(1, int(BATCH_BYTES // (4 * largest)))


class Answers(NamedTuple):
    """Of every window."""

    embedding: np.ndarray  # (N, D)
    output: np.ndarray  # (N, C)


def run_windows(
    graph: Graph, windows: np.ndarray, progress: Callable[[int], None] | None = None, dtype: type = np.float32
) -> Answers:
    """What the reference gives for windows (N, window) in [-1, 1] or of int16, in dtype; progress is called with windows done.

    One batch a core, each with one BLAS thread: several threads in one matrix product wait for each other on a busy machine.
    No more activations are in memory than those batches'.
    """
    unit = 32768 if windows.dtype == np.int16 else 1
    embeddings, outputs = [], []
    size = batch_size(graph)
    batches = (windows[start : start + size] for start in range(0, len(windows), size))
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        for run in pool.map(lambda batch: floats.run(graph, batch / unit, dtype), batches):
            embeddings.append(run.embedding)
            outputs.append(run.output)
            if progress:
                progress(len(run.output))
    return Answers(np.concatenate(embeddings), np.concatenate(outputs))


def get_embedding(
    audio_data: np.ndarray,
    sr: int,
    model: str | Graph,
    center: bool = True,
    hop_size: float = 0.1,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Embedding of every window of a recording.

    audio_data: (samples,) or (samples, channels), floats or signed integers, at any rate `sr` in Hz; channels are averaged,
    the rate converted to the model's.
    model: a .l3m path, the name of a shipped model, or a Graph. hop_size: seconds between windows.
    Returns (embedding (T, D) float32, timestamps (T,) = arange(T) * hop_size).
    Raises L3Error for empty or non-finite audio, a hop that is not positive, or a model that cannot be read.
    """
    graph = model if isinstance(model, Graph) else load_graph(str(model))
    if not isinstance(hop_size, Real) or not 0 < hop_size < inf:
        raise L3Error(f"hop size must be a positive number of seconds, not {hop_size!r}")
    fe = graph.frontend
    signal = audio.prepare(audio_data, sr, fe.sample_rate)
    hop = int(hop_size * fe.sample_rate)
    if hop < 1:
        raise L3Error(f"hop size {hop_size} s is less than one sample at {fe.sample_rate} Hz")
    embedding, _ = run_windows(graph, recording_windows(signal, fe, hop, center), progress)
    return embedding, np.arange(len(embedding)) * hop_size
