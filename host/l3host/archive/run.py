"""An archive from end to end: walk, hand out batches, take in parts, note what became of every file."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from l3host import __version__
from l3host.archive import meter
from l3host.archive.batch import Batch, Done, Work, not_done
from l3host.archive.ledger import DONE, FAILED, SKIPPED, Ledger
from l3host.archive.tasks import ClassifyTask, EmbedTask
from l3host.archive.walk import roots, walk
from l3host.l3m.load import find
from l3host.runs import claimed
from l3host.work import Pool, killed, spread

FILES = 256  # of a batch at most
SECONDS = 60  # of a batch at most; the first ones are shorter, to be soon among the finished
PART = re.compile(r"part-(\d{6,})\.\w+")
OnRows = Callable[[list[list]], None]  # called with new lines of the ledger
UnderWay = Callable[[int, float], None]  # called, now and then, with files and seconds of sound done by the batches in work


@dataclass
class Store:
    """A store that this process holds: its folder, ledger, and the files still to do."""

    folder: Path
    task: EmbedTask | ClassifyTask
    ledger: Ledger

    @property
    def parts(self) -> Path:
        return self.folder / self.task.folder

    def part(self, number: int) -> Path:
        return self.parts / f"part-{number:06d}{self.task.suffix}"

    def take_in(self, done: Done) -> list[list]:
        """Note a batch's files, then give its part its name: lines whose part has none count as never written."""
        number = self.ledger.part
        rows = [[*row[:5], number if row[1] == DONE else "", *row[6:]] for row in done.rows]
        self.ledger.add(rows)
        if done.part:
            os.replace(done.part, self.part(number))
        return rows


@contextmanager
def opened(folder: Path, task: EmbedTask | ClassifyTask) -> Iterator[Store]:
    """The store in a new folder, or in one that the same work began. Raises L3Error."""
    folder = folder.absolute()  # workers of a cluster are elsewhere
    model = hashlib.sha256(find(task.model).read_bytes()).hexdigest()
    task.check()
    with claimed(folder, lambda: {"model": model, "l3mote": __version__, **task.settings()}, "archive"):
        parts = folder / task.folder
        parts.mkdir(exist_ok=True)
        named = [PART.fullmatch(path.name) for path in parts.glob(f"part-*{task.suffix}")]
        numbers = {int(match[1]) for match in named if match}  # not what somebody copied there
        yield Store(folder, task, Ledger(folder, task.columns(), numbers))


class Todo:
    """Batches of files that are not done. More may come after the last one: what a batch leaves."""

    def __init__(self, store: Store, paths: Sequence[str], on_rows: OnRows):
        self.store, self.on_rows, self.begun = store, on_rows, time.monotonic()
        self.left: deque[str] = deque()
        self.numbers = count()
        self.new = self._new(paths)

    def _new(self, paths: Sequence[str]) -> Iterator[str]:
        rows = []
        for item in walk(paths, self.store.folder.resolve()):
            if item.path in self.store.ledger.known:
                continue
            if item.skipped or item.failed:
                state = SKIPPED if item.skipped else FAILED
                rows.append(not_done(item.path, state, item.skipped or item.failed, self.store.task))
            else:
                yield item.path
            if len(rows) == FILES:
                self._note(rows)
                rows = []
        if rows:
            self._note(rows)

    def _note(self, rows: list[list]) -> None:
        self.store.ledger.add(rows)
        self.on_rows(rows)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        seconds = min(SECONDS, max(1, (time.monotonic() - self.begun) / 10))
        paths = [self.left.popleft() for _ in range(min(FILES, len(self.left)))] or list(islice(self.new, FILES))
        if not paths:
            raise StopIteration
        return Batch(tuple(paths), seconds, next(self.numbers))


def archive(
    store: Store, paths: Sequence[str], pool: Pool, on_rows: OnRows, under_way: UnderWay = lambda files, sound: None
) -> None:
    """Process every file under the paths that the store does not have yet. Raises L3Error for paths that cannot be walked."""
    todo = Todo(store, roots(paths), on_rows)

    def ended(batch: Batch) -> Done:
        return Done([not_done(batch.paths[0], FAILED, str(killed(batch.paths[0])), store.task)], None, ())

    def halves(batch: Batch) -> list[Batch]:
        middle = len(batch.paths) // 2
        parts = batch.paths[:middle], batch.paths[middle:]
        return [batch._replace(paths=paths) for paths in parts] if middle else []

    meter.opened(store.parts)
    for done in spread(Work(store.task, store.parts), todo, pool, ended, halves, lambda: under_way(*meter.read(store.parts))):
        todo.left.extend(done.left)
        on_rows(store.take_in(done))
    for half in store.parts.glob(".*.tmp"):  # of processes that were killed
        half.unlink(missing_ok=True)
    meter.closed(store.parts)
