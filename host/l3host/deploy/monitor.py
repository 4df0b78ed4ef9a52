"""What a board's app prints, one JSON object a line (start, end, level, warning, status), live in the terminal and as CSV."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from rich.live import Live

from l3host import show
from l3host.deploy.links import BAUD, check_port
from l3host.deploy.screen import Screen, columns
from l3host.errors import L3Error
from l3host.files import csv_rows
from l3host.text import cell

FIELDS = ("event", "label", "score", "level", "t")
MOST_LINE = 1 << 14  # bytes: the app's own have a few hundred
MOST_NESTED = 20  # brackets in a line that is an event


def parsed(line: bytes) -> dict | None:
    """Return the event of a line; any other line (a traceback) becomes the event "text", an empty one None."""
    text = line.decode(errors="replace").strip(" \t\r\n\0")
    if text.count("[") + text.count("{") <= MOST_NESTED:
        with contextlib.suppress(ValueError):
            value = json.loads(text, parse_constant=finite, parse_float=finite)
            if isinstance(value, dict) and isinstance(value.get("event"), str):
                return value
    return {"event": "text", "label": text} if text else None


def finite(text: str) -> float:
    """Return a number of JSON, which has neither NaN nor infinity. Raises ValueError."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def received(line) -> Iterator[bytes | None]:
    """Yield the lines of an open serial port as they come, cut at MOST_LINE bytes.

    None where nothing came in the port's timeout.
    """
    buffer, cut = b"", False
    while True:
        data = line.read(max(1, line.in_waiting))
        if not data:
            yield None
        *whole, buffer = (buffer + data).split(b"\n")
        for one in whole:
            if not cut:
                yield one[:MOST_LINE]
            cut = False
        if len(buffer) > MOST_LINE:
            if not cut:
                yield buffer[:MOST_LINE]
            buffer, cut = b"", True


def events(port: str) -> Iterator[dict | None]:
    """Yield the events of a board; None twice a second without one. Raises L3Error."""
    for pair in lines(port):
        yield pair and pair[0]


def lines(port: str) -> Generator[tuple[dict, str] | None]:
    """Yield a board's events, each with its line: as it came if that is printable JSON, else JSON again. None twice a second.

    Writes nothing to the board. Raises L3Error.
    """
    check_port(port)
    import serial

    try:
        with serial.serial_for_url(port, BAUD, timeout=0.5, exclusive=True) as board:
            first = True
            for line in received(board):
                if line is None:
                    yield None
                    continue
                event, text = parsed(line), line.decode(errors="replace").strip()
                if event and event["event"] != "text":
                    yield event, text if text.isprintable() else json.dumps(event)
                elif event and not first:  # the first may be the rest of a line that began before we read
                    yield event, json.dumps(event)
                first = False
    except OSError as e:
        raise L3Error(f"{port}: the board is gone ({e.strerror or e})") from None


def monitor(port: str, pairs: Iterable[tuple[dict, str] | None], table: Path | None, as_json: bool) -> None:
    """Show events (of `lines`) until Ctrl-C, which leaves the board running. table: a CSV file to write.

    Raises L3Error when the board goes.
    """
    live = not as_json and show.out().is_terminal
    screen = Screen(port)
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(csv_rows(table))
        write(("time", *FIELDS))
        view = stack.enter_context(Live(screen, console=show.terminal(), vertical_overflow="crop")) if live else None
        with contextlib.suppress(KeyboardInterrupt):
            for pair in pairs:
                event, line = pair or (None, "")
                if event:
                    write((datetime.now().isoformat(timespec="milliseconds"), *(cell(event.get(name)) for name in FIELDS)))
                if event and view:
                    screen.add(event)
                elif event:
                    show.say(line if as_json else "  ".join(filter(None, columns(event))))
