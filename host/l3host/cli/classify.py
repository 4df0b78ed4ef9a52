"""`l3mote classify`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.cli.arguments import AUDIO, MODEL
from l3host.errors import L3Error
from l3host.show import draw, plural, progress, results, say, table
from l3mote.format import silent

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from l3host.graph.network import Graph

HELP = "Label audio files: one label a file, and the labels over time."
EXAMPLE = "l3mote classify esc10 street.wav dog.flac --json"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", nargs="+", help=AUDIO)


def run(args: argparse.Namespace) -> int:
    from l3host.embed import run_windows
    from l3host.sound.windows import pcm_windows

    graph = labelled(args.model)
    rows, timelines = [], []
    with progress(args.json) as bar:
        for name in args.audio:
            task = bar.add_task(Path(name).name, total=None)
            windows = pcm_windows(graph.frontend, name)
            scores = run_windows(graph, windows, partial(bar.advance, task)).output
            rows.append({"file": name} | described(graph, scores, length(name, graph.frontend.sample_rate)))
            timelines.append(scores)
    results(args.json, rows, lambda: classified(rows, timelines, graph))
    return 0


def described(graph: Graph, scores: np.ndarray, seconds: float) -> dict:
    """What a recording's scores (windows, labels) say: the best label (None where a silent one is best), windows, events."""
    import numpy as np

    named = [i for i, label in enumerate(graph.labels) if not silent(label)]

    def by_label(row: np.ndarray) -> dict[str, float]:
        return {graph.labels[i]: float(row[i]) for i in named}

    fe, mean = graph.frontend, scores.mean(axis=0)
    starts = np.arange(len(scores)) * fe.hop / fe.sample_rate
    best = int(mean.argmax())
    return {
        "label": graph.labels[best] if best in named else None,
        "scores": by_label(mean),
        "windows": len(scores),
        "timeline": [
            {"start": float(start), "end": float(start + fe.window / fe.sample_rate), "scores": by_label(row)}
            for start, row in zip(starts, scores, strict=True)
        ],
        "events": reported(graph, scores, seconds),
    }


def reported(graph: Graph, scores: np.ndarray, seconds: float) -> list[dict]:
    """Events that the listening app would report with the file's own thresholds and hop: label, start, end (s), greatest score."""
    import numpy as np

    from l3host.reference import listening

    fe = graph.frontend
    rules = listening.rules_of(graph, {}, fe.sample_rate)
    whole = max(1, 1 + (round(seconds * fe.sample_rate) - fe.window) // fe.hop)  # the last may be padded
    heard = scores[:whole][:: max(1, rules.hop // fe.hop)]
    found: list[dict] = []
    open_ones: dict[str, dict] = {}
    for event in listening.events(graph.labels, fe.sample_rate, rules, heard, np.zeros(len(heard))):
        if event["event"] == "start":
            open_ones[event["label"]] = {"label": event["label"], "start": event["t"], "end": event["t"], "score": event["score"]}
            found.append(open_ones[event["label"]])
        else:
            open_ones[event["label"]] |= {"end": event["t"], "score": event["score"]}
    return found


def length(name: str, rate: int) -> float:
    """Seconds of a recording as it is heard at `rate` Hz."""
    import soundfile

    about = soundfile.info(name)
    return about.frames * rate // about.samplerate / rate


def labelled(model: str) -> Graph:
    """A model's graph. Raises L3Error if it has no labels."""
    from l3host.l3m.load import load_graph

    graph = load_graph(model)
    if not graph.labels:
        raise L3Error(f"{model} has no labels, it gives embeddings: use l3mote embed")
    return graph


def classified(rows: list[dict], timelines: list[np.ndarray], graph: Graph) -> None:
    from rich.text import Text

    for row, scores in zip(rows, timelines, strict=True):
        label = row["label"] or "none of its labels"
        score = f" {row['scores'][row['label']]:.2f}" if row["label"] else ""
        say(Text.assemble(f"{row['file']}: ", (label, "bold"), f"{score} (mean of {plural(row['windows'], 'window')})"))
        draw(timeline(scores, graph))
        for event in row["events"]:
            say(f"event: {event['label']} from {event['start']:.1f} to {event['end']:.1f} s, {event['score']:.2f}")


def timeline(scores: np.ndarray, graph: Graph) -> Table:
    """The best label of each window, with its time."""
    t = table("", "seconds", "label", "score")
    hop, length = graph.frontend.hop / graph.frontend.sample_rate, graph.frontend.window / graph.frontend.sample_rate
    for i, row in enumerate(scores):
        best = int(row.argmax())
        t.add_row(f"{i * hop:.1f}-{i * hop + length:.1f}", graph.labels[best], f"{row[best]:.2f}")
    return t
