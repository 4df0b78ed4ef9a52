"""`l3mote inspect`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from l3host.cli.arguments import MODEL, byte_count
from l3host.errors import L3Error
from l3host.show import draw, is_wide, results, say, seconds, size, table

if TYPE_CHECKING:
    from rich.table import Table

    from l3host.boards.energy import PerDay
    from l3host.boards.estimates import Fit, OnBoard
    from l3host.l3m.describe import Description, LayerRow

HELP = "Say which boards a model runs on; --details: its layers, where its bytes go, energy, what estimates rest on."
BOARD_COLUMNS = "free heap", "needs", "fits", "listens", "seconds", "peak heap", "tiles", "flash a window"
EXAMPLE = "l3mote inspect esc10 --heap 192k"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("--details", action="store_true", help="show layers, firmwares, buffers, energy, and what estimates rest on")
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
    results(args.json, {"file": args.model, **result}, lambda: inspection(args.model, result, args.details))
    fits = all(board["fits"] for board in result["boards"].values())
    return 0 if args.heap is None or fits else 1


def inspection(file: str, result: Description, with_details: bool) -> None:
    say(f"{file}: {size(result['bytes']['total'])}, {len(result['layers'])} layers, {len(result['labels'])} labels")
    window = result["frontend"]["window"] / result["frontend"]["sample_rate"]
    for name, board in result["boards"].items():
        say(f"  {name}: {verdict(board, window)}")
    for name, board in result["boards"].items():
        if line := remedy(name, board, result["boards"]):
            say(line)
    say("")
    if with_details:
        details(result)
    else:
        draw(_boards(result["boards"]))
        say("seconds are estimates: --details says what they rest on, and shows layers, firmwares and energy")


def details(result: Description) -> None:
    draw(_layers(result["layers"]))
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
    for name, board in result["boards"].items():
        if line := traffic(name, board):
            say(line)
    slower = {name: board["lowest_clock_estimate"] for name, board in result["boards"].items() if "lowest_clock_estimate" in board}
    if slower:
        clocks = ", ".join(f"{name} {mhz} MHz" for name, mhz in slower.items())
        say(f"listens at a lower clock, too (setting freq; estimate): {clocks}")
    days = {name: board["per_day_estimate"] for name, board in result["boards"].items() if "per_day_estimate" in board}
    if days:
        draw(_per_day(days))
    for name, day in days.items():
        say(f"currents of {name} in mA, {day['basis']}")
    bases: dict[str, list[str]] = {}
    for name, board in result["boards"].items():
        for kernel, entry in board.get("seconds_estimate", {}).items():
            bases.setdefault(f"{kernel}: {entry['basis']}", []).append(name)
    for basis, names in bases.items():
        say(f"estimate of seconds of {', '.join(names)}, {basis}")
    for name, board in result["boards"].items():
        if "source" in board:
            say(f"free heap of {name}, {board['source']}")
    for key in ("source", "licence", "attribution"):
        if result["provenance"].get(key):
            say(f"{key}: {result['provenance'][key]}")


def verdict(board: OnBoard, window: float) -> str:
    """Return in words whether a model runs on a board. window: seconds of sound."""
    if not board["fits"]:
        return f"does not fit, {size(board['missing'])} of heap are missing"
    kernel, taken = next(((k, entry["seconds"]) for k, entry in board.get("seconds_estimate", {}).items()), ("", 0.0))
    pace = f"{kernel}, {seconds(taken)} s for a window of {window:g} s" if kernel else "no estimate of its speed"
    listening = board.get("listening")
    if listening is None:
        return f"fits ({pace})"
    if not listening["fits"]:
        return f"fits ({pace}), but does not listen: the app lacks {size(listening['missing'])} of heap"
    if (share := board.get("frontend_share", 0.0)) >= 1:
        return f"fits ({pace}), but does not listen: {listening['kernel']} needs {share:.1f} s for the log-mel of 1 s of sound"
    return f"listens ({pace})" if taken <= window else f"listens with gaps: it is too slow ({pace})"


def _layers(rows: list[LayerRow]) -> Table:
    if not is_wide():
        t = table("", "layer", "output", "encoding", "parameters", "density", "MMAC", "bytes")
        for row in rows:
            t.add_row(
                row["name"], "x".join(map(str, row["output"])), row["encoding"], str(row["parameters"]), f"{row['density']:.1%}",
                f"{row['macs_nonzero'] / 1e6:.2f}", size(row["bytes"]["values"] + row["bytes"]["positions"]),
            )  # fmt: skip
        return t
    columns = "input", "output", "encoding", "parameters", "density", "values", "positions", "MMAC", "activations"
    t = table("", "layer", *columns)
    for row in rows:
        t.add_row(
            row["name"], "x".join(map(str, row["input"])), "x".join(map(str, row["output"])), row["encoding"],
            str(row["parameters"]), f"{row['density']:.1%}", size(row["bytes"]["values"]), size(row["bytes"]["positions"]),
            f"{row['macs_nonzero'] / 1e6:.2f}", size(row["activation_bytes"]),
        )  # fmt: skip
    return t


def traffic(name: str, board: OnBoard) -> str | None:
    """Return what external memory costs a board that has it."""
    from l3host.boards.table import BOARDS

    row = BOARDS.get(name)
    if not row or not row.memory or not board["fits"]:
        return None
    bytes_moved = board["plane_bytes_moved"]
    taken = seconds(bytes_moved / row.memory.bytes_per_second)
    return f"{name}: planes move {size(bytes_moved)} a window between {row.memory.name} and cache, {taken} s of the estimate"


def remedy(name: str, board: OnBoard, boards: dict[str, OnBoard]) -> str | None:
    """Return which board has the memory that this one lacks, if it exists with more."""
    from l3host.boards.table import BOARDS

    row = BOARDS.get(name)
    if not row or not row.larger or board["fits"] or not boards[row.larger]["fits"]:
        return None
    return f"{name}: the model needs a board with PSRAM ({row.larger}): {size(board['missing'])} are missing without it"


def _fits(fit: Fit | None) -> str:
    if fit is None:
        return "-"
    return "yes" if fit["fits"] else f"no: {size(fit['missing'])} missing"


def _boards(boards: dict[str, OnBoard]) -> Table:
    """Return a table of what a model needs on each board; at 80 columns it omits peak heap, tiles and flash reads."""
    t = table(
        "Will it run? (stock MicroPython, seconds a window estimated)",
        "board",
        *(BOARD_COLUMNS if is_wide() else BOARD_COLUMNS[:5]),
    )
    for name, board in boards.items():
        estimates = board.get("seconds_estimate", {})
        taken = ", ".join(f"{kernel} {seconds(entry['seconds'])}" for kernel, entry in estimates.items()) or "-"
        row = [size(board["heap_free"]), size(board["heap_needed"]), _fits(board), _fits(board.get("listening")), taken]
        row += [size(board["heap_peak"]), str(board["tiles"]), size(board["flash_bytes_read"])] if board["fits"] else ["-"] * 3
        t.add_row(name, *row[: len(t.columns) - 1])
    return t


def _firmware(boards: dict[str, OnBoard]) -> Table:
    """Return a table of what each board runs with each firmware: the kernel, and whether the app fits."""
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
    app = ", too slow to listen" if entry.get("frontend_share", 0.0) >= 1 else app
    return f"{entry['kernel']} {seconds(taken)}{app}"


def _per_day(days: dict[str, PerDay]) -> Table:
    """Return a table of the mAh a day of each board in each mode."""
    modes = next(iter(days.values()))["mah"]
    t = table("Listening for a day in mAh (estimate: board and microphone, the fastest kernel, no Wi-Fi)", "board", *modes)
    for name, day in days.items():
        t.add_row(name, *(f"{mah:.0f}" for mah in day["mah"].values()))
    return t
