"""A batch: some recordings that one process works through, and the part that it leaves."""

from __future__ import annotations

import secrets
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from l3host.archive.ledger import DONE, FAILED
from l3host.archive.meter import Meter
from l3host.archive.parts import Part
from l3host.archive.tasks import ClassifyTask, EmbedTask
from l3host.errors import in_words
from l3host.sound import audio

ALONE = threading.Lock()  # a Dask worker may have several threads; warnings and BLAS belong to the process


class Batch(NamedTuple):
    """Files for one process. paths: to be processed in about `seconds`; what is left then goes back. number: of its Meter."""

    paths: tuple[str, ...]
    seconds: float
    number: int


class Done(NamedTuple):
    """rows: of the ledger, without the part's number; part: a temporary file in the store, or None; left: paths not dealt with."""

    rows: list[list]
    part: Path | None
    left: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """Deals with a batch, in whatever process it is called. folder: of the parts."""

    task: EmbedTask | ClassifyTask
    folder: Path

    def __call__(self, batch: Batch) -> Done:
        with ALONE:
            return self._run(batch)

    def _run(self, batch: Batch) -> Done:
        meter = Meter(self.folder, batch.number)
        try:
            return self._files(batch, meter)
        finally:
            meter.close()

    def _files(self, batch: Batch, meter: Meter) -> Done:
        part = Part(self.folder / f".{secrets.token_hex(8)}.tmp", self.task.writer())
        rows, until = [], time.monotonic() + batch.seconds
        for path in batch.paths:
            rows.append(self._file(path, part, meter))
            meter.files += 1
            if part.torn or time.monotonic() > until:
                break
        left = batch.paths[len(rows) :]
        if part.close():
            return Done(rows, part.path, left)
        if part.torn:  # the one that failed in the middle is dealt with; the others of the part are not
            return Done(rows[-1:], None, (*batch.paths[: len(rows) - 1], *left))
        return Done(rows, None, left)

    def _file(self, path: str, part: Part, meter: Meter) -> list:
        """Process one file; return its line of the ledger."""
        part.begin(path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                seconds = audio.seconds(path)
                windows, values = self.task.run(path, part.add, meter.sound)
            except Exception as e:  # of a fault of ours, too: the next file may be well
                part.drop()
                return not_done(path, FAILED, in_words(e), self.task)
        part.end()
        notes = "; ".join(str(w.message).removeprefix(f"{path}: ") for w in caught if w.category is UserWarning)
        return [path, DONE, notes, f"{seconds:.3f}", windows, "", *values]


def not_done(path: str, state: str, why: str, task: EmbedTask | ClassifyTask) -> list:
    """Return the line of a file that failed or is skipped."""
    return [path, state, why.removeprefix(f"{path}: "), "", "", "", *("" for _ in task.columns())]
