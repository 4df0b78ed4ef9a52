"""Labels of a recording: what `l3mote classify` finds, and how it is said as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from l3host.embed import Progress, heard, joined, loaded, told
from l3host.engines import Engine
from l3host.errors import L3Error
from l3host.graph.network import Graph


@dataclass(frozen=True)
class Labelled:
    """A recording's scores. Windows begin every `hop` seconds and are `length` seconds long."""

    path: str
    labels: list[str]
    scores: np.ndarray  # (windows, labels)
    hop: float
    length: float

    @property
    def mean(self) -> np.ndarray:
        """Scores (labels,) of the whole."""
        return self.scores.mean(axis=0)

    @property
    def label(self) -> str:
        return self.labels[int(self.mean.argmax())]

    def windows(self) -> Iterator[tuple[float, float, str, float]]:
        """Of each window: where it begins and ends, in seconds, its best label and that one's score."""
        for i, row in enumerate(self.scores):
            best = int(row.argmax())
            yield i * self.hop, i * self.hop + self.length, self.labels[best], float(row[best])

    def to_json(self) -> dict:
        return {
            "file": self.path,
            "label": self.label,
            "scores": {label: float(p) for label, p in zip(self.labels, self.mean, strict=True)},
            "windows": len(self.scores),
        }


def labeller(model: str, engine: str | None) -> Engine:
    """Return embed.loaded() of a model with labels. Raises L3Error."""
    chosen = loaded(model, engine)
    if not chosen.graph.labels:
        raise L3Error(f"{model} has no labels, it computes embeddings: use l3mote embed")
    return chosen


@dataclass(frozen=True)
class Classify:
    """Labels a file, as a board would hear it, in whatever process it is called. threads: as embed.answers has it."""

    model: str
    engine: str | None = None
    threads: int | None = None

    def __call__(self, path: str, progress: Progress) -> Labelled:
        """Raises L3Error."""
        engine = labeller(self.model, self.engine)
        return of_scores(engine.graph, path, joined(told(heard(engine, path, self.threads), progress)).output)


def of_scores(graph: Graph, path: str, scores: np.ndarray) -> Labelled:
    fe = graph.frontend
    return Labelled(path, graph.labels, scores, fe.hop / fe.sample_rate, fe.window / fe.sample_rate)
