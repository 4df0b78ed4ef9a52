"""Write the generated parts of the documentation: the text between `<!-- made by make pages: PART -->` and `<!-- end -->`.

usage: pages.py [--check]        --check: write nothing, name the stale pages and exit with 1

The pages stay plain Markdown, which a code host shows as it is; no page repeats by hand what the code says.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import l3convert
import l3host
import l3mote
from l3host import cli, show
from l3host.boards import estimates
from l3host.boards.table import BOARDS, FIRMWARE
from l3host.cli.inspect import runs
from l3host.l3m.load import open_reader
from l3host.pipeline import recipe
from l3mote.listener import Listener
from l3mote.settings import PER_LABEL, SETTINGS, SHARE

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"(<!-- made by make pages: ([a-z]+)((?: [^\s>]+)*) -->\n).*?(<!-- end -->)", re.DOTALL)
API = {
    "l3mote": [l3mote.Model, Listener, l3mote.Reader, l3mote.FormatError, l3mote.HeapError, l3mote.KernelError],
    "l3host": [l3host.get_embedding, l3host.L3Error],
    "l3convert": [l3convert.convert],
}
MEANINGS = {
    "name": "the board's, in its status lines and its MQTT topic",
    "hop": "time from the start of one window to the start of the next (default: the model file's)",
    "threshold": "score from which a window votes for a label (default: the model file's)",
    "smooth": "windows whose mean score counts (default: those that hear the same moment)",
    "votes": "windows that must be above the threshold...",
    "of": "...of so many (default: of as many as `votes`)",
    "silence": "windows of a lower A-weighted level are of no label, and the network does not run: a microphone's own noise",
    "refractory": "after its end, a label does not start again for this long",
    "mode": "the duty cycle, see below",
    "every": "mode `every`: light sleep between two answers",
    "wake_level": "mode `wake`: the level from which the network runs",
    "level_offset": "added to `level`: dB SPL of full scale, from `l3mote calibrate-level`; 0: dB of full scale",
    "level_every": "time between two level lines; 0: none",
    "watchdog": "resets the board after this time without samples; 0: never",
    "freq": "clock of the processor in MHz, which the board must offer; 0: the firmware's own",
    "mic": "source of sound",
    "wav": "`mic=wav`: the file, on the board",
    "rate": "sample rate of the microphone in Hz (default: 16000)",
    "sck": "pin of the bit clock (SCK, BCLK)",
    "ws": "pin of the word select (WS, LRCL)",
    "sd": "pin of the data (SD, DOUT)",
    "bits": "bits of a slot; 24-bit microphones send 32",
    "channel": "the one that the microphone sends on",
    "i2s_id": "which I2S of the board: 1 or 2 on STM32 and i.MX RT",
    "log": "path of the log on flash, without `.0.jsonl`; empty: no log",
    "log_bytes": "size limit of the log's two files together",
    "mqtt_host": "the broker's address; empty: no MQTT",
    "mqtt_port": "its port (default: 8883 with `mqtt_tls`, else 1883)",
    "mqtt_tls": "TLS: the CA's certificate (a file that goes to the board) or the broker's fingerprint; empty: clear text",
    "mqtt_discovery": "Home Assistant's prefix for discovery; empty: no discovery",
    "ntp_host": "NTP server for the time of day; empty: the firmware's clock is used",
    "mqtt_topic": "prefix of the topics; the board's `name` follows",
    "mqtt_user": "user, if the broker requires one",
    "mqtt_password": "its password, stored on the board in clear text",
    "wifi_ssid": "the network to join; empty: the firmware joins one",
    "wifi_password": "its password, stored on the board in clear text",
}  # fmt: skip
PER_LABEL_MEANING = "the threshold of one label"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def fence(text: str, language: str) -> str:
    return f"```{language}\n{text.strip()}\n```"


def board_rows() -> str:
    rows = ([f"`{name}`", f"{b.heap / 1000:.0f} kB", f"{b.hertz / 1e6:.0f} MHz", b.source] for name, b in BOARDS.items())
    return table(["board", "free heap", "clock", "how that is known"], rows)


def setting_rows() -> str:
    every = {**SETTINGS, PER_LABEL + "LABEL": (None, SHARE)}
    meanings = {**MEANINGS, PER_LABEL + "LABEL": PER_LABEL_MEANING}
    if unexplained := every.keys() - meanings.keys():
        raise SystemExit(f"pages: {', '.join(sorted(unexplained))}: no meaning in tools/pages.py")
    rows = ([f"`{key}`", meanings[key], "" if default is None else f"`{json.dumps(default)}`", must]
            for key, (default, (_, must)) in every.items())  # fmt: skip
    return table(["setting", "meaning", "default", "must be"], rows)


def output(*command: str) -> str:
    """Return what a command prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        cli.main(list(command))
    return fence("\n".join(line.rstrip() for line in printed.getvalue().splitlines()), "text")


def firmware_rows() -> str:
    """Say what each board runs of the shipped model with each firmware, as `inspect` does."""
    reader = open_reader("esc10")
    try:
        boards = estimates.report(reader)
    finally:
        reader.close()
    rows = [[f"`{name}`", *map(runs, board["firmware"].values())] for name, board in boards.items()]
    return table(["board", *FIRMWARE], rows)


def recipe_text(name: str) -> str:
    return fence(recipe.find(name).read_text(encoding="utf-8"), "toml")


EVERYWHERE = "help", "debug", "json", "unlimited"  # arguments of every command


def command_pages() -> str:
    """Describe every command of the parser: what it does, how it is called, what each argument means."""
    top = cli.parser()
    (commands,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    shared = [action for action in next(iter(commands.choices.values()))._actions if action.dest in EVERYWHERE]
    parts = ["Every command has these:", table(["argument", "meaning"], rows_of(shared))]
    for name, sub in commands.choices.items():
        rows = rows_of([action for action in sub._actions if action.dest not in EVERYWHERE])
        parts.append(f"## l3mote {name}\n{sub.description}\n\n{sub.epilog and fence(sub.epilog.removeprefix('example: '), 'sh')}")
        parts += [table(["argument", "meaning"], rows)] if rows else []
    return "\n\n".join(parts)


def rows_of(actions: list[argparse.Action]) -> list[list[str]]:
    shown = [action for action in actions if action.help != argparse.SUPPRESS]
    return [[f"`{spelt(action)}`", (action.help or "").replace("|", "\\|")] for action in shown]


def spelt(action: argparse.Action) -> str:
    """Return an argument as a user types it."""
    value = "" if action.nargs == 0 else str(action.metavar or (action.dest if not action.option_strings else action.dest.upper()))
    return " ".join(filter(None, [", ".join(action.option_strings), value]))


def api_of(package: str) -> str:
    """Describe the public names of a package by their signatures and docstrings."""
    parts = []
    for thing in API[package]:
        shown = thing.__name__
        if not (isinstance(thing, type) and issubclass(thing, Exception)):
            shown += str(inspect.signature(thing))
        members = []
        for name, member in vars(thing).items() if isinstance(thing, type) else ():
            if not name.startswith("_") and inspect.getdoc(member) and (callable(member) or isinstance(member, property)):
                called = "" if isinstance(member, property) else "()"
                members.append(f"- `{name}{called}`: {' '.join(inspect.cleandoc(member.__doc__).split())}")
        parts += [f"### {thing.__name__}\n{fence(shown, 'text')}", inspect.getdoc(thing) or "", *filter(None, ["\n".join(members)])]
    return "\n\n".join(parts)


PARTS: dict[str, Callable[..., str]] = {
    "boards": board_rows,
    "firmware": firmware_rows,
    "settings": setting_rows,
    "recipe": recipe_text,
    "output": output,
    "commands": command_pages,
    "api": api_of,
}


def made(text: str) -> str:
    """Return a page with every part made anew."""
    return MARK.sub(lambda m: f"{m[1]}{PARTS[m[2]](*m[3].split())}\n{m[4]}", text)


def main() -> int:
    os.environ["COLUMNS"] = str(show.WIDE)  # the width of what commands print, whatever the terminal
    check = sys.argv[1:] == ["--check"]
    stale = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (new := made(text)) != text:
            stale.append(page.relative_to(ROOT).as_posix())
            if not check:
                page.write_text(new, encoding="utf-8")
    if stale:
        print(f"pages: {'stale, run make pages' if check else 'written'}: {', '.join(stale)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
