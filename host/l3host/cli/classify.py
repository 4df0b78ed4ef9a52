"""`l3mote classify`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.cli.arguments import AUDIO, MODEL
from l3host.errors import L3Error
from l3host.show import draw, plural, progress, results, say, table

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
            _, scores = run_windows(graph, windows, partial(bar.advance, task))
            mean = scores.mean(axis=0)
            rows.append(
                {
                    "file": name,
                    "label": graph.labels[int(mean.argmax())],
                    "scores": {label: float(p) for label, p in zip(graph.labels, mean, strict=True)},
                    "windows": len(windows),
                }
            )
            timelines.append(scores)
    results(args.json, rows, lambda: classified(rows, timelines, graph))
    return 0


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
        rest = f" {row['scores'][row['label']]:.2f} (mean of {plural(row['windows'], 'window')})"
        say(Text.assemble(f"{row['file']}: ", (row["label"], "bold"), rest))
        draw(timeline(scores, graph))


def timeline(scores: np.ndarray, graph: Graph) -> Table:
    """The best label of each window, with its time."""
    t = table("", "seconds", "label", "score")
    hop, length = graph.frontend.hop / graph.frontend.sample_rate, graph.frontend.window / graph.frontend.sample_rate
    for i, row in enumerate(scores):
        best = int(row.argmax())
        t.add_row(f"{i * hop:.1f}-{i * hop + length:.1f}", graph.labels[best], f"{row[best]:.2f}")
    return t
