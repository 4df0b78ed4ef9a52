"""`l3mote classify`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from l3host.cli.archive import absolute, archived, store
from l3host.cli.arguments import AUDIO, MODEL, spread
from l3host.cli.files import Files, by
from l3host.show import draw, plural, print_json, say, table

if TYPE_CHECKING:
    from rich.table import Table

    from l3host.classify import Labelled

HELP = "Label audio files: one label a file, and the labels over time."
EXAMPLE = "l3mote classify esc10 street.wav dog.flac --json"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", nargs="+", help=AUDIO)
    spread(sub)
    store(sub)


def run(args: argparse.Namespace) -> int:
    if args.to:
        from l3host.archive.tasks import ClassifyTask
        from l3host.engines import chosen

        return archived(args, ClassifyTask(absolute(args.model), chosen(args.engine)))
    from l3host.classify import Classify, labeller
    from l3host.work import jobs_for

    engine = labeller(args.model, args.engine)
    fe = engine.graph.frontend
    jobs = jobs_for(len(args.audio), args.jobs)
    task = Classify(args.model, args.engine, threads=1 if jobs > 1 else None)
    files = Files(args, fe.hop / fe.sample_rate)
    rows = []
    for labelled in files.each(task, args.audio, jobs):
        rows.append(labelled.to_json()) if args.json else classified(labelled)
    if args.json:
        print_json(rows)
    elif files.done:
        by(engine.name)
    return files.status


def classified(labelled: Labelled) -> None:
    from rich.text import Text

    rest = f" {labelled.mean.max():.2f} (mean of {plural(len(labelled.scores), 'window')})"
    say(Text.assemble(f"{labelled.path}: ", (labelled.label or "none of its labels", "bold"), rest))
    draw(timeline(labelled))
    for event in labelled.events:
        say(f"event: {event['label']} from {event['start']:.1f} to {event['end']:.1f} s, {event['score']:.2f}")


def timeline(labelled: Labelled) -> Table:
    """Return a table of the best label of each window, with its time."""
    t = table("", "seconds", "label", "score")
    for begin, end, label, score in labelled.windows():
        t.add_row(f"{begin:.1f}-{end:.1f}", label, f"{score:.2f}")
    return t
