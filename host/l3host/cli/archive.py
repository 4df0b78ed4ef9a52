"""What `embed --to` and `classify --to` share: their arguments, the run, and its summary."""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.errors import L3Error
from l3host.show import Sounds, plural, print_json, say, sounds

if TYPE_CHECKING:
    from l3host.work import Pool


def store(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--to", metavar="STORE", help="process whole folders into this one; a stopped run continues there")
    sub.add_argument("--cluster", metavar="ADDRESS", help="with --to: use this Dask scheduler; its workers must see the same paths")


def absolute(model: str) -> str:
    """Return a model as workers in other folders find it: an absolute path, or the name of a shipped one."""
    return os.path.abspath(model) if os.path.isfile(model) else model


def archived(args: argparse.Namespace, task, quiet: bool = False) -> int:
    """Process all files that the command names into the store; return the exit status, 1 if a file failed."""
    from l3host.archive.run import archive, opened
    from l3host.archive.walk import matching

    begun, new = time.monotonic(), New()
    with opened(Path(args.to), task) as store, sounds(quiet or args.json, None) as bar:
        before = store.ledger.count["done"]
        archive(store, matching(args.audio), pool(args), lambda rows: new.add(rows, bar), bar.under_way)
    result = new.to_json() | {
        "store": args.to,
        "engine": task.engine,
        "done_before": before,
        "seconds": round(time.monotonic() - begun, 3),
    }
    if args.json:
        print_json(result)
    elif not quiet:
        summary(result)
    return 1 if result["failed"] else 0


def pool(args: argparse.Namespace) -> Pool:
    if not args.cluster:
        from l3host.threads import cores
        from l3host.work import Processes

        return Processes(cores() if args.jobs is None else args.jobs)
    if args.jobs:
        raise L3Error("--jobs is for processes on this machine: a cluster has the workers that it has")
    from l3host.archive.cluster import Cluster

    return Cluster(args.cluster)


class New:
    """Count the ledger's new lines."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.hours = 0.0

    def add(self, rows: list[list], bar: Sounds) -> None:
        for _, state, _, seconds, *_ in rows:
            self.states[state] += 1
            lasted = float(seconds or 0)
            self.hours += lasted / 3600
            bar.sound(lasted)
            bar.file(state == "failed")

    def to_json(self) -> dict:
        return {**{state: self.states[state] for state in ("done", "failed", "skipped")}, "hours": round(self.hours, 4)}


def summary(result: dict) -> None:
    speed = result["hours"] * 3600 / max(1e-3, result["seconds"])
    say(f"{result['store']}: {plural(result['done'], 'file')} done, {result['hours']:.2f} h of sound, {speed:,.0f} x real time")
    say(f"computed by {result['engine']}")
    if result["done_before"]:
        say(f"{plural(result['done_before'], 'file')} had been done before")
    if result["skipped"]:
        say(f"{plural(result['skipped'], 'file')} skipped: not the name of a sound")
    if result["failed"]:
        say(f"{plural(result['failed'], 'file')} FAILED: files.csv says why; the same command tries them again")
