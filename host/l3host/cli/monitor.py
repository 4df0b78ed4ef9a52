"""`l3mote monitor`."""

from __future__ import annotations

import argparse

from l3host.cli.arguments import SERIAL
from l3host.files import claim_output

HELP = "Show a board's events live until Ctrl-C; the board keeps listening. --json prints its lines unchanged."
EXAMPLE = "l3mote monitor --port /dev/ttyACM0 --csv street.csv"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--port", required=True, help=SERIAL)
    sub.add_argument("--csv", metavar="FILE", help="write every event to FILE, with the time of day")
    sub.add_argument("--force", action="store_true", help="overwrite FILE")


def run(args: argparse.Namespace) -> int:
    from l3host.deploy.links import port_of
    from l3host.deploy.monitor import monitor

    monitor(port_of(args.port), claim_output(args.csv, args.force) if args.csv else None, args.json)
    return 0
