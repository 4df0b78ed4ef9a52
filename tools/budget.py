"""Measure where the cycles of a window go on the emulated RP2040, as a table for `make bench`.

python tools/budget.py MODEL... [--heap BYTES] prints the table for these model files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from l3host.emulate import runtimes
from l3host.emulate.emulation import job_folder
from l3host.errors import L3Error
from l3host.l3m.load import find, load_graph

SCRIPT = Path(__file__).parent / "micropython_scripts" / "budget.py"
HEAD = """\
## Where the cycles of a window go (RP2040, native)

M cycles, a collection of garbage aside. Pieces have a clock around each call, in one window, where nothing is allocated between its
two readings: a microsecond too much, at most. Python: what they leave of a window without clocks. Weights and filters: what a
chunk's call costs without any pixels, from two more calls for few: weights decoded, filters set up. Sums: the rest of the native
calls, multiply-accumulates, requantisation and pools.
"""
COLUMNS = ("log-mel", "sums", "weights and filters", "Python", "CRC", "reading", "slide, clear, flatten", "window")
MORE = ("calls of a chunk", "garbage, bytes", "a collection")


def pieces(path: Path, plan_heap: int | None = None, runtime: str = "rp2040") -> dict[str, float]:
    """Return what micropython_scripts/budget.py measured, in M cycles. Raises L3Error where the runtime or the model fails."""
    where = runtimes.find(runtime)
    silence = np.zeros((0, load_graph(str(path)).frontend.window), np.int16)
    job = {"kernel": "native", "heap_enforced": where.heap_enforced} | ({"plan_heap": plan_heap} if plan_heap else {})
    with job_folder(str(path), silence, **job) as (library, folder):
        runtimes.run_job(where, library, folder, None, SCRIPT)
        found = json.loads((folder / "pieces.json").read_text())
    counts = {name: found.pop(name) for name in ("calls", "garbage")}
    hz = where.hz or 1e9  # nanoseconds where cycles are not counted
    return {name: us * hz / 1e12 for name, us in found.items()} | counts


def cells(found: dict[str, float]) -> list[str]:
    """Return the cells of a row of the table, from pieces()."""
    parts = {
        "log-mel": found["log-mel"],
        "sums": found["convolutions"] - found["decoding"],
        "weights and filters": found["decoding"],
        "CRC": found["CRC"],
        "reading": found["reading"],
        "slide, clear, flatten": found["planes"],
    }
    parts["Python"] = found["window"] - sum(parts.values())
    parts["window"] = found["window"]
    counts = [f"{found['calls']:.0f}", f"{found['garbage']:.0f}", f"{found['collection']:.1f}"]
    return [f"{parts[name]:.1f}" for name in COLUMNS] + counts


def row(title: str, path: Path, plan_heap: int | None = None) -> list[str]:
    """Return a model's row; for one that could not run, it says why."""
    try:
        return [title, *cells(pieces(path, plan_heap))]
    except L3Error as e:
        return [f"{title}: {e}", *["-"] * (len(COLUMNS) + len(MORE))]


def table(rows: Iterable[list[str]]) -> str:
    """Return the section."""
    lines = [["model", *COLUMNS, *MORE], ["---"] * (len(COLUMNS) + len(MORE) + 1), *rows]
    return HEAD + "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(args: Sequence[str]) -> None:
    heap = int(args[args.index("--heap") + 1]) if "--heap" in args else None
    models = args[: args.index("--heap")] if heap else args
    print(table(row(model, find(model), heap) for model in models))


if __name__ == "__main__":
    main(sys.argv[1:])
