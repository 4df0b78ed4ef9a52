"""Print the figures of a model's card, as Markdown, from the run folder that made it: tools/card.py RUN"""

import json
import sys
from pathlib import Path

import numpy as np

from l3host.evaluate import events
from l3host.evaluate.crossval import wilson
from l3host.evaluate.events import Timelines
from l3host.graph.network import frontend
from l3host.pipeline.folds import HELD_OUT
from l3mote.format import silent


def main(folder: str) -> None:
    run = Path(folder)
    note, recipe = (json.loads((run / name).read_text(encoding="utf-8")) for name in ("recover-1.json", "run.json"))
    accuracy(note["evaluation"])
    if "tuned" in note:
        thresholds(run, note, recipe["recipe"]["source"]["frontend"])


def accuracy(result: dict) -> None:
    folds = result["accuracy_per_fold"]
    row("", *(f"fold {name}" for name in folds), "mean", "standard deviation", "95 % interval")
    row(*["---"] * (len(folds) + 4))
    low, high = result["accuracy_interval"]
    row("", *map(share, folds.values()), share(result["accuracy_mean"]), f"{100 * result['accuracy_std']:.1f}", span(low, high))
    print()
    row("class", "right", "", "taken for")
    row(*["---"] * 4)
    for i, (label, counts) in enumerate(zip(result["labels"], result["confusion"], strict=True)):
        others = sorted(((n, result["labels"][k]) for k, n in enumerate(counts) if n and k != i), reverse=True)
        wrong = ", ".join(f"{label.replace('_', ' ')} {n}" for n, label in others)
        row(label.replace("_", " "), f"{counts[i]} of {sum(counts)}", f"{100 * counts[i] / sum(counts):.0f} %", wrong or "nothing")


def thresholds(run: Path, note: dict, name: str) -> None:
    """Held out: each fold with the thresholds that the other folds give."""
    mute = [i for i, label in enumerate(note["labels"]) if silent(label)]
    tested = [Timelines.read(path) for path in sorted((run / "recover-1").glob(f"fold-*/{HELD_OUT}"))]
    peaks = [events.of_app(result, frontend(name), mute) for result in tested]
    tuned, n = note["tuned"], sum(int((~part.unrelated).sum()) for part in peaks)
    others, hours = tuned["unrelated_clips"], tuned["unrelated_hours"]
    print()
    row("thresholds", f"of {n} clips reported", f"of {others} unrelated clips with an event", f"events an hour ({hours:g} h)")
    row(*["---"] * 4)
    figures_row("held out: each fold with those that the other folds give", tuned["held_out"], n, others)
    figures_row("those in the file, on the clips that they were set on", tuned, n, others)
    everything = events.joined(peaks)
    for level in (0.3, 0.4, 0.5, 0.6):
        figures_row(
            f"{level} for every label", events.figures(everything, np.full(len(note["labels"]), level))._asdict(), n, others
        )
    print()
    row("label", "threshold")
    row("---", "---")
    for label, value in tuned["thresholds"].items():
        if not silent(label):
            row(label.replace("_", " "), f"{value:.2f}")


def figures_row(what: str, values: dict, n: int, others: int) -> None:
    recall, false = (
        f"{share(v)} ({span(*wilson(round(v * k), k))})" for v, k in ((values["recall"], n), (values["false"], others))
    )
    row(what, recall, false, f"{values['per_hour']:.0f}")


def share(value: float) -> str:
    return f"{100 * value:.1f} %"


def span(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}"


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(*sys.argv[1:])
