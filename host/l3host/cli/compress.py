"""`l3mote compress`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.cli.arguments import named_path
from l3host.errors import L3Error
from l3host.show import bars, results, say

if TYPE_CHECKING:
    from l3host.pipeline.recipe import Recipe
    from l3host.pipeline.result import Result

HELP = "Compress a network by a recipe: load, cut, recover, evaluate, convert, plan."
EXAMPLE = "l3mote compress sea64-87-kd --data weights=edgel3_sea_ust_audio_emb_64.h5 --data audio=recordings"
RUNS = "runs"
DATA = "where the recipe's data NAME is, and with weights and video the source's files; goes before the recipe's own paths"
SKIP_BAD = "leave out recordings, clips and videos that are broken or repeat others, instead of refusing them"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("recipe", help="a .toml file, or the name of a recipe that ships with l3mote")
    sub.add_argument("--run-dir", help=f"takes model.l3m, result.json, checkpoints; a killed run goes on (default {RUNS}/RECIPE)")
    sub.add_argument("--data", type=named_path, action="append", default=[], metavar="NAME=PATH", help=DATA)
    sub.add_argument("--skip-bad", action="store_true", help=SKIP_BAD)


def run(args: argparse.Namespace) -> int:
    from l3host.pipeline import run as runs

    (recipe,) = load([args.recipe], args.data, args.skip_bad)
    folder = Path(args.run_dir or Path(RUNS) / recipe.name)
    runs.init()
    with named_bars(args.json) as on_progress:
        result = runs.compress(recipe, folder, lambda what, done, of: on_progress(recipe.name, what, done, of))
    results(args.json, result, lambda: show_compressed(result, folder))
    return 0


def load(names: Sequence[str], data: Sequence[tuple[str, str]], skip_bad: bool) -> list[Recipe]:
    """The recipes, with the data given. Raises L3Error, also for a data set that none of them uses and one given twice."""
    from l3host.pipeline import recipe as recipes

    given = dict(data)
    if len(given) < len(data):
        raise L3Error("--data gives the same name twice")
    found = [recipes.load(name, given, skip_bad) for name in names]
    used = {recipes.WEIGHTS, recipes.VIDEO, recipes.TEACHER, *(need for recipe in found for need in recipe.needs())}
    for name in given:
        if name not in used:
            raise L3Error(f"--data {name}: not used; used are {', '.join(sorted(used))}")
    return found


@contextmanager
def named_bars(quiet: bool) -> Iterator[Callable[[str, str, int, int], None]]:
    """Bars on stderr by name: called with (name, what is done, how much, of how much)."""
    with bars(quiet) as shown:
        tasks: dict = {}

        def on_progress(name: str, what: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = shown.add_task(name)
            shown.update(tasks[name], description=f"{name}: {what}", completed=done, total=of)

        yield on_progress


def show_compressed(result: Result, folder: Path) -> None:
    from l3host.pipeline.stages import headline

    zeros = 100 * (1 - result["after"]["nonzeros"] / result["after"]["weights"])
    macs = f"{result['macs'] / 1e6:.1f} M multiply-accumulates"
    say(f"{folder / 'model.l3m'}: {result['bytes']} bytes, {zeros:.1f} % zeros, {macs}")
    for evaluation in result["evaluations"]:
        name, value = headline(evaluation)
        say(f"{evaluation['dataset']}, {evaluation['probe']}: {name.replace('_', ' ')} {value:.3f}")
    for name, board in result["boards"].items():
        fits = "fits" if board["fits"] else f"lacks {board['missing']} bytes of heap"
        say(f"{name}: {fits}")
