"""`l3mote inspect`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from l3host.cli.arguments import MODEL, byte_count
from l3host.errors import L3Error
from l3host.show import draw, results, say, seconds, size, table

if TYPE_CHECKING:
    from rich.table import Table

    from l3host.boards.energy import PerDay
    from l3host.boards.estimates import Fit, OnBoard
    from l3host.l3m.describe import Description

HELP = "Show a model's layers, where its bytes go, and which boards it runs on."
EXAMPLE = "l3mote inspect esc10 --heap 192k"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("--heap", type=byte_count, help="free heap of another board, e.g. 192k (exit status 1 if it does not fit)")


def run(args: argparse.Namespace) -> int:
    from l3host.l3m.describe import describe
    from l3host.l3m.load import open_reader
    from l3mote import FormatError
    from l3mote.verify import verify

    reader = open_reader(args.model)
    try:
        verify(reader)
        result = describe(reader, args.heap)
    except FormatError as e:
        raise L3Error(f"{args.model}: {e}") from None
    finally:
        reader.close()
    results(args.json, {"file": args.model, **result}, lambda: inspection(args.model, result))
    fits = all(board["fits"] for board in result["boards"].values())
    return 0 if args.heap is None or fits else 1


def inspection(file: str, result: Description) -> None:
    layers = table(
        file, "layer", "input", "output", "encoding", "parameters", "density",
        "values", "positions", "MMAC", "activations",
    )  # fmt: skip
    for row in result["layers"]:
        layers.add_row(
            row["name"], "x".join(map(str, row["input"])), "x".join(map(str, row["output"])), row["encoding"],
            str(row["parameters"]), f"{row['density']:.1%}", size(row["bytes"]["values"]), size(row["bytes"]["positions"]),
            f"{row['macs_nonzero'] / 1e6:.2f}", size(row["activation_bytes"]),
        )  # fmt: skip
    draw(layers)
    say("shapes are rows (time) x bands x channels; MMAC counts non-zero weights; activations are the output in float32\n")
    sizes = result["bytes"]
    kinds = ", ".join(f"{key} {size(sizes[key])}" for key in ("values", "positions", "palettes", "biases", "other"))
    say(f"{sizes['total']} bytes: {kinds}")
    nonzero, dense = result["macs_nonzero"] / 1e6, result["macs_dense"] / 1e6
    say(f"{nonzero:.1f} M multiply-accumulates a window on non-zeros, {dense:.1f} M dense")
    draw(_boards(result["boards"]))
    if any("firmware" in board for board in result["boards"].values()):
        draw(_firmware(result["boards"]))
    for name in [name for name, board in result["boards"].items() if board["fits"]][:1]:
        board = result["boards"][name]
        listening = board.get("listening")
        fit, when = (listening, " when it listens") if listening and listening["fits"] else (board, "")
        parts = [f"{b['name']} {size(b['bytes']) if b['bytes'] else 'shares memory'}" for b in fit["buffers"]]
        say(f"buffers of {name}{when}: {', '.join(parts)}")
    days = {name: board["per_day_estimate"] for name, board in result["boards"].items() if "per_day_estimate" in board}
    if days:
        draw(_per_day(days))
    for name, day in days.items():
        say(f"currents of {name} in mA, {day['basis']}")
    bases = {f"{k}: {v['basis']}" for b in result["boards"].values() for k, v in b.get("seconds_estimate", {}).items()}
    for basis in sorted(bases):
        say(f"estimate of seconds, {basis}")
    for name, board in result["boards"].items():
        if "source" in board:
            say(f"free heap of {name}, {board['source']}")
    for key in ("source", "licence", "attribution"):
        if key in result["provenance"]:
            say(f"{key}: {result['provenance'][key]}")


def _fits(found: Fit | None) -> str:
    if found is None:
        return "-"
    return "yes" if found["fits"] else f"no: {size(found['missing'])} missing"


def _boards(boards: dict[str, OnBoard]) -> Table:
    columns = "free heap", "needs", "fits", "listens", "peak heap", "tiles", "flash a window", "seconds (estimate)"
    t = table("Will it run?", "board, stock MicroPython", *columns)
    for name, board in boards.items():
        estimates = board.get("seconds_estimate", {})
        t.add_row(
            name, size(board["heap_free"]), size(board["heap_needed"]),
            _fits(board), _fits(board.get("listening")),
            size(board["heap_peak"]) if board["fits"] else "-",
            str(board["tiles"]) if board["fits"] else "-",
            size(board["flash_bytes_read"]) if board["fits"] else "-",
            ", ".join(f"{kernel} {seconds(entry['seconds'])}" for kernel, entry in estimates.items()) or "-",
        )  # fmt: skip
    return t


def _firmware(boards: dict[str, OnBoard]) -> Table:
    """Print what each board runs with each firmware: the kernel, and whether the app fits."""
    rows = {name: board["firmware"] for name, board in boards.items()}
    t = table("With which firmware? (the kernel that fits and is fastest, seconds estimated)", "board", *next(iter(rows.values())))
    for name, row in rows.items():
        t.add_row(name, *(runs(entry) for entry in row.values()))
    return t


def runs(entry: OnBoard) -> str:
    """Return the kernel, its seconds a window, and what keeps the app from listening."""
    if not entry["fits"]:
        return _fits(entry)
    taken = next(iter(entry["seconds_estimate"].values()))["seconds"]
    listening = entry.get("listening")
    app = "" if listening is None or listening["fits"] else f", listening {_fits(listening)}"
    return f"{entry['kernel']} {seconds(taken)}{app}"


def _per_day(days: dict[str, PerDay]) -> Table:
    """Print the mAh of each board in each mode."""
    modes = next(iter(days.values()))["mah"]
    t = table("Listening for a day in mAh (estimate: board and microphone, the fastest kernel, no Wi-Fi)", "board", *modes)
    for name, day in days.items():
        t.add_row(name, *(f"{mah:.0f}" for mah in day["mah"].values()))
    return t
