"""Labels of a recording: what `l3mote classify` finds, and its JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np

from l3host.embed import Progress, answers, batch_size, counted, joined, loaded
from l3host.engines import Engine
from l3host.errors import L3Error
from l3host.graph.network import Graph
from l3host.reference import listening
from l3host.sound.audio import opened
from l3host.sound.levels import of_windows
from l3host.sound.windows import heard_windows
from l3host.text import clean
from l3mote.format import silent


class Event(TypedDict):
    """An event from start to end, in seconds. score: the greatest in it."""

    label: str
    start: float
    end: float
    score: float


class Window(NamedTuple):
    """A window in seconds, its best label and that one's score."""

    begin: float
    end: float
    label: str
    score: float


@dataclass(frozen=True)
class Labelled:
    """A recording's scores. Windows begin every `hop` seconds and are `length` seconds long.

    events: what the listening app would report, with the file's own thresholds and hop.
    """

    path: str
    labels: list[str]
    scores: np.ndarray  # (windows, labels)
    hop: float
    length: float
    events: list[Event]

    @property
    def mean(self) -> np.ndarray:
        """Return the scores (labels,) of the whole recording."""
        return self.scores.mean(axis=0)

    @property
    def label(self) -> str | None:
        """Return the best label; None where that is silent, which is learnt and never reported."""
        best = self.labels[int(self.mean.argmax())]
        return None if silent(best) else best

    def windows(self) -> Iterator[Window]:
        """Yield what best_of() does."""
        return best_of(self.labels, self.scores, self.hop, self.length)

    def by_label(self, row: np.ndarray) -> dict[str, float]:
        """Return the scores of the labels that are reported."""
        return {label: float(p) for label, p in zip(self.labels, row, strict=True) if not silent(label)}

    def to_audacity(self) -> str:
        """Return the events as Audacity's label track: begin, end and label, a tab between them."""
        lines = (f"{event['start']:.3f}\t{event['end']:.3f}\t{clean(event['label'])}\n" for event in self.events)
        return "".join(lines)

    def to_json(self) -> dict:
        return {
            "file": self.path,
            "label": self.label,
            "scores": self.by_label(self.mean),
            "windows": len(self.scores),
            "timeline": [
                {"start": i * self.hop, "end": i * self.hop + self.length, "scores": self.by_label(row)}
                for i, row in enumerate(self.scores)
            ],
            "events": self.events,
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
        graph, levels = engine.graph, []  # type: Graph, list[np.ndarray]

        def measured() -> Iterator[np.ndarray]:
            for windows in heard_windows(graph.frontend, path, batch_size(graph)):
                levels.append(of_windows(windows, graph.frontend.sample_rate))
                yield windows

        scores = joined(counted(answers(engine, measured(), self.threads), progress)).output
        whole, fe = whole_windows(path, graph), graph.frontend
        heard = events(graph, scores[:whole], np.concatenate(levels)[:whole])
        return Labelled(path, graph.labels, scores, fe.hop / fe.sample_rate, fe.window / fe.sample_rate, heard)


def best_of(labels: list[str], scores: np.ndarray, hop: float, length: float) -> Iterator[Window]:
    """Yield each window with its best label. scores: (windows, labels); hop, length: of windows, in seconds."""
    for i, row in enumerate(scores):
        best = int(row.argmax())
        yield Window(i * hop, i * hop + length, labels[best], float(row[best]))


def whole_windows(path: str, graph: Graph) -> int | None:
    """Return how many windows the app hears in a recording; None where its header does not give its length."""
    fe = graph.frontend
    with opened(path) as about:
        frames, rate = about.frames, about.samplerate
    if not frames:
        return None
    samples = frames * fe.sample_rate // rate
    return max(1, 1 + (samples - fe.window) // fe.hop)


def events(graph: Graph, scores: np.ndarray, levels: np.ndarray) -> list[Event]:
    """Return the events of a recording's windows: the reference's starts, each with its end."""
    fe = graph.frontend
    rules = listening.rules_of(graph, {}, fe.sample_rate)
    every = max(1, rules.hop // fe.hop)  # the app's own hop may be longer
    heard, levels = listening.loud(rules, scores, levels)[::every], levels[::every]
    result: list[Event] = []
    going: dict[str, Event] = {}
    for event in listening.events(graph.labels, fe.sample_rate, rules, heard, levels):
        label, t, score = event["label"], event["t"], event["score"]
        if event["event"] == "start":
            going[label] = {"label": label, "start": t, "end": t, "score": score}
            result.append(going[label])
        else:
            going[label].update({"end": t, "score": score})
    return result
