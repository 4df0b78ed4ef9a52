"""`l3mote classify`."""

from __future__ import annotations

import argparse
import io
from typing import TYPE_CHECKING

from l3host.cli.archive import absolute, archived, store
from l3host.cli.arguments import MODEL, SOUNDS, spread
from l3host.cli.files import Files, by, sounds_in
from l3host.errors import L3Error
from l3host.files import claim_output, write_bytes
from l3host.show import draw, plural, print_json, say, table
from l3host.text import cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from l3host.classify import Labelled, Window

HELP = "Label audio files: one label a file, and the labels over time."
EXAMPLE = "l3mote classify esc10 street.wav dog.flac --json"
MOST_PICTURED = 10


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", nargs="+", help=SOUNDS)
    sub.add_argument("--csv", metavar="FILE", help="write the scores of all windows to FILE, a line a window")
    sub.add_argument("--audacity", metavar="FOLDER", help="write the events to NAME.txt there: Audacity, File, Import, Labels")
    sub.add_argument("--picture", metavar="FILE", help="draw the spectrogram with the events over it (needs matplotlib)")
    sub.add_argument("--force", action="store_true", help="overwrite these files")
    spread(sub)
    store(sub)


def run(args: argparse.Namespace) -> int:
    if args.to:
        from l3host.archive.tasks import ClassifyTask
        from l3host.engines import chosen

        if args.csv or args.audacity or args.picture:
            raise L3Error("--csv, --audacity and --picture are for single files: --to writes CSV itself")
        return archived(args, ClassifyTask(absolute(args.model), chosen(args.engine)))
    from l3host.classify import Classify, labeller
    from l3host.work import jobs_for

    engine = labeller(args.model, args.engine)
    fe = engine.graph.frontend
    sounds = sounds_in(args.audio)
    exports = Exports(args, sounds)
    jobs = jobs_for(len(sounds), args.jobs)
    task = Classify(args.model, args.engine, threads=1 if jobs > 1 else None)
    files = Files(args, fe.hop / fe.sample_rate)
    rows = []
    for labelled in files.each(task, sounds, jobs):
        exports.add(labelled)
        rows.append(labelled.to_json()) if args.json else classified(labelled)
    exports.write(engine.graph.frontend)
    if args.json:
        print_json(rows)
    elif files.done:
        by(engine.name)
    return files.status


class Exports:
    """The files that --csv, --audacity and --picture ask for."""

    def __init__(self, args: argparse.Namespace, sounds: list[str]):
        """Raises L3Error for a file that is there, or for one name twice, before anything is computed."""
        from l3host.embed import outputs_for

        self.csv, self.picture = (claim_output(name, args.force) if name else None for name in (args.csv, args.picture))
        self.audacity = outputs_for(sounds, args.audacity, None, args.force, ".txt") if args.audacity else []
        if self.picture and len(sounds) > MOST_PICTURED:
            raise L3Error(f"{len(sounds)} recordings: --picture draws {MOST_PICTURED} at most, one below the other")
        self.paths = dict(zip(sounds, self.audacity, strict=False))
        self.done: list[Labelled] = []

    def add(self, labelled: Labelled) -> None:
        if self.csv or self.picture:
            self.done.append(labelled)
        if labelled.path in self.paths:
            write_bytes(self.paths[labelled.path], labelled.to_audacity().encode())

    def write(self, frontend) -> None:
        if self.csv and self.done:
            write_bytes(self.csv, csv_of(self.done).encode())
        if self.picture and self.done:
            from l3host.reference.floats import filterbank
            from l3host.sound.pictures import events_over_spectrograms

            events_over_spectrograms(
                self.picture, frontend.sample_rate, filterbank(frontend), [(one.path, one.events) for one in self.done]
            )


def csv_of(done: list[Labelled]) -> str:
    """Return a head line, then a line a window: file, begin and end in seconds, best label, and every label's score."""
    import csv

    text = io.StringIO()
    rows = csv.writer(text)
    labels = list(done[0].by_label(done[0].scores[0]))
    rows.writerow(("file", "start", "end", "best", *map(cell, labels)))
    for one in done:
        for (start, end, best, _), row in zip(one.windows(), one.scores, strict=True):
            scores = (f"{score:.4f}" for score in one.by_label(row).values())
            rows.writerow((cell(one.path), f"{start:.3f}", f"{end:.3f}", cell(best), *scores))
    return text.getvalue()


def classified(labelled: Labelled) -> None:
    from rich.text import Text

    rest = f" {labelled.mean.max():.2f} (mean of {plural(len(labelled.scores), 'window')})"
    say(Text.assemble(f"{labelled.path}: ", (labelled.label or "none of its labels", "bold"), rest))
    draw(timeline(labelled.windows()))
    for event in labelled.events:
        say(f"event: {event['label']} from {event['start']:.1f} to {event['end']:.1f} s, {event['score']:.2f}")


def timeline(windows: Iterable[Window]) -> Table:
    """Return a table of the best label of each window, with its time."""
    t = table("", "seconds", "label", "score")
    for begin, end, label, score in windows:
        t.add_row(f"{begin:.1f}-{end:.1f}", label, f"{score:.2f}")
    return t
