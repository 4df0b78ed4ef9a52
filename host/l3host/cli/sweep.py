"""`l3mote sweep`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.cli.arguments import named_path
from l3host.cli.compress import DATA, RUNS, SKIP_BAD, load, show_compressed
from l3host.show import named_bars, results, say

if TYPE_CHECKING:
    from l3host.pipeline.result import Result

HELP = "Run many recipes, each as compress does, in separate processes or on a Dask cluster."
EXAMPLE = "l3mote sweep table2-95.45-kd table2-87.08-kd --data weights=l3.h5 --data audio=recordings --jobs 2"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("recipe", nargs="+", help="as for compress")
    sub.add_argument("--run-dir", default=RUNS, help=f"folder with a run folder for each recipe, named after it (default {RUNS})")
    sub.add_argument("--data", type=named_path, action="append", default=[], metavar="NAME=PATH", help=DATA)
    sub.add_argument("--skip-bad", action="store_true", help=SKIP_BAD)
    where = sub.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=int, help="recipes at a time on this machine, each with one thread (default: one a core)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="use this Dask scheduler; its workers must see the same paths")


def run(args: argparse.Namespace) -> int:
    from l3host.files import read_json
    from l3host.pipeline import sweep as sweeping
    from l3host.runs import RESULT

    work = sweeping.folders(load(args.recipe, args.data, args.skip_bad), Path(args.run_dir))
    Path(args.run_dir).mkdir(parents=True, exist_ok=True)
    with named_bars(args.json) as on_progress:
        if args.scheduler:
            failures = sweeping.on_cluster(work, args.scheduler, on_progress)
        else:
            processes = os.cpu_count() or 1 if args.jobs is None else args.jobs
            failures = sweeping.locally(work, processes, Path(args.run_dir) / "log.txt", on_progress)
    done = {name: read_json(folder / RESULT) for name, (_, folder) in work.items() if name not in failures}
    results(args.json, {"results": done, "failures": failures}, lambda: show_swept(done, failures, work))
    return 1 if failures else 0


def show_swept(results: dict[str, Result], failures: dict[str, str], work: dict) -> None:
    for name, result in results.items():
        show_compressed(result, work[name][1])
    for name, reason in failures.items():
        say(f"{name} failed: {reason}")
