"""What a board's app prints, one JSON object a line (start, end, level, warning, status), live in the terminal and as CSV."""

from __future__ import annotations

import contextlib
import csv
import json
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

FIELDS = ("event", "label", "score", "level", "t")
SILENT = 10  # seconds after which the screen says that nothing came
BARS = " ▁▂▃▄▅▆▇█"
LOWEST, LEVELS, EVENTS = -80.0, 60, 12  # dB at the foot of the bars; bars and events on the screen
STYLES = {"start": "bold green", "end": "green", "warning": "bold yellow", "text": "dim"}


def parsed(line: bytes) -> dict | None:
    """An event of one line; a line of anything else (a traceback) as the event "text"; None of an empty one."""
    text = line.decode(errors="replace").strip()
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict) and "event" in value:
            return value
    return {"event": "text", "label": text} if text else None


def events(port: str) -> Iterator[dict | None]:
    """The events of a board, without ever writing to it; None twice a second when there is none. Raises L3Error."""
    check_port(port)
    import serial

    try:
        with serial.serial_for_url(port, BAUD, timeout=0.5, exclusive=True) as line:
            buffer, first = b"", True
            while True:
                buffer += line.read_until(b"\n")
                if not buffer.endswith(b"\n"):
                    yield None
                    continue
                event, buffer = parsed(buffer), b""
                if event and not (first and event["event"] == "text"):  # the rest of a line that began before we listened
                    yield event
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
        self.heard = time.monotonic()

    def add(self, event: dict) -> None:
        self.heard = time.monotonic()
        if isinstance(event.get("level"), (int, float)):
            self.levels.append(event["level"])
        if event["event"] == "start":
            self.sounding[event.get("label", "?")] = event.get("score")
        elif event["event"] == "end":
            self.sounding.pop(event.get("label", "?"), None)
        if event["event"] != "level":
            self.events.append((datetime.now().strftime("%H:%M:%S"), event))

    def __rich__(self) -> Group:
        bars = "".join(BARS[bar(level)] for level in self.levels)
        level = f"{self.levels[-1]:6.1f} dB " if self.levels else "        "
        now = ", ".join(self.sounding) or "-"
        if time.monotonic() - self.heard > SILENT:
            now = "nothing heard for a while: does an app run there? Ctrl-C leaves"
        table = Table(box=None, pad_edge=False)
        for column in ("time", *FIELDS):
            table.add_column(column, justify="right" if column in ("score", "level", "t") else "left")
        for clock, event in self.events:
            table.add_row(clock, *cells(event), style=STYLES.get(event["event"], ""))
        return Group(Text(f"{self.port}  {level}{bars}"), Text(f"now: {now}\n", style="bold"), table)


def bar(level: float) -> int:
    """Which of BARS stands for a level in dB of full scale."""
    return round(max(0.0, min(1.0, 1 - level / LOWEST)) * (len(BARS) - 1))


def cells(event: dict) -> list[str]:
    """An event as text, column by column; what has no column is added to the label."""
    values = dict(event)
    row = {name: values.pop(name, None) for name in FIELDS}
    more = " ".join(f"{name}={value}" for name, value in values.items())
    row["label"] = " ".join(str(part) for part in (row["label"], more) if part)
    digits = {"score": 2, "level": 1, "t": 1}
    return [f"{v:.{digits[k]}f}" if k in digits and isinstance(v, (int, float)) else str(v or "") for k, v in row.items()]


def monitor(port: str, table: Path | None, as_json: bool) -> None:
    """Show events until Ctrl-C, which leaves the board running. table: a CSV file to write. Raises L3Error when the board goes."""
    live = not as_json and show.out().is_terminal
    screen = Screen(port)
    with contextlib.ExitStack() as stack:
        rows = csv.writer(file := stack.enter_context(table.open("w", newline=""))) if table else None
        if rows:
            rows.writerow(("time", *FIELDS))
        view = stack.enter_context(Live(screen, console=show.out(), refresh_per_second=4)) if live else None
        with contextlib.suppress(KeyboardInterrupt):
            for event in events(port):
                if event and rows:
                    rows.writerow((datetime.now().isoformat(timespec="milliseconds"), *(event.get(name) for name in FIELDS)))
                    file.flush()
                if event and view:
                    screen.add(event)
                elif event:
                    show.say(json.dumps(event) if as_json else "  ".join(filter(None, cells(event))))
