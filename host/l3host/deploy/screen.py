"""What `l3mote monitor` shows of a board's events: words, and a screen that fits the terminal, whatever the board sends."""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from l3host.text import clean

SILENT, QUIET = 15, 90  # seconds after which the screen says that nothing has come: at first, and since the last line
HISTORY = " ▁▂▃▄▅▆▇█"
LOWEST = -80.0  # dB at the foot of the bars
MOST_SOUNDING = 50  # labels at once
MOST_SHOWN = 200  # characters of a text
ROWS = 200  # that are remembered, more than a terminal has
LABEL, BAR = 16, 20  # columns of a label, and of a bar at 80 columns
WARNINGS = {  # of the app's, by their labels; {} is a number that comes with them
    "silent": "the microphone gives one and the same value: is SD connected, is it the right channel?",
    "clipping": "too loud: {} samples at full scale",
    "overrun": "{} samples lost so far: the network is slower than the sound, or the board was busy",
}
ENDED = re.compile(r"[A-Za-z_.]*(Error|Exception|Interrupt|Exit)\b.*")  # the last line of a traceback
BANNERS = ("MicroPython v", "Adafruit CircuitPython", "Code done running")  # of a board that is back at its prompt
PROMPTS = (">>>", "MPY: soft reboot")  # around a start
RUNNING = ("started", "listening", "here")  # labels of status lines
CANNOT = "cannot start: "


def number(value) -> float | None:
    """Return a value as a number that can be shown, or None."""
    try:
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def digits(value, places: int, unit: str = "") -> str:
    """Return a number as text; "" for what is not one."""
    exact = number(value)
    return "" if exact is None else f"{exact:.{places}f}{unit}"


def words(event: dict) -> str:
    """Return what an event says, in words: a sound's label, a warning, the app's status."""
    label = clean(str(event.get("label") or ""))[:MOST_SHOWN]
    if event["event"] == "warning":
        return WARNINGS.get(label, label).replace("{}", digits(event.get("score"), 0))
    if event["event"] == "kept":
        return f"{label}: {clean(str(event.get('file')))}"[:MOST_SHOWN]
    if event["event"] == "status":
        return ", ".join(filter(None, [label, *facts(event)]))
    return label


def facts(event: dict) -> list[str]:
    """Return what a status line says of the app, as far as it does."""
    kernel, version = (clean(str(event[key]))[:MOST_SHOWN] if event.get(key) else "" for key in ("kernel", "version"))
    hop, free, lost = number(event.get("hop")), number(event.get("free")), number(event.get("lost"))
    return [
        version,
        kernel and f"kernel {kernel}",
        "" if hop is None else f"a window every {hop:g} s",
        "" if free is None else f"{free / 1000:.1f} kB of heap free",
        f"{lost:.0f} samples lost" if lost else "",
    ]


def columns(event: dict) -> list[str]:
    """Return an event as the columns of a line: what, words, score, level, seconds."""
    score = "" if event["event"] == "warning" else digits(event.get("score"), 2)
    return [clean(event["event"])[:MOST_SHOWN], words(event), score, digits(event.get("level"), 1), digits(event.get("t"), 3)]


def share(level: float) -> float:
    """Return how much of a bar a level in dB of full scale fills."""
    return max(0.0, min(1.0, 1 - level / LOWEST))


def bar(filled: int) -> str:
    """Return a bar with so many of its BAR columns filled."""
    return "█" * filled + "░" * (BAR - filled)


def label_width(width: int) -> int:
    """Return the columns that a label has in a list of this width: all that the others leave."""
    return max(LABEL, width - 48)


@dataclass
class Row:
    """A sound from its start to its end, or another message. In order of run (of the app) and t (seconds)."""

    clock: str
    text: str
    style: str
    run: int
    t: float
    score: str = ""
    level: str = ""
    end: float | None = None
    is_sound: bool = False

    def render(self, width: int) -> Text:
        if not self.is_sound:
            return Text(f"{self.clock}  {self.text}", style=self.style, no_wrap=True, overflow="ellipsis")
        until = "" if self.end is None else f"{self.end:10.1f} s"
        label = self.text[: label_width(width)]
        line = f"{self.clock}  {label:{label_width(width)}} {self.score:>5} {self.level:>9} {self.t:8.1f}{until}"
        return Text(line, style=self.style, no_wrap=True, overflow="ellipsis")


class Screen:
    """The level, what sounds now, and the last events. add() one, then render."""

    def __init__(self, port: str):
        self.port = port
        self.levels: deque[float] = deque(maxlen=ROWS)
        self.rows: deque[Row] = deque(maxlen=ROWS)
        self.labels: dict[str, float | None] = {}  # that were reported -> the last score
        self.sounding: dict[str, Row] = {}
        self.latest, self.patience = time.monotonic(), SILENT
        self.run, self.now = 0, 0.0  # of the app, and its last time
        self.status = ""
        self.stopped: str | None = None  # why the app does not run any more
        self.in_traceback = False

    def add(self, event: dict) -> None:
        self.latest, self.patience = time.monotonic(), QUIET  # level_every may be long, and an emulated board is slow
        level, kind = number(event.get("level")), event["event"]
        if level is not None:
            self.levels.append(level)
        if kind == "start":
            self._start(event)
        elif kind == "end":
            self._end(event)
        elif kind == "status":
            self._status(event)
        elif kind == "text":
            self._text(words(event))
        elif kind == "kept":
            self._row(event, "dim")
        elif kind != "level":
            self._warning(event)

    def _row(self, event: dict, style: str, **more) -> Row:
        clock = datetime.now().strftime("%H:%M:%S")
        t = number(event.get("t"))
        self.now = max(self.now, t or 0.0)
        row = Row(clock, words(event), style, self.run, self.now if t is None else t, **more)
        self.rows.append(row)
        return row

    def _start(self, event: dict) -> None:
        score, level = digits(event.get("score"), 2), digits(event.get("level"), 1, " dB")
        row = self._row(event, "bold green", score=score, level=level, is_sound=True)
        if len(self.labels) < MOST_SOUNDING or row.text in self.labels:
            self.labels[row.text] = number(event.get("score"))
            self.sounding[row.text] = row

    def _end(self, event: dict) -> None:
        row = self.sounding.pop(words(event), None)
        end = number(event.get("t"))
        if row is None:  # it began before we looked
            row = self._row(event, "green", is_sound=True)
            row.t = number(event.get("began")) or row.t
        row.end, row.style = end, "green"
        row.score, row.level = digits(event.get("score"), 2), digits(event.get("level"), 1, " dB")

    def _status(self, event: dict) -> None:
        self.status, self.in_traceback = words(event), False
        running = str(event.get("label")) in RUNNING
        self.stopped = None if running else f"{event.get('label')}"
        if running and str(event.get("label")) != "here":
            self.sounding.clear()
            self.run, self.now = self.run + 1, 0.0

    def _warning(self, event: dict) -> None:
        text = words(event)
        if text.startswith(CANNOT):
            self.stopped = text.removeprefix(CANNOT)
        self._row(event, "bold yellow")

    def _text(self, text: str) -> None:
        """Of a traceback show its last line alone, which says why the app has stopped."""
        if text.startswith("Traceback"):
            self.in_traceback = True
        elif self.in_traceback and ENDED.fullmatch(text):
            self.in_traceback, self.stopped = False, text
        elif text.startswith(BANNERS):
            self.stopped = self.stopped or "it has ended"
        elif not self.in_traceback and text not in PROMPTS:
            self._row({"event": "text", "label": text}, "dim")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or console.height
        head = [*self._head(width), *self._bars(width)]
        for line in (*head, Text("")):
            line.truncate(width, overflow="ellipsis")
            yield line
        room = max(3, height - len(head) - 3)
        titles = f"{'time':8}  {'sound':{label_width(width)}} {'score':>5} {'level':>9} {'from':>8}{'to':>10}"
        yield Text(titles, style="dim", no_wrap=True, overflow="crop")
        for row in sorted(list(self.rows)[-room:], key=lambda row: (row.run, row.t)):
            yield row.render(width)

    def _head(self, width: int) -> list[Text]:
        lines = [Text(f"{self.port}  {self.status}", style="bold", no_wrap=True)]
        if self.levels:
            filled = round(share(self.levels[-1]) * BAR)
            shown = list(self.levels)[-max(1, width - LABEL - BAR - 14) :]
            history = "".join(HISTORY[round(share(level) * (len(HISTORY) - 1))] for level in shown)
            lines.append(Text(f"{'level':{LABEL}} {self.levels[-1]:6.1f} dB  {bar(filled)}  {history}", no_wrap=True))
        if self.stopped is not None:
            lines.append(Text(f"the app has stopped: {self.stopped}", style="bold red", no_wrap=True))
            lines.append(Text(f"reset the board, or: l3mote deploy --rollback --port {self.port}", style="red", no_wrap=True))
        elif time.monotonic() - self.latest > self.patience:
            what = f"nothing has come for {self.patience} s: no app runs there? l3mote deploy brings one"
            lines.append(Text(what, style="bold", no_wrap=True))
        return lines

    def _bars(self, width: int) -> list[Text]:
        """Return a bar for each label: its last score, full while it sounds."""
        lines = []
        for label, score in list(self.labels.items())[:8]:
            row = self.sounding.get(label)
            value = score if row else None
            filled = round(max(0.0, min(1.0, value or 0.0)) * BAR)
            since = f"since {row.t:.1f} s" if row else ""
            text = f"{label[:LABEL]:{LABEL}} {digits(value, 2) or '-':>9}  {bar(filled)}  {since}"
            lines.append(Text(text, style="bold green" if row else "dim", no_wrap=True))
        return lines
