"""What became of every file of an archive: files.csv, a table that anybody opens, to which lines are only added."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from l3host.errors import L3Error, reading
from l3host.files import read_bytes, replace

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
        rows = list(self._read(parts)) if self.path.exists() else []
        with replace(self.path) as temporary:
            temporary.write_text(_lines([self.columns, *rows]), encoding="utf-8", errors="surrogateescape", newline="")
        for row in rows:
            self._note(row)

    def _read(self, parts: set[int]) -> Iterable[list[str]]:
        """The lines that count."""
        text = read_bytes(self.path, sys.maxsize).decode("utf-8", "surrogateescape")
        with reading(self.path):
            rows = list(csv.reader(io.StringIO(text, newline="")))
        if rows and tuple(rows[0]) != self.columns:
            raise L3Error(f"{self.path} is not what this work writes, its columns are {', '.join(rows[0])}: choose another store")
        whole = rows[1:] if text.endswith("\n") else rows[1:-1]
        names = {DONE: {str(number) for number in parts}, SKIPPED: {""}}
        return (row for row in whole if len(row) == len(self.columns) and row[PART] in names.get(row[STATE], ()))

    def _note(self, row: Sequence[object]) -> None:
        self.count[str(row[STATE])] += 1
        if row[STATE] != FAILED:
            self.known.add(str(row[0]))
        if row[STATE] == DONE:
            self.part = max(self.part, int(str(row[PART])) + 1)

    def add(self, rows: Sequence[Sequence[object]]) -> None:
        """Write lines; they are on the disk when this returns."""
        with open(self.path, "a", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(_lines(rows))
            file.flush()
            os.fsync(file.fileno())
        for row in rows:
            self._note(row)


def _lines(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()
