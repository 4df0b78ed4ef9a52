"""What became of every file of an archive: files.csv, a table that anybody opens, to which lines are only added."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO

from l3host.errors import L3Error, reading
from l3host.files import replace

FILE = "files.csv"
COLUMNS = ("file", "state", "note", "seconds", "windows", "part")
STATE, PART = COLUMNS.index("state"), COLUMNS.index("part")
DONE, FAILED, SKIPPED = "done", "failed", "skipped"


class Ledger:
    """The files that were processed. known: those that are done or skipped; part: the number of the next part."""

    def __init__(self, folder: Path, columns: Sequence[str], parts: set[int]):
        """columns: what the task adds to COLUMNS; parts: the numbers of those that are there.

        Lines of a part that is not there go (a kill came before its last step), and those of files that failed: they try again.
        """
        self.path, self.columns = folder / FILE, (*COLUMNS, *columns)
        self.known: set[str] = set()
        self.count: Counter[str] = Counter()
        self.part = max(parts, default=-1) + 1
        with replace(self.path) as temporary, _opened(temporary, "w") as file:
            lines = csv.writer(file)
            lines.writerow(self.columns)
            for row in self._read(parts) if self.path.exists() else ():
                lines.writerow(row)
                self._note(row)

    def _read(self, parts: set[int]) -> Iterator[list[str]]:
        """Yield the lines that count, one by one: an archive may have millions."""
        names = {DONE: {str(number) for number in parts}, SKIPPED: {""}}
        if not self.path.is_file():
            raise L3Error(f"{self.path} is not a regular file: choose another store")
        with reading(self.path), _opened(self.path, "r") as file:
            rows = csv.reader(file)
            if tuple(head := next(rows, [])) != self.columns:
                raise L3Error(f"{self.path} is not what this work writes, its columns are {', '.join(head)}: choose another store")
            for row in rows if _ends_whole(self.path) else _but_last(rows):
                if len(row) == len(self.columns) and row[PART] in names.get(row[STATE], ()):
                    yield row

    def _note(self, row: Sequence[object]) -> None:
        self.count[str(row[STATE])] += 1
        if row[STATE] != FAILED:
            self.known.add(str(row[0]))
        if row[STATE] == DONE:
            self.part = max(self.part, int(str(row[PART])) + 1)

    def add(self, rows: Sequence[Sequence[object]]) -> None:
        """Write lines; they are on the disk when this returns."""
        with _opened(self.path, "a") as file:
            csv.writer(file).writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        for row in rows:
            self._note(row)


def _opened(path: Path, mode: str) -> IO[str]:
    return open(path, mode, encoding="utf-8", errors="surrogateescape", newline="")  # any name, and line breaks in it


def _ends_whole(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _but_last(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Leave out the last line: a kill came while it was written."""
    return (row for row, _ in pairwise(rows))
