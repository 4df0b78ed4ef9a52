"""`l3mote recipes`."""

from __future__ import annotations

import argparse

from l3host.show import results, say

HELP = "List the recipes that ship, with what each needs (for compress and sweep)."
EXAMPLE = "l3mote recipes sea64"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("name", nargs="?", default="", help="only recipes whose name contains this")


def run(args: argparse.Namespace) -> int:
    from l3host.errors import L3Error
    from l3host.pipeline import recipe

    shipped = [recipe.parse(path) for path in sorted(recipe.SHIPPED.glob("*.toml")) if args.name in path.stem]
    if not shipped:
        raise L3Error(f"no recipe that ships has {args.name!r} in its name: l3mote recipes lists them")
    rows = [
        {"name": one.name, "about": about(one.name), "files": one.files(), "data": one.needs()}
        for one in shipped
    ]  # fmt: skip
    results(args.json, rows, lambda: listed(rows))
    return 0


def about(name: str) -> str:
    """Return the first line of a recipe's comment."""
    from l3host.files import read_text
    from l3host.pipeline import recipe

    return read_text(recipe.find(name)).splitlines()[0].lstrip("# ")


def listed(rows: list[dict]) -> None:
    from rich.text import Text

    for row in rows:
        needs = [*(f"{name}={file}" for name, file in row["files"].items()), *(f"{name}=FOLDER" for name in row["data"])]
        say(Text.assemble((row["name"], "bold"), f": {row['about']}"))
        say(Text(f"    needs {', '.join(needs) or 'nothing'}", "dim"))
    say("l3mote compress RECIPE --data NAME=PATH ... gives it what it needs")
