"""`l3mote evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.cli.arguments import MODEL, SKIP_BAD, fold_list, setting
from l3host.cli.train import skipped
from l3host.errors import L3Error
from l3host.files import claim_output
from l3host.show import draw, plural, progress, results, say, table

if TYPE_CHECKING:
    from l3host.datasets import Dataset
    from l3host.graph.network import Graph

HELP = "Evaluate a classifier on labelled clips as the listening app hears them, or a model's embeddings with the papers' probes."
EXAMPLE = "l3mote evaluate noise.l3m sounds --other street"
HEAD = "head"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("dataset", help="ESC-50, UrbanSound8K, SONYC-UST, or a folder with a folder of clips for each class")
    sub.add_argument("--subset", choices=["esc10"], help="the part of ESC-50 to use")
    sub.add_argument("--other", metavar="FOLDER", help="sounds that are none of the labels, for false events (or a folder _other)")
    probes = (
        "head: the classifier itself (default if it has labels); probes on embeddings: mlp (512-128 on frames), logistic (on clips)"
    )
    sub.add_argument("--probe", choices=[HEAD, "mlp", "logistic"], help=probes)
    sub.add_argument(
        "--set", type=setting, action="append", default=[], metavar="KEY=VALUE", help="a setting of the app, for head: smooth..."
    )
    sub.add_argument("--folds", type=fold_list, help="folds to test in turn, e.g. 1,2 (default: all)")
    sub.add_argument("--seeds", type=int, default=1, help="number of times to train the MLP; figures are means (default 1)")
    sub.add_argument("--hop-size", type=float, default=0.5, help="seconds between frames (default 0.5)")
    sub.add_argument("--run-dir", default="runs/evaluate", help="folder to keep the embeddings in (default runs/evaluate)")
    sub.add_argument("--picture", metavar="FILE", help="draw what the clips of each label were taken for (needs matplotlib)")
    sub.add_argument("--force", action="store_true", help="overwrite FILE")
    sub.add_argument("--skip-bad", action="store_true", help=SKIP_BAD)


def run(args: argparse.Namespace) -> int:
    from l3host import datasets
    from l3host.l3m.load import load_graph

    graph = load_graph(args.model)
    if args.picture:
        claim_output(args.picture, args.force)
    args.probe = args.probe or (HEAD if graph.labels else "mlp")
    if args.probe == HEAD and not graph.labels:
        raise L3Error(f"{args.model} has no labels, it computes embeddings: evaluate them with --probe mlp or logistic")
    if args.probe != HEAD and (args.other or args.set):
        raise L3Error(f"--other and --set are for --probe {HEAD}, the classifier itself")
    dataset = datasets.load(args.dataset, args.subset, args.skip_bad, args.other)
    if args.probe == HEAD:
        return by_head(args, graph, dataset)
    return by_probe(args, graph, dataset)


def by_head(args: argparse.Namespace, graph: Graph, dataset: Dataset) -> int:
    from l3host.evaluate import own_head

    if dataset.multilabel:
        raise L3Error(f"{dataset.name} has several labels a clip: --probe mlp or logistic judges embeddings on it")
    with progress(args.json, f"of {len(dataset.clips)}") as bar:
        task = bar.add_task("clips", total=None)
        result = own_head.judge(graph, dataset, dict(args.set), lambda n: bar.advance(task, n))
    result |= {"model": args.model, "probe": HEAD}
    if "confusion" in result:
        draw_confusion(args, result, [*result["per_label"], "unrelated"], result["confusion_columns"])
    results(args.json, result, lambda: judged(result))
    return 0


def by_probe(args: argparse.Namespace, graph: Graph, dataset: Dataset) -> int:
    from l3host.evaluate import embeddings, own_head, protocol

    plan = protocol.planned(dataset, args.probe, args.folds, args.seeds)
    with progress(args.json, f"of {len(dataset.clips)}") as bar:
        task = bar.add_task("clips", total=None)
        embedded = embeddings.of_model(args.model, dataset, args.run_dir, args.hop_size, lambda n: bar.advance(task, n))
    probes = len(plan) * len(protocol.seed_numbers(args.probe, args.seeds))
    with progress(args.json, f"of {probes}") as bar:
        task = bar.add_task("probes", total=None)
        result = protocol.evaluate(dataset, embedded, args.probe, args.folds, args.seeds, lambda n: bar.advance(task, n))
    known = len(dataset.clips) - len(own_head.new_to(graph, dataset).clips)
    result |= {"model": args.model, "hop_seconds": args.hop_size, "trained_on": known}
    result["held_out"] = graph.provenance.get("held_out")
    if "confusion" in result:
        draw_confusion(args, result, result["labels"])
    results(args.json, result, lambda: evaluated(result))
    return 0


def draw_confusion(args: argparse.Namespace, result: dict, labels: list[str], columns: list[str] | None = None) -> None:
    """Draw the confusion counts, if --picture asks for it."""
    if args.picture:
        from l3host.evaluate import crossval

        crossval.draw_confusion(Path(args.picture), labels, result["confusion"], f"{result['dataset']}: clips", columns)


def judged(result: dict) -> None:
    skipped(result["skipped"])
    known(result)
    if "judged" not in result:
        return
    say(f"{result['model']} on {result['dataset']}, {plural(result['judged'], 'clip')}, as the listening app hears them")
    intervals = {name: "" if None in pair else f" [{pair[0]:.3f}, {pair[1]:.3f}]" for name, pair in result["interval"].items()}
    if result["recall"] is not None:
        right = "" if result["precision"] is None else f"; {result['precision']:.3f} of what is reported is right"
        say(f"clips reported: {result['recall']:.3f}{intervals['recall']}{right}")
    if result["false"] is not None:
        hours = f"{result['false_per_hour']:.1f}{intervals['per_hour']} events an hour of them"
        say(f"unrelated clips with an event: {result['false']:.3f}{intervals['false']} of {result['unrelated_clips']}; {hours}")
    else:
        say("no unrelated clips: --other FOLDER says how often the model is wrong about them")
    t = table("", "label", "threshold", "clips", "reported", "of what is reported right", "false an hour", "taken for")
    for row, (label, of) in zip(result["confusion"], result["per_label"].items(), strict=False):
        columns = zip(result["confusion_columns"], row, strict=True)
        others = ", ".join(f"{name} {count}" for name, count in columns if count and name != label)
        cells = ["-" if of[key] is None else f"{of[key]:.3f}" for key in ("recall", "precision", "false_per_hour")]
        t.add_row(label, f"{result['thresholds'][label]:.2f}", str(of["clips"]), *cells, others)
    draw(t)
    say("in brackets: 95% interval, bootstrap over clips")


def known(result: dict) -> None:
    """Say that the model was trained on some of the clips, and print its accuracy on held-out ones."""
    if not result["trained_on"]:
        return
    what = "left out" if result["probe"] == HEAD else "figures on them say nothing about new sounds"
    say(f"{result['trained_on']} of {plural(result['clips'], 'clip')} are among those that it was trained on: {what}")
    if result["held_out"]:
        say(f"held out in its training: clip accuracy {result['held_out']['accuracy']:.3f} of {result['held_out']['clips']} clips")


def evaluated(result: dict) -> None:
    skipped(result["skipped"])
    known(result)
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
