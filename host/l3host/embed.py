"""What a model answers to whole recordings, block by block; embeddings with the conventions of the published packages."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from l3host import npz
from l3host.engines import Answers, Engine, engine_for, numpy_engine
from l3host.errors import L3Error, reading
from l3host.files import claim_output, read_bytes
from l3host.graph.network import Graph
from l3host.l3m.load import find, load_graph
from l3host.sound import audio
from l3host.sound.windows import cut
from l3host.threads import cores, one_blas_thread
from l3mote.format import Frontend

BATCH_BYTES = 8_000_000  # im2col columns of one batch stay near the processor's cache


Results = TypeVar("Results", Answers, np.ndarray)
Progress = Callable[[int], None]  # called with windows done


def batch_size(graph: Graph) -> int:
    """Return how many windows keep the largest im2col matrix within BATCH_BYTES."""
    largest = max(9 * np.prod(shape) for shape in graph.planes()[:-1])
    return max(1, int(BATCH_BYTES // (4 * largest)))


def answers(engine: Engine, batches: Iterable[np.ndarray], threads: int | None = None) -> Iterator[Answers]:
    """Yield what the engine answers to batches of windows, in their order, while the next ones are decoded.

    threads: batches at a time, each with one BLAS thread (default: one a core). No more batches are in memory than twice as many.
    """
    threads = threads or cores()
    with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
        due: deque = deque()
        for batch in batches:
            due.append(pool.submit(engine, batch))
            if len(due) > 2 * threads:
                yield due.popleft().result()
        while due:
            yield due.popleft().result()


def run_windows(graph: Graph, windows: np.ndarray, progress: Progress | None = None, dtype: type = np.float32) -> Answers:
    """Return what the reference gives for windows (N, window) in [-1, 1] or of int16, in dtype."""
    return joined(counted(answers(numpy_engine(graph, dtype), batches(graph, windows)), progress))


def batches(graph: Graph, windows: np.ndarray) -> Iterator[np.ndarray]:
    size = batch_size(graph)
    return (windows[start : start + size] for start in range(0, len(windows), size))


def counted(results: Iterable[Results], progress: Progress | None) -> Iterator[Results]:
    """Yield results as they come and call progress with their number of windows."""
    for some in results:
        if progress:
            progress(len(some[0] if isinstance(some, Answers) else some))
        yield some


def joined(parts: Iterable[Answers]) -> Answers:
    return Answers(*map(np.concatenate, zip(*parts, strict=True)))


def embedded(
    engine: Engine, sound: audio.Recording, center: bool, hop_size: float, threads: int | None = None
) -> Iterator[np.ndarray]:
    """Yield the embeddings (n, D) of a recording's windows, block by block, as get_embedding has them. Raises L3Error."""
    fe = engine.graph.frontend
    hop, size = hop_samples(fe, hop_size), batch_size(engine.graph)
    windows = cut(audio.prepared(sound, fe.sample_rate), fe.window, hop, center, size, sound.name)
    with audio.naming(sound.name):
        for some in answers(engine, windows, threads):
            yield some.embedding


def hop_samples(fe: Frontend, hop_size: float) -> int:
    """Return the samples between windows that are hop_size seconds apart. Raises L3Error."""
    if not isinstance(hop_size, Real) or not 0 < hop_size < inf:
        raise L3Error(f"hop size must be a positive number of seconds, not {hop_size!r}")
    hop = int(hop_size * fe.sample_rate)
    if hop < 1:
        raise L3Error(f"hop size {hop_size} s is less than one sample at {fe.sample_rate} Hz")
    return hop


@dataclass(frozen=True)
class Embed:
    """Write the embeddings of a file to .npz, in whatever process it is called.

    Its arrays: embedding, timestamps, and of what they are: model (its file's name), model_sha256, sample_rate, hop_size, center.

    Fields: as embedded has them.
    """

    model: str
    center: bool
    hop_size: float
    engine: str | None = None
    threads: int | None = None

    def __call__(self, files: tuple[str, Path], progress: Progress) -> tuple[str, Path, tuple[int, ...]]:
        """files: the sound, and the .npz to write. Returns both, and the embeddings' shape. Raises L3Error."""
        path, out = files
        embeddings = embedded(loaded(self.model, self.engine), audio.recording(path), self.center, self.hop_size, self.threads)
        done = counted(embeddings, progress)
        return path, out, npz.write(out, "embedding", done, self.about)

    def about(self, n: int) -> dict[str, np.ndarray]:
        """Return the arrays beside n embeddings: when they are, and what made them."""
        file = find(self.model)
        return {
            "timestamps": np.arange(n) * self.hop_size,
            "model": np.array(file.name),
            "model_sha256": np.array(hashlib.sha256(read_bytes(file)).hexdigest()),
            "sample_rate": np.array(loaded(self.model, self.engine).graph.frontend.sample_rate),
            "hop_size": np.array(self.hop_size),
            "center": np.array(self.center),
        }


def outputs_for(
    names: Sequence[str], folder: str | None, suffix: str | None, force: bool = False, ending: str = ".npz"
) -> list[Path]:
    """Return the file to write for each sound: beside it, or in a folder, which is made. Raises L3Error for one that is there."""
    suffix = f"_{suffix}" if suffix else ""
    if folder:
        with reading(folder):
            Path(folder).mkdir(parents=True, exist_ok=True)
    paths = [Path(folder or Path(name).parent, f"{Path(name).stem}{suffix}{ending}") for name in names]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise L3Error(f"two of the inputs would be written to the same file, {twice}: name fewer at a time, or use --suffix")
    return [claim_output(str(path), force) for path in paths]


def process_audio_file(
    filepath: str | Sequence[str],
    output_dir: str | None = None,
    suffix: str | None = None,
    model: str = "",
    center: bool = True,
    hop_size: float = 0.1,
    overwrite: bool = False,
    verbose: bool = True,
    engine: str | None = None,
) -> None:
    """Write the embeddings of a file, or of each of a list, to NAME.npz beside it or in output_dir, which is made.

    As the published packages' function of this name: a file that has been processed is skipped, with a line, unless overwrite.
    model: a .l3m path or the name of a shipped model. suffix: write NAME_SUFFIX.npz. Other arguments: get_embedding's.
    The arrays of an .npz: class Embed. Raises L3Error.
    """
    if not model:
        raise L3Error("process_audio_file needs a model: model='sea64.l3m'")
    names = [filepath] if isinstance(filepath, (str, os.PathLike)) else list(filepath)
    task = Embed(model, center, hop_size, engine)
    for name, out in zip(names, outputs_for([str(name) for name in names], output_dir, suffix, force=True), strict=True):
        if out.exists() and not overwrite:
            print(f"l3mote: {out} exists, skipped: overwrite=True replaces it")
            continue
        if verbose:
            print(f"l3mote: {name}")
        task((str(name), out), lambda windows: None)


def loaded(model: str, engine: str | None) -> Engine:
    """Return the engine called so (see engines.engine_for) for a model's file; the last one is kept. Raises L3Error."""
    file = find(model).stat()
    return _loaded(model, engine, (file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns))


@lru_cache(maxsize=1)
def _loaded(model: str, engine: str | None, file: tuple[int, ...]) -> Engine:
    return engine_for(load_graph(model), engine)


def get_embedding(
    audio_data: np.ndarray | list[np.ndarray],
    sr: int | list[int],
    model: str | Graph,
    center: bool = True,
    hop_size: float = 0.1,
    progress: Progress | None = None,
    engine: str | None = None,
) -> tuple[Any, Any]:
    """Return the embedding of every window of a recording, or, for a list of recordings, a list of each.

    audio_data: (samples,) or (samples, channels), floats or signed integers, at any rate `sr` in Hz; channels are averaged,
    the rate converted to the model's. A list has one rate for all, or a list of rates.
    model: a .l3m path, the name of a shipped model, or a Graph. hop_size: seconds between windows.
    progress: called with windows done. engine: onnxruntime or numpy (default: onnxruntime where it is installed).
    Returns (embedding (T, D) float32, timestamps (T,) = arange(T) * hop_size).
    Raises L3Error for empty or non-finite audio, a hop that is not positive, or a model that cannot be read.
    """
    graph = model if isinstance(model, Graph) else load_graph(str(model))
    if isinstance(audio_data, list) and any(isinstance(one, np.ndarray) for one in audio_data):
        rates = sr if isinstance(sr, list) else [sr] * len(audio_data)
        if len(rates) != len(audio_data):
            raise L3Error(f"{len(audio_data)} recordings, {len(rates)} sample rates")
        pairs = zip(audio_data, rates, strict=True)
        results = [get_embedding(one, rate, graph, center, hop_size, progress, engine) for one, rate in pairs]
        return [embedding for embedding, _ in results], [times for _, times in results]
    sound = audio.of_samples(np.asarray(audio_data), cast(int, sr))
    embedding = np.concatenate(list(counted(embedded(engine_for(graph, engine), sound, center, hop_size), progress)))
    return embedding, np.arange(len(embedding)) * hop_size
