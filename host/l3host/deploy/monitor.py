"""What a board's app prints, one JSON object a line (start, end, level, warning, status), live in the terminal and as CSV."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from l3host import show
from l3host.deploy.links import BAUD, check_port
from l3host.errors import L3Error
from l3host.text import cell, clean

FIELDS = ("event", "label", "score", "level", "t")
SILENT = 10  # seconds without a line after which the screen says so
BARS = " ▁▂▃▄▅▆▇█"
LOWEST, LEVELS, EVENTS = -80.0, 60, 12  # dB at the bottom of the bars; number of bars and events on the screen
MOST_LINE = 1 << 14  # bytes: the app's own have a few hundred
MOST_NESTED = 20  # brackets in a line that is an event
MOST_SOUNDING = 50  # labels at once
MOST_SHOWN = 200  # characters of a column
STYLES = {"start": "bold green", "end": "green", "warning": "bold yellow", "text": "dim"}


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


def lines(port: str) -> Iterator[tuple[dict, str] | None]:
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


class Screen:
    """The last levels as bars, what sounds now, and the last events. add() one, then render."""

    def __init__(self, port: str):
        self.port = port
        self.levels: deque[float] = deque(maxlen=LEVELS)
        self.events: deque[tuple[str, dict]] = deque(maxlen=EVENTS)
        self.sounding: dict[str, float | None] = {}
        self.last_line = time.monotonic()

    def add(self, event: dict) -> None:
        self.last_line = time.monotonic()
        level, label = number(event.get("level")), str(event.get("label", "?"))[:MOST_SHOWN]
        if level is not None:
            self.levels.append(level)
        if event["event"] == "start" and len(self.sounding) < MOST_SOUNDING:
            self.sounding[label] = number(event.get("score"))
        elif event["event"] == "end":
            self.sounding.pop(label, None)
        if event["event"] != "level":
            self.events.append((datetime.now().strftime("%H:%M:%S"), event))

    def __rich__(self) -> Group:
        bars = "".join(BARS[bar(level)] for level in self.levels)
        level = f"{self.levels[-1]:6.1f} dB " if self.levels else "        "
        now = ", ".join(self.sounding) or "-"
        if time.monotonic() - self.last_line > SILENT:
            now = "nothing received for a while: does an app run there? Ctrl-C quits"
        table = Table(box=None, pad_edge=False)
        for column in ("time", *FIELDS):
            table.add_column(column, justify="right" if column in ("score", "level", "t") else "left")
        for clock, event in self.events:
            table.add_row(clock, *cells(event), style=STYLES.get(event["event"], ""))
        return Group(Text(f"{self.port}  {level}{bars}"), Text(f"now: {now}\n", style="bold"), table)


def bar(level: float) -> int:
    """Return the one of BARS for a level in dB of full scale."""
    return round(max(0.0, min(1.0, 1 - level / LOWEST)) * (len(BARS) - 1))


def number(value) -> float | None:
    """Return a value as a number that can be shown, or None."""
    try:
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def cells(event: dict) -> list[str]:
    """Return an event as text, column by column; what has no column is added to the label."""
    values = dict(event)
    row = {name: values.pop(name, None) for name in FIELDS}
    more = " ".join(f"{name}={value}" for name, value in values.items())
    row["label"] = " ".join(str(part) for part in (row["label"], more) if part)
    digits = {"score": 2, "level": 1, "t": 3}
    return [shown(value, digits.get(name)) for name, value in row.items()]


def shown(value, digits: int | None) -> str:
    """Return a value as text without line breaks: one would look like a second event. digits: of a column of numbers."""
    value = "" if value is None else value
    exact = number(value) if digits else None
    return clean(str(value))[:MOST_SHOWN] if exact is None else f"{exact:.{digits}f}"


def monitor(port: str, table: Path | None, as_json: bool) -> None:
    """Show events until Ctrl-C, which leaves the board running. table: a CSV file to write. Raises L3Error when the board goes."""
    live = not as_json and show.out().is_terminal
    screen = Screen(port)
    with contextlib.ExitStack() as stack:
        rows = csv.writer(file := stack.enter_context(table.open("w", newline="", encoding="utf-8"))) if table else None
        if rows:
            rows.writerow(("time", *FIELDS))
        view = stack.enter_context(Live(screen, console=show.out(), refresh_per_second=4)) if live else None
        with contextlib.suppress(KeyboardInterrupt):
            for pair in lines(port):
                event, line = pair or (None, "")
                if event and rows:
                    rows.writerow((datetime.now().isoformat(timespec="milliseconds"), *(cell(event.get(name)) for name in FIELDS)))
                    file.flush()
                if event and view:
                    screen.add(event)
                elif event:
                    show.say(line if as_json else "  ".join(filter(None, cells(event))))
