"""`l3mote monitor`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from l3host.cli.arguments import SERIAL, tool
from l3host.cli.deploy import target_of
from l3host.files import claim_output

HELP = "Show a board's events live until Ctrl-C; the board keeps listening. --json prints its lines unchanged."
EXAMPLE = "l3mote monitor --port /dev/ttyACM0 --csv street.csv"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--port", required=True, help=SERIAL)
    sub.add_argument("--csv", metavar="FILE", help="write every event to FILE, with the time of day")
    sub.add_argument("--force", action="store_true", help="overwrite FILE")
    sub.add_argument(
        "--keep", metavar="FOLDER",
        help="save the windows of events as FOLDER/LABEL/TIME-SCORE.wav and of near misses (less than 0.2 below a threshold) as "
        "FOLDER/near-LABEL/...: meanwhile the board streams its sound and this computer runs its model",
    )  # fmt: skip
    tool(sub)


def run(args: argparse.Namespace) -> int:
    from l3host.deploy.links import port_of
    from l3host.deploy.monitor import lines, monitor

    port, table = port_of(args.port), claim_output(args.csv, args.force) if args.csv else None
    with kept(port, args.tool, args.keep) if args.keep else contextlib.closing(lines(port)) as pairs:
        monitor(port, pairs, table, args.json)
    return 0


@contextlib.contextmanager
def kept(port: str, tool: str, folder: str) -> Iterator:
    """Give events while windows are saved; afterwards the board listens again."""
    from l3host.deploy import keeping
    from l3host.deploy.links import connected
    from l3host.deploy.targets import Board

    with connected(port, tool) as link:
        board, _ = target_of(port, link)
        assert isinstance(board, Board)
        with contextlib.closing(keeping.events(board, Path(folder))) as pairs:
            yield pairs
