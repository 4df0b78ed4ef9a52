"""Set a model's thresholds on labelled recordings and other sounds: no training, and a curve of what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from l3host.datasets import Dataset
from l3host.errors import L3Error
from l3host.evaluate import events, own_head
from l3host.evaluate.events import Peaks
from l3host.evaluate.own_head import Progress
from l3host.files import replace
from l3host.graph.network import Graph
from l3mote.format import silent

LEAST = 2  # clips of a label that its threshold is set on


def tune(
    graph: Graph, dataset: Dataset, price: float = events.PRICE, recall: float = events.RECALL,
    settings: dict | None = None, on_progress: Progress | None = None,
) -> tuple[dict, np.ndarray, list[tuple[float, float]]]:  # fmt: skip
    """Return (the result, ready for JSON; thresholds, one a label of the model; the curve: (false events an hour, recall)).

    Clips that the model was trained on are left out: their scores promise too much. Thresholds of labels that the data set does not
    have stay as they are. Raises L3Error: no other sounds, labels with fewer than two new clips, a class that the model lacks.
    """
    own_head.labels_of(graph, dataset)  # refuses a class that the model lacks, before clips are counted and read
    left = own_head.new_to(graph, dataset)
    counts = {label: sum(dataset.labels[clip.label] == label for clip in left.clips) for label in dataset.labels}
    few = [label for label, count in counts.items() if count < LEAST and not silent(label)]
    why = f" that {dataset.name} has and the model was not trained on" if len(left.clips) < len(dataset.clips) else ""
    if few:
        raise L3Error(f"fewer than {LEAST} clips of {', '.join(few)}{why}: record more of them")
    if not any(silent(label) and counts[label] for label in dataset.labels):
        raise L3Error(f"no other sounds{why}: --other FOLDER says what must not raise an event")
    measured = own_head.peaks(graph, own_head.timelines(graph, left, settings, on_progress), settings)
    chosen = events.choose(measured, price, recall)
    own = {graph.labels.index(label) for label in dataset.labels if not silent(label)}
    before = np.array(graph.thresholds, np.float32)
    thresholds = np.array([chosen[i] if i in own else before[i] for i in range(len(before))], np.float32)
    result = {
        "dataset": dataset.name,
        "thresholds": {label: round(float(t), 4) for label, t in zip(graph.labels, thresholds, strict=True) if not silent(label)},
        "price": price,
        "clips": int((~measured.unrelated).sum()),
        "unrelated_clips": int(measured.unrelated.sum()),
        "unrelated_hours": round(float(measured.seconds[measured.unrelated].sum()) / events.HOUR, 4),
        "trained_on": len(dataset.clips) - len(left.clips),
        **events.figures(measured, thresholds)._asdict(),
        "before": events.figures(measured, before)._asdict(),
    }
    return result, thresholds, curve(measured)


def curve(result: Peaks) -> list[tuple[float, float]]:
    """Return (false events an hour, recall) of each step of events.curve()."""
    given = [events.figures(result, thresholds) for _, thresholds in events.curve(result)]
    return [(figures.per_hour, figures.recall) for figures in given]


def draw(path: Path, points: Sequence[tuple[float, float]], result: dict) -> None:
    """Write the curve as a PNG picture, with the thresholds chosen and those before on it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    axes.step(
        [x for x, _ in points], [100 * y for _, y in points], where="post", color="tab:blue", label="thresholds along the curve"
    )
    for name, figures, mark in (("chosen", result, "o"), ("before", result["before"], "x")):
        axes.plot(figures["per_hour"], 100 * figures["recall"], mark, color="black", label=name)
    axes.set(
        xlabel=f"false events an hour ({result['unrelated_clips']} clips of other sounds)",
        ylabel=f"clips reported, % ({result['clips']})", ylim=(0, 102), title=result["dataset"],
    )  # fmt: skip
    axes.set_xscale("symlog", linthresh=10)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    with replace(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
