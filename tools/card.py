"""Print the figures of a model's card, as Markdown, from the run folder that made it: tools/card.py RUN [RUN OF ANOTHER SEED...]"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from l3host.evaluate import events
from l3host.evaluate.crossval import wilson
from l3host.evaluate.events import Timelines
from l3host.l3m.load import load_graph
from l3host.pipeline.folds import HELD_OUT
from l3host.train import fit
from l3mote.format import Frontend, silent


def main(folder: str, *others: str) -> None:
    run = Path(folder)
    note = json.loads((run / "recover-1.json").read_text(encoding="utf-8"))
    accuracy(note["evaluation"])
    if "tuned" in note:
        fe = load_graph(str(run / "model.l3m")).frontend
        thresholds(run, note, fe)
        seeds([run, *map(Path, others)], note, fe)


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


def thresholds(run: Path, note: dict, fe: Frontend) -> None:
    """Held out: each fold with the thresholds that the other folds give."""
    mute = [i for i, label in enumerate(note["labels"]) if silent(label)]
    tested = [Timelines.read(path) for path in sorted((run / "recover-1").glob(f"fold-*/{HELD_OUT}"))]
    peaks = [events.of_app(result, fe, mute) for result in tested]
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


def seeds(runs: Sequence[Path], note: dict, fe: Frontend) -> None:
    """Each seed's accuracy by fold, and what its thresholds give, each fold with those of the other folds."""
    mute = [i for i, label in enumerate(note["labels"]) if silent(label)]
    rows = []
    for run in runs:
        tested = [Timelines.read(path) for path in sorted((run / "recover-1").glob(f"fold-*/{HELD_OUT}"))]
        counts = [fit.confusion(result, mute) for result in tested]
        right = [np.trace(c) / np.sum(c) for c in map(np.array, counts)]
        given = events.held_out(
            [events.of_app(result, fe, mute) for result in tested], *(note["tuned"][key] for key in ("price", "recall_wanted"))
        )
        rows.append((*right, np.mean(right), given.recall, given.false))
    print()
    row("seed", *(f"fold {i}" for i in range(1, len(rows[0]) - 2)), "mean", "reported", "unrelated clips with an event")
    row(*["---"] * (len(rows[0]) + 1))
    for run, values in zip(runs, rows, strict=True):
        row(run.name, *map(share, values))
    if len(rows) > 1:
        row("mean", *map(share, np.mean(rows, axis=0)))


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
