"""Arguments and handlers of compress, sweep and report; cli.py and commands.py only call these."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from l3host import show
from l3host.errors import L3Error
from l3host.pipeline import recipe as recipes
from l3host.pipeline.recipe import Recipe

EXAMPLES = {
    "compress": "l3mote compress sea64-87-kd --data weights=edgel3_sea_ust_audio_emb_64.h5 --data audio=recordings",
    "sweep": "l3mote sweep table2-95.45-kd table2-87.08-kd --data weights=l3.h5 --data audio=recordings --jobs 2",
    "report": "l3mote report runs/sea64-87-kd runs/sea64-95-kd -o report.html",
}
RUNS = "runs"
DATA = "where the recipe's data NAME is, and with weights and video the source's files; goes before the recipe's own paths"


def named_path(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH")
    return name, path


SKIP_BAD = "leave out recordings, clips and videos that are broken or repeat others, instead of refusing them"


def arguments(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the three commands. command: makes a sub-parser of a name and a description."""
    sub = command("compress", "Compress a network by a recipe: load, cut, recover, evaluate, convert, plan.")
    sub.add_argument("recipe", help="a .toml file, or the name of a recipe that ships with l3mote")
    sub.add_argument("--run-dir", help=f"takes model.l3m, result.json, checkpoints; a killed run goes on (default {RUNS}/RECIPE)")
    sub.add_argument("--data", type=named_path, action="append", default=[], metavar="NAME=PATH", help=DATA)
    sub.add_argument("--skip-bad", action="store_true", help=SKIP_BAD)

    sub = command("sweep", "Run many recipes, each as compress does, in processes of their own or on a Dask cluster.")
    sub.add_argument("recipe", nargs="+", help="as for compress")
    sub.add_argument("--run-dir", default=RUNS, help=f"holds a run folder for each recipe, named after it (default {RUNS})")
    sub.add_argument("--data", type=named_path, action="append", default=[], metavar="NAME=PATH", help=DATA)
    sub.add_argument("--skip-bad", action="store_true", help=SKIP_BAD)
    where = sub.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=int, help="recipes at a time on this machine, each with one thread (default: one a core)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask scheduler; its workers see the same paths")

    sub = command("report", "Write an HTML page and a Markdown table about finished runs, the papers' figures beside them.")
    sub.add_argument("run", nargs="+", help="run folder of compress")
    sub.add_argument("-o", "--output", required=True, help=".html file to write; the table goes beside it as .md")
    sub.add_argument("--force", action="store_true", help="overwrite the output")


def load(names: Sequence[str], data: Sequence[tuple[str, str]], skip_bad: bool) -> list[Recipe]:
    """The recipes, with the data given. Raises L3Error, also for a data set that none of them uses and one given twice."""
    given = dict(data)
    if len(given) < len(data):
        raise L3Error("--data gives the same name twice")
    found = [recipes.load(name, given, skip_bad) for name in names]
    used = {recipes.WEIGHTS, recipes.VIDEO, *(need for recipe in found for need in recipe.needs())}
    for name in given:
        if name not in used:
            raise L3Error(f"--data {name}: not used; used are {', '.join(sorted(used))}")
    return found


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str, str, int, int], None]]:
    """Bars on stderr by name: told (name, what is done, how much, of how much)."""
    with show.bars(quiet) as bars:
        tasks = {}

        def told(name: str, what: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name)
            bars.update(tasks[name], description=f"{name}: {what}", completed=done, total=of)

        yield told


def compress(args: argparse.Namespace) -> int:
    from l3host.pipeline import run

    (recipe,) = load([args.recipe], args.data, args.skip_bad)
    folder = Path(args.run_dir or Path(RUNS) / recipe.name)
    run.together()
    with progress(args.json) as told:
        result = run.compress(recipe, folder, lambda what, done, of: told(recipe.name, what, done, of))
    show.results(args.json, result, lambda: show_compressed(result, folder))
    return 0


def show_compressed(result: dict, folder: Path) -> None:
    from l3host.pipeline.stages import headline

    zeros = 100 * (1 - result["after"]["nonzeros"] / result["after"]["weights"])
    macs = f"{result['macs'] / 1e6:.1f} M multiply-accumulates"
    show.say(f"{folder / 'model.l3m'}: {result['bytes']} bytes, {zeros:.1f} % zeros, {macs}")
    for evaluation in result["evaluations"]:
        name, value = headline(evaluation)
        show.say(f"{evaluation['dataset']}, {evaluation['probe']}: {name.replace('_', ' ')} {value:.3f}")
    for name, board in result["boards"].items():
        fits = "fits" if board["fits"] else f"lacks {board['missing']} bytes of heap"
        show.say(f"{name}: {fits}")


def sweep(args: argparse.Namespace) -> int:
    from l3host.pipeline import sweep as sweeping
    from l3host.pipeline.folder import RESULT, read_json

    work = sweeping.folders(load(args.recipe, args.data, args.skip_bad), Path(args.run_dir))
    Path(args.run_dir).mkdir(parents=True, exist_ok=True)
    with progress(args.json) as told:
        if args.scheduler:
            failures = sweeping.on_cluster(work, args.scheduler, told)
        else:
            processes = os.cpu_count() or 1 if args.jobs is None else args.jobs
            failures = sweeping.locally(work, processes, Path(args.run_dir) / "log.txt", told)
    results = {name: read_json(folder / RESULT) for name, (_, folder) in work.items() if name not in failures}
    show.results(args.json, {"results": results, "failures": failures}, lambda: show_swept(results, failures, work))
    return 1 if failures else 0


def show_swept(results: dict[str, dict], failures: dict[str, str], work: dict) -> None:
    for name, result in results.items():
        show_compressed(result, work[name][1])
    for name, reason in failures.items():
        show.say(f"{name} failed: {reason}")


def report(args: argparse.Namespace) -> int:
    from l3host.files import claim_output, write_bytes
    from l3host.pipeline import report as page

    html = claim_output(args.output, args.force)
    markdown = claim_output(str(html.with_suffix(".md")), args.force)
    if html == markdown:
        raise L3Error(f"{html}: the page is HTML, name it .html; the Markdown table goes beside it")
    runs = page.read_all([Path(run) for run in args.run])
    write_bytes(html, page.html(runs).encode())
    write_bytes(markdown, page.markdown(runs).encode())
    show.say(f"{html}, {markdown}: {show.plural(len(runs), 'run')}")
    return 0
