"""Printing: tables and progress for people (rich, imported when something is printed), JSON for scripts."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TextColumn
    from rich.table import Table
    from rich.text import Text

WIDE, NARROW = 120, 80  # columns of a file or a pipe, which has none of its own; the least, below which tables lose digits
REDRAWN = 0.3  # seconds between two drawings of a line of progress
PIPED_EVERY = 60.0  # seconds between lines of progress where stderr is not a terminal
PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}  # a file may be called "street[1].wav"


@cache
def out() -> Console:
    from l3host.console import Clean

    return Clean(width=max(NARROW, shutil.get_terminal_size((WIDE, 24)).columns), **PLAIN)


def is_wide() -> bool:
    """Return whether a table may have all its columns; at 80 it has those that matter most."""
    return out().width >= WIDE


@cache
def terminal() -> Console:
    """Return a console of the terminal's own width, for what is drawn again and again."""
    from l3host.console import Clean

    return Clean(**PLAIN)


@cache
def err() -> Console:
    from l3host.console import Clean

    return Clean(stderr=True, **PLAIN)


def say(text: str | Text, to_copy: bool = False) -> None:
    """Print a line of text: on a terminal broken between words, elsewhere or if it is a command to_copy never broken by us."""
    out().print(text, soft_wrap=to_copy or not out().is_terminal)


def draw(table: Table) -> None:
    out().print(table)


def plural(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def seconds(value: float) -> str:
    """Return seconds with two or three significant digits, never 4.07e+03."""
    return f"{value:.2g}" if value < 100 else f"{round(value, -1):.0f}"


def results(as_json: bool, value, people: Callable[[], None]) -> None:
    """Print value as JSON, or let `people` print it for people."""
    if as_json:
        print_json(value)
    else:
        people()


def print_json(value) -> None:
    parts = json.JSONEncoder(indent=1).iterencode(value)
    while text := "".join(islice(parts, 4096)):  # as one text, ten hours of windows take 100 MB
        sys.stdout.write(text)
    print()


def _progress(quiet: bool, *columns: TextColumn) -> Progress:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    name = TextColumn("{task.description}", markup=False)
    shown = SpinnerColumn(), name, *columns, TimeElapsedColumn()
    hidden = quiet or not err().is_terminal
    return Progress(*shown, console=err(), transient=True, disable=hidden)


def progress(quiet: bool, what: str = "windows") -> Progress:
    from rich.progress import TextColumn

    return _progress(quiet, TextColumn(f"{{task.completed}} {what}"))


class Sounds:
    """One line on a terminal for all recordings of a command: files, hours of sound, how many times faster than they last.

    Drawn by ourselves: rich draws its bar anew with every line that is printed, which takes as long as a short clip.
    """

    def __init__(self, files: int | None, shown: bool):
        self.of, self.shown = "" if files is None else f" of {files:,}", shown
        self.files, self.failed, self.seconds, self.begun = 0, 0, 0.0, time.monotonic()
        self.ahead = 0, 0.0  # files and seconds of sound
        self.drawn, self.width = 0.0, 0  # when, and how many columns of it are on the terminal

    def sound(self, seconds: float) -> None:
        """Count more seconds of sound as done."""
        self.seconds += seconds
        self._keep_up()

    def file(self, failed: bool) -> None:
        self.files += 1
        self.failed += failed
        self._keep_up()

    def under_way(self, files: int, seconds: float) -> None:
        """Show what is done, but not counted yet."""
        self.ahead = files, seconds
        self._keep_up()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Remove the line while others print."""
        self._write("")
        try:
            yield
        finally:
            self._write(self.text())

    def close(self) -> None:
        self._write("")
        self.shown = False

    def text(self) -> str:
        lasted = time.monotonic() - self.begun
        files, seconds = self.files + self.ahead[0], self.seconds + self.ahead[1]
        speed = seconds / max(1e-3, lasted)
        bad = f" ({self.failed} failed)" if self.failed else ""
        text = f"{files:,}{self.of} files{bad}, {seconds / 3600:.2f} h of sound, {speed:,.0f} x real time"
        return f"{text}, {timedelta(seconds=int(lasted))}"

    def _keep_up(self) -> None:
        if self.shown and time.monotonic() - self.drawn > REDRAWN:
            self._write(self.text())

    def _write(self, text: str) -> None:
        if not self.shown:
            return
        text = text[: (os.get_terminal_size(sys.stderr.fileno()).columns or NARROW) - 1]
        sys.stderr.write(f"\r{' ' * self.width}\r{text}" if self.width > len(text) else f"\r{text}")
        sys.stderr.flush()
        self.drawn, self.width = time.monotonic(), len(text)


@contextmanager
def sounds(quiet: bool, files: int | None) -> Iterator[Sounds]:
    bar = Sounds(files, not quiet and sys.stderr.isatty())
    try:
        yield bar
    finally:
        bar.close()


def bars(quiet: bool) -> Progress:
    """Return the bars of tasks whose length is known."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    left = TimeRemainingColumn(elapsed_when_finished=True)
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), left
    return Progress(*columns, console=err(), disable=quiet or not err().is_terminal)


@contextmanager
def named_bars(quiet: bool) -> Iterator[Callable[[str, str, int, int], None]]:
    """Bars on stderr by name: called with (name, what is done, how much, of how much).

    Where stderr is not a terminal, a line a minute and the time that is left.
    """
    with bars(quiet) as shown:
        tasks: dict = {}
        begun: dict[str, float] = {}
        last = time.monotonic()

        def on_progress(name: str, what: str, done: int, of: int) -> None:
            nonlocal last
            now = time.monotonic()
            since = now - begun.setdefault(name, now)
            if not quiet and not err().is_terminal and done and now - last >= PIPED_EVERY:
                last = now
                left = f", about {since * (of - done) / done / 60:.0f} min left" if since else ""
                err().print(f"{name}: {what}, {done} of {of}{left}", soft_wrap=True)
            if name not in tasks:
                tasks[name] = shown.add_task(name)
            shown.update(tasks[name], description=f"{name}: {what}", completed=done, total=of)

        yield on_progress


def steps(quiet: bool) -> Callable[[str], None]:
    """Says on stderr what happens now, on a terminal or not."""
    return (lambda text: None) if quiet else lambda text: err().print(text, soft_wrap=not err().is_terminal)


def waiting(what: str, quiet: bool) -> AbstractContextManager:
    """Return a spinner while something runs whose progress is not known."""
    bar = _progress(quiet)
    bar.add_task(what, total=None)
    return bar


def table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    t = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for i, column in enumerate(columns):
        t.add_column(column, justify="left" if i == 0 else "right", no_wrap=i == 0)
    return t


def size(n: int) -> str:
    """Return bytes as kB or MB (10^3, 10^6)."""
    return f"{n / 1e6:.2f} MB" if n >= 1e6 else f"{n / 1e3:.1f} kB"
