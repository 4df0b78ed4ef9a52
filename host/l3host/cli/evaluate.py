"""`l3mote evaluate`."""

from __future__ import annotations

import argparse

from l3host.cli.arguments import MODEL, SKIP_BAD, fold_list
from l3host.cli.train import skipped
from l3host.show import draw, plural, progress, results, say, table

HELP = "Evaluate a model's embeddings with the papers' probes, over official folds."
EXAMPLE = "l3mote evaluate sea64.l3m ESC-50-master --subset esc10 --probe logistic"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("dataset", help="ESC-50, UrbanSound8K, SONYC-UST, or a folder with a folder of clips for each class")
    sub.add_argument("--subset", choices=["esc10"], help="the part of ESC-50 to use")
    sub.add_argument("--probe", choices=["mlp", "logistic"], default="mlp", help="MLP 512-128 on frames, or regression on clips")
    sub.add_argument("--folds", type=fold_list, help="folds to test in turn, e.g. 1,2 (default: all)")
    sub.add_argument("--seeds", type=int, default=1, help="how often the MLP is trained; figures are means (default 1)")
    sub.add_argument("--hop-size", type=float, default=0.5, help="seconds between frames (default 0.5)")
    sub.add_argument("--run-dir", default="runs/evaluate", help="folder to keep the embeddings in (default runs/evaluate)")
    sub.add_argument("--skip-bad", action="store_true", help=SKIP_BAD)


def run(args: argparse.Namespace) -> int:
    from l3host import datasets
    from l3host.evaluate import embeddings, protocol

    dataset = datasets.load(args.dataset, args.subset, args.skip_bad)
    plan = protocol.planned(dataset, args.probe, args.folds, args.seeds)
    with progress(args.json, f"of {len(dataset.clips)}") as bar:
        task = bar.add_task("clips", total=None)
        found = embeddings.of_model(args.model, dataset, args.run_dir, args.hop_size, lambda n: bar.advance(task, n))
    probes = len(plan) * len(protocol.seed_numbers(args.probe, args.seeds))
    with progress(args.json, f"of {probes}") as bar:
        task = bar.add_task("probes", total=None)
        result = protocol.evaluate(dataset, found, args.probe, args.folds, args.seeds, lambda n: bar.advance(task, n))
    result |= {"model": args.model, "hop_seconds": args.hop_size}
    results(args.json, result, lambda: evaluated(result))
    return 0


def evaluated(result: dict) -> None:
    skipped(result["skipped"])
    of_seeds = f", mean of {len(result['seeds'])} seeds" if len(result["seeds"]) > 1 else ""
    say(f"{result['model']} on {result['dataset']}, {plural(result['clips'], 'clip')}, probe {result['probe']}{of_seeds}")
    if "accuracy_mean" in result:
        _figure(result, "accuracy", "clip accuracy")
        _classes(result["accuracy_per_class"], "accuracy")
    else:
        _figure(result, "auprc_micro", "micro AUPRC")
        _figure(result, "auprc_macro", "macro AUPRC")
        _classes(result["auprc_per_class"], "AUPRC")
    say(f"in brackets: {result['confidence']}")


def _figure(result: dict, key: str, name: str) -> None:
    """Print a figure's mean, interval, and values per fold."""
    low, high = result[f"{key}_interval"]
    folds = ", ".join(f"{fold} {value:.3f}" for fold, value in result[f"{key}_per_fold"].items())
    spread = f"standard deviation over folds {result[f'{key}_std']:.3f}"
    say(f"{name} {result[f'{key}_mean']:.3f} [{low:.3f}, {high:.3f}]; {spread}; by fold: {folds}")


def _classes(values: dict[str, float | None], name: str) -> None:
    """Print a figure of each class, the worst first; classes without test clips last."""
    t = table("", "class", name)
    for label, value in sorted(values.items(), key=lambda item: (item[1] is None, item[1])):
        t.add_row(label, "-" if value is None else f"{value:.3f}")
    draw(t)
