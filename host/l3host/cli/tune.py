"""`l3mote tune`."""

from __future__ import annotations

import argparse
from pathlib import Path

from l3host.cli.arguments import MODEL, SKIP_BAD, percent, setting
from l3host.errors import L3Error
from l3host.files import claim_output, write_bytes
from l3host.show import plural, progress, results, say

HELP = "Set a model's thresholds on your own recordings and other sounds, without training."
EXAMPLE = "l3mote tune esc10 sounds --other street -o mine.l3m --picture curve.png"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("dataset", help="a folder with a folder of clips for each label, or a data set as train takes it")
    sub.add_argument("--other", metavar="FOLDER", help="sounds that must not raise an event (or a class folder _other)")
    sub.add_argument("-o", "--output", help=".l3m file to write with the new thresholds (default: only print them)")
    sub.add_argument("--price", type=percent, default=5, help="per cent of other clips that may raise an event (default 5)")
    sub.add_argument("--recall", type=percent, default=75, help="per cent of clips to report even where it costs more (default 75)")
    sub.add_argument("--subset", choices=["esc10"], help="the part of ESC-50 to use")
    sub.add_argument(
        "--set", type=setting, action="append", default=[], metavar="KEY=VALUE", help="the app's hop, smooth, votes, of"
    )
    sub.add_argument("--picture", help="PNG file for the curve of recall against false events an hour")
    sub.add_argument("--skip-bad", action="store_true", help=SKIP_BAD)
    sub.add_argument("--force", action="store_true", help="overwrite the outputs")


def run(args: argparse.Namespace) -> int:
    from l3host import datasets
    from l3host.classify import labeller
    from l3host.evaluate import tune
    from l3host.l3m.thresholds import with_thresholds

    outputs = [claim_output(path, args.force) if path else None for path in (args.output, args.picture)]
    graph = labeller(args.model, None).graph
    dataset = datasets.load(args.dataset, args.subset, args.skip_bad, args.other)
    if dataset.multilabel:
        raise L3Error(f"{dataset.name} has several labels a clip: thresholds are set on one label a clip")
    with progress(args.json, f"of {len(dataset.clips)}") as bar:
        task = bar.add_task("clips", total=None)
        result, thresholds, points = tune.tune(
            graph, dataset, args.price / 100, args.recall / 100, dict(args.set), lambda n: bar.advance(task, n)
        )  # fmt: skip
    note = {key: value for key, value in result.items() if key not in ("thresholds", "before")}
    model, picture = outputs
    if picture:
        tune.draw(picture, points, result)
    if model:
        write_bytes(model, with_thresholds(args.model, thresholds.tolist(), note))
    result |= {"model": args.model, "output": args.output, "curve": points}
    results(args.json, result, lambda: tuned(result, args.recall))
    return 0


def tuned(result: dict, recall: float) -> None:
    left_out = f", {plural(result['trained_on'], 'clip')} left out that it was trained on" if result["trained_on"] else ""
    say(f"{result['dataset']}: {plural(result['clips'], 'clip')} and {result['unrelated_clips']} of other sounds{left_out}")
    for name, figures in (("before", result["before"]), ("now", result)):
        false = f"{100 * figures['false']:.1f} % of other clips raise an event ({figures['per_hour']:.0f} an hour)"
        say(f"{name}: {100 * figures['recall']:.1f} % of clips reported, {false}")
    if result["false"] > result["price"]:
        say(f"{100 * result['price']:g} % is out of reach with {recall:g} % reported: {100 * result['false']:.1f} % is the nearest")
    say("thresholds: " + ", ".join(f"{label} {t:.2f}" for label, t in result["thresholds"].items()))
    if result["output"]:
        say(f"{result['output']}: {Path(result['model']).name} with these thresholds")
