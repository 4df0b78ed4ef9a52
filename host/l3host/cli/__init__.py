"""The command line `l3mote`: its commands, the one place that catches errors, exit status 0 (success), 1 (failure), 2 (usage).

Each command is a module of this package: HELP, EXAMPLE, arguments(parser), run(args) -> exit status, and what it prints. It imports
heavy modules when it runs, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
import warnings

from l3host.cli import (
    bench,
    board,
    calibrate_level,
    classify,
    compress,
    convert,
    deploy,
    embed,
    emulate,
    evaluate,
    inspect,
    levels,
    listen,
    make_random,
    monitor,
    recipes,
    record,
    report,
    selftest,
    sweep,
    train,
    tune,
)  # fmt: skip
from l3host.costs import lifted
from l3host.errors import in_words
from l3host.text import clean
from l3mote import __version__

GROUPS = {  # in the order of the help
    "from recordings to a model": (train, classify, convert, inspect, evaluate, tune),
    "a model on a board, real or emulated": (listen, deploy, monitor, record, bench, board, emulate, selftest),
    "research: embeddings, levels, experiments": (
        embed,
        levels,
        calibrate_level,
        recipes,
        compress,
        sweep,
        report,
        make_random,
    ),
}
COMMANDS = tuple(command for group in GROUPS.values() for command in group)


def name_of(command) -> str:
    """Return a command's name as typed: make-random for l3host.cli.make_random."""
    return command.__name__.rpartition(".")[2].replace("_", "-")


def listed() -> str:
    """Return the commands in their groups, each with what it does, as wide as the terminal."""
    width, indent = shutil.get_terminal_size().columns - 2, " " * 18
    lines = []
    for title, commands in GROUPS.items():
        lines.append(f"\n{title}:")
        for command in commands:
            text = f"  {name_of(command):15} {command.HELP}"
            lines.append(textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False))
    return "\n".join(lines).lstrip()


def parser() -> argparse.ArgumentParser:
    text = "L3 audio networks for microcontrollers: convert, inspect, run, train, emulate, deploy."
    top = argparse.ArgumentParser(
        prog="l3mote", description=text, epilog=listed(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"l3mote {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS)
    for command in COMMANDS:
        sub = commands.add_parser(name_of(command), description=command.HELP, epilog=f"example: {command.EXAMPLE}")
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.add_argument("--unlimited", action="store_true", help="accept files that take more memory or work than usual")
        command.arguments(sub)
        sub.set_defaults(handler=command.run)  # not "run": report has an argument of that name
    return top


def warn(message, category, filename, lineno, file=None, line=None) -> None:
    complain(f"l3mote: warning: {clean(str(message))}")


def complain(text: str) -> None:
    """Print a line on stderr, on a terminal broken between words."""
    if sys.stderr.isatty():
        text = textwrap.fill(text, shutil.get_terminal_size().columns, break_on_hyphens=False, break_long_words=False)
    print(text, file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's, read when it loads: see threads.one_blas_thread
    args = parser().parse_args(argv)
    with warnings.catch_warnings(), lifted(args.unlimited):
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = warn
        try:
            return args.handler(args)
        except BrokenPipeError:  # the reader of a pipe (| head) is gone; Python must not flush into it at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except Exception as e:  # a bug, or a file that we did not foresee
            if args.debug:
                raise
            complain(f"l3mote: {clean(in_words(e))}")
            return 1
        except KeyboardInterrupt:
            print("l3mote: interrupted", file=sys.stderr)
            return 1
