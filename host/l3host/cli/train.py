"""`l3mote train`."""

from __future__ import annotations

import argparse

from l3host.cli.arguments import SKIP_BAD, fold_list
from l3host.files import claim_output
from l3host.show import named_bars, results, say, steps
from l3host.train.settings import Settings, TaughtSettings
from l3mote.format import silent

HELP = "Train a small network on a labelled data set and write it as .l3m."
EXAMPLE = "l3mote train ESC-50-master --subset esc10 -o mine.l3m"
HEARD = ("two-seconds-16k", "two-seconds", "sea")  # front-ends: two seconds at 16 or 8 kHz, one second at 8 kHz


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("dataset", help="ESC-50, UrbanSound8K, or a folder with a folder of clips for each class")
    sub.add_argument("-o", "--output", required=True, help=".l3m file to write")
    sub.add_argument("--subset", choices=["esc10"], help="the part of ESC-50 to use")
    sub.add_argument("--other", metavar="FOLDER", help="sounds that are none of the labels: learnt, never reported")
    sub.add_argument("--teacher", metavar="FILE", help="learn from it: a .toml that describes an ONNX file, a .h5 or a .keras")
    epochs = f"passes over the training clips (default {Settings.epochs}, with a teacher {TaughtSettings.epochs})"
    sub.add_argument("--epochs", type=int, help=epochs)
    sub.add_argument(
        "--frontend",
        choices=HEARD,
        help="what it hears (default: two-seconds-16k, as the models that ship, if all clips have that)",
    )
    sub.add_argument("--seed", type=int, default=1, help="seed of everything random (default 1)")
    sub.add_argument("--folds", type=fold_list, help="folds to hold out in turn, e.g. 1,2 (default: all)")
    sub.add_argument("--no-cv", action="store_true", help="no cross-validation, only the final model")
    sub.add_argument("--run-dir", help="folder for checkpoints and metrics; a killed run continues from there")
    sub.add_argument("--skip-bad", action="store_true", help=SKIP_BAD)
    sub.add_argument("--force", action="store_true", help="overwrite the output")


def run(args: argparse.Namespace) -> int:
    from l3host.train.train import train

    out = claim_output(args.output, args.force)
    kind = TaughtSettings if args.teacher else Settings
    settings = kind(
        epochs=kind.epochs if args.epochs is None else args.epochs, seed=args.seed, frontend=args.frontend or kind.frontend
    )
    folds = [] if args.no_cv else args.folds
    tell = steps(args.json)
    tell(f"network: convolutions of {' '.join(map(str, settings.filters))} filters, as the model that ships")
    tell("reading the clips; TensorFlow then takes half a minute to start, and each bar says how far a training is")
    with named_bars(args.json) as on_progress:
        metrics = train(
            args.dataset, str(out), args.subset, settings, args.run_dir, folds, args.skip_bad, on_progress, args.other, args.teacher
        )  # fmt: skip
    results(args.json, metrics, lambda: trained(metrics, str(out), args.run_dir or str(out.with_suffix(".run"))))
    return 0


def trained(metrics: dict, path: str, run: str) -> None:
    skipped(metrics["skipped"])
    if "accuracy_mean" in metrics:
        judged(metrics)
        say(f"which clips it takes for what: {run}/confusion.png; all figures: metrics.json there; logs: log.txt")
    if "tuned" in metrics:
        tuned(metrics["tuned"])
    say(f"{path}: trained on all folds")


def judged(metrics: dict) -> None:
    """Print the accuracy on held-out clips, with its confidence interval."""
    folds = metrics["accuracy_per_fold"]
    if len(folds) > 1:
        say("folds: " + ", ".join(f"{fold} {accuracy:.3f}" for fold, accuracy in folds.items()))
    classes = [f"{label} {share:.2f}" for label, share in metrics["accuracy_per_class"].items() if share is not None]
    say("classes: " + ", ".join(classes))
    low, high = metrics["accuracy_interval"]
    clips = sum(map(sum, metrics["confusion"]))
    say(
        f"clip accuracy on {clips} clips that were held out: {metrics['accuracy_mean']:.3f} (95 % interval {low:.3f} to {high:.3f})"
    )


def tuned(result: dict) -> None:
    """Print the thresholds, and the figures that they give on held-out clips."""
    say("thresholds: " + ", ".join(f"{label} {t:.2f}" for label, t in result["thresholds"].items() if not silent(label)))
    for name, figures in (("on the clips that they are set on", result), ("on clips that they are not set on", result["held_out"])):
        if figures:
            false = f"{100 * figures['false']:.1f} % of {result['unrelated_clips']} unrelated clips with an event"
            say(f"{name}: {100 * figures['recall']:.1f} % reported, {false} ({figures['per_hour']:.0f} an hour)")
    if result["false"] > result["price"]:
        price = f"{100 * result['price']:g} %"
        say(f"{price} of unrelated clips with an event is out of reach with so many reported: this is the nearest")


def skipped(lines: list[str]) -> None:
    """Print the clips that --skip-bad left out."""
    for line in lines:
        say(f"skipped: {line}")
