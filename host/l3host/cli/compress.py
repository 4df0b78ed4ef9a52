"""`l3mote compress`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.cli.arguments import named_path
from l3host.errors import L3Error
from l3host.show import named_bars, results, say

if TYPE_CHECKING:
    from l3host.pipeline.recipe import Recipe
    from l3host.pipeline.result import Result

HELP = "Compress a network by a recipe: load, cut, recover, evaluate, convert, plan."
EXAMPLE = "l3mote compress sea64-87-kd --data weights=edgel3_sea_ust_audio_emb_64.h5 --data audio=recordings"
RUNS = "runs"
DATA = "path of the recipe's data set NAME, or of its source (NAME weights or video); overrides the path in the recipe"
SKIP_BAD = "leave out recordings, clips and videos that are broken or repeat others, instead of refusing them"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("recipe", help="a .toml file, or the name of a recipe that ships with l3mote")
    sub.add_argument(
        "--run-dir", help=f"folder for model.l3m, result.json, checkpoints; a killed run continues there (default {RUNS}/RECIPE)"
    )
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
    """Load the recipes, with the data given. Raises L3Error, also for a data set that no recipe uses or that is given twice."""
    from l3host.pipeline import recipe as recipes

    given = dict(data)
    if len(given) < len(data):
        raise L3Error("--data gives the same name twice")
    loaded = [recipes.load(name, given, skip_bad) for name in names]
    used = {recipes.WEIGHTS, recipes.VIDEO, recipes.TEACHER}
    used |= {need for recipe in loaded for need in [*recipe.needs(), *recipe.files()]}
    for name in given:
        if name not in used:
            raise L3Error(f"--data {name}: no recipe uses it; used are {', '.join(sorted(used))}")
    return loaded


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
