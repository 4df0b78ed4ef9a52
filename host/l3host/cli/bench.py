"""`l3mote bench`."""

from __future__ import annotations

import argparse

from l3host.cli.arguments import SERIAL, tool
from l3host.cli.deploy import target_of
from l3host.show import draw, results, say, size, table, waiting

HELP = "Time one window on a board, layer by layer."
EXAMPLE = "l3mote bench esc10 --port /dev/ttyACM0"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", nargs="?", help="model to copy there and remove afterwards (default: the deployed version)")
    sub.add_argument("--port", required=True, help=SERIAL)
    tool(sub)


def run(args: argparse.Namespace) -> int:
    from l3host.deploy.links import connected, port_of
    from l3host.deploy.targets import Board
    from l3host.deploy.timing import bench

    port = port_of(args.port)
    what = f"copying {args.model} to the board and timing it" if args.model else "timing a window on the board"
    with connected(port, args.tool) as link, waiting(what, quiet=args.json):
        board, facts = target_of(port, link)
        assert isinstance(board, Board)
        result = {"board": facts.name, **bench(board, facts, args.model)}
    results(args.json, result, lambda: print_bench(result))
    return 0 if result["selftest"]["passed"] else 1


def print_bench(result: dict) -> None:
    whole = result["seconds_window"]
    parts = [("log-mel", result["seconds_frontend"]), *((layer["name"], layer["seconds"]) for layer in result["layers"])]
    t = table(f"{result['board']}, kernel {result['kernel']}", "part", "ms", "of a window")
    for name, seconds in (*parts, ("flash, Python", result["seconds_rest"]), ("window", whole)):
        t.add_row(name, f"{seconds * 1e3:.1f}", f"{seconds / whole:.1%}")
    draw(t)
    flash, heap = size(result["flash_bytes_read"]), size(result["heap_bytes"])
    say(f"{flash} read from flash a window; the open model takes {heap} of heap")
    say("self-test passed" if result["selftest"]["passed"] else "the self-test fails on this board")
