"""What is done to each recording of an archive: a class a command, with what it writes and what it notes in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from l3host.archive.parts import CsvWriter, ParquetWriter, Writer, arrow
from l3host.classify import Classify, labeller
from l3host.embed import embedded, hop_samples, loaded
from l3host.sound import audio
from l3host.text import cell

Add = Callable[[Any, int], None]  # called with results and their bytes
Progress = Callable[[float], None]  # called with seconds of sound done


@dataclass(frozen=True)
class EmbedTask:
    """Embeddings as Parquet. Fields: as embed.Embed has them."""

    model: str
    center: bool
    hop_size: float
    engine: str | None = None

    folder, suffix = "embeddings", ".parquet"

    def check(self) -> None:
        """Raise L3Error for settings with which no file could be embedded."""
        arrow()
        hop_samples(loaded(self.model, self.engine).graph.frontend, self.hop_size)

    def columns(self) -> list[str]:
        return []

    def settings(self) -> dict:
        """What the results depend on, besides the model."""
        return {"command": "embed", "hop_size": self.hop_size, "center": self.center}

    def writer(self) -> Callable[[Path], Writer]:
        return partial(ParquetWriter, size=loaded(self.model, self.engine).graph.embedding_size)

    def run(self, path: str, add: Add, progress: Progress) -> tuple[int, list]:
        """Add a file's results; returns its windows, and values of the ledger's columns. Raises L3Error."""
        n = 0
        for block in embedded(loaded(self.model, self.engine), audio.recording(path), self.center, self.hop_size, threads=1):
            add((np.arange(n, n + len(block)) * self.hop_size, block), block.nbytes)
            n += len(block)
            progress(len(block) * self.hop_size)
        return n, []


@dataclass(frozen=True)
class ClassifyTask:
    """Label and scores of every window as CSV; those of the whole file in the ledger. Fields: as classify.Classify has them."""

    model: str
    engine: str | None = None

    folder, suffix = "labels", ".csv"

    def check(self) -> None:
        labeller(self.model, self.engine)

    def columns(self) -> list[str]:
        return ["label", *self._labels()]

    def _labels(self) -> list[str]:
        """Return the labels as the tables have them: none is a formula to a spreadsheet."""
        return list(map(cell, labeller(self.model, self.engine).graph.labels))

    def settings(self) -> dict:
        return {"command": "classify"}

    def writer(self) -> Callable[[Path], Writer]:
        return partial(CsvWriter, head=["file", "start", "end", "label", "score", *self._labels()])

    def run(self, path: str, add: Add, progress: Progress) -> tuple[int, list]:
        fe = labeller(self.model, self.engine).graph.frontend
        hop = fe.hop / fe.sample_rate
        result = Classify(self.model, self.engine, threads=1)(path, lambda n: progress(n * hop))
        rows = []
        for (start, end, label, score), scores in zip(result.windows(), result.scores, strict=True):
            rows.append([f"{start:.3f}", f"{end:.3f}", cell(label), f"{score:.4f}", *(f"{value:.4f}" for value in scores)])
        add(rows, 100 * len(rows))
        return len(rows), [cell(result.label), *(f"{value:.4f}" for value in result.mean)]
