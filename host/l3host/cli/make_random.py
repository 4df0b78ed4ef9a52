"""`l3mote make-random`."""

from __future__ import annotations

import argparse

from l3host.cli.arguments import encoding
from l3host.cli.convert import write_model
from l3host.files import claim_output
from l3host.show import waiting

HELP = "Write an EdgeL3 with random weights, to try a board's memory and speed."
EXAMPLE = "l3mote make-random --plan 95.45 -o edgel3.l3m"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--plan", default="95.45", help="sparsity of a pruning plan of the EdgeL3 paper's Table II (default 95.45)")
    sub.add_argument("--seed", type=int, default=0, help="seed of the weights (default 0)")
    encoding(sub)
    sub.add_argument("-o", "--output", required=True, help=".l3m file to write")
    sub.add_argument("--force", action="store_true", help="overwrite the output")


def run(args: argparse.Namespace) -> int:
    from l3host.compress.random_model import random_edgel3

    out = claim_output(args.output, args.force)
    with waiting("a minute of arithmetic", args.json):
        graph = random_edgel3(args.plan, args.seed, args.encoding)
    return write_model(args, out, graph, 0)
