"""Work on many files, in this process or spread over several. A file that fails, or that kills its process, stops no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple, Protocol

from l3host.errors import L3Error
from l3host.threads import cores

TICK = 0.3  # seconds between looks at how far the work is
FEW = 4  # files a process: for fewer, starting processes takes longer than they save
Progress = Callable[[int], None]  # called with windows done


class Outcome(NamedTuple):
    """What became of a file: value, or error. windows: how many it had; warnings: what was warned of."""

    item: Any
    value: Any
    error: Exception | None
    windows: int
    warnings: tuple[str, ...]


def outcome(task: Callable, item: Any, progress: Progress | None = None) -> Outcome:
    """Run task(item, progress), whatever happens."""
    windows, value, error = 0, None, None

    def count(n: int) -> None:
        nonlocal windows
        windows += n
        if progress:
            progress(n)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            value = task(item, count)
        except Exception as e:  # of a fault of ours, too: the next file may be well
            error = e
    return Outcome(item, value, error, windows, tuple(str(w.message) for w in caught if w.category is UserWarning))


def jobs_for(files: int, wanted: int | None) -> int:
    """Return the number of processes for so many files: as asked, else one a core, as long as there are FEW files for each."""
    return wanted or min(cores(), max(1, files // FEW))


def each(task: Callable, items: Sequence, jobs: int, progress: Progress) -> Iterator[Outcome]:
    """Yield the outcome of task(item, progress) for every item, in their order.

    task and items go to other processes unless jobs is 1.
    """
    if jobs == 1:
        yield from (outcome(task, item, progress) for item in items)
        return
    early, due = {}, 0
    for index, done in spread(partial(_numbered, task), enumerate(items), Processes(jobs), _ended):
        progress(done.windows)
        early[index] = done
        while due in early:
            yield early.pop(due)
            due += 1


def _numbered(task: Callable, numbered: tuple[int, Any]) -> tuple[int, Outcome]:
    return numbered[0], outcome(task, numbered[1])


def _ended(numbered: tuple[int, Any]) -> tuple[int, Outcome]:
    return numbered[0], Outcome(numbered[1], None, killed(numbered[1]), 0, ())


def killed(path: object) -> L3Error:
    return L3Error(f"{path}: the process that read it was ended from outside (out of memory?) or crashed, again and again")


class Pool(Protocol):
    """Where work is done. width: how much at a time; lost: what submitted work raises when its process was killed."""

    @property
    def width(self) -> int: ...
    @property
    def lost(self) -> tuple[type[BaseException], ...]: ...

    def submit(self, work: Callable, item: Any) -> Future: ...
    def alone(self, work: Callable, item: Any) -> Any: ...  # the result; raises lost if its process is killed again
    def renew(self) -> bool: ...  # after a loss; True if everything submitted is lost
    def close(self, given_up: bool) -> None: ...  # given_up: what is in work is not waited for


def spread(
    work: Callable,
    items: Iterable,
    pool: Pool,
    ended: Callable,
    halves: Callable[[Any], Sequence] = lambda item: (),
    tick: Callable[[], None] = lambda: None,
) -> Iterator:
    """work(item) of every item; results as they come. The pool is closed at the end. tick: called now and then while it works.

    When a process is killed, what was in work is repeated, the second time alone, then in halves until the cause is one item.
    ended(item): its result, if it has no halves.
    """
    todo = iter(items)
    again: deque = deque()  # of items that were lost once
    due: dict[Future, tuple[Any, bool]] = {}  # item, and whether it was lost before
    try:
        while True:
            lost = []
            new = chain(((again.popleft(), True) for _ in range(len(again))), ((item, False) for item in todo))
            for item, before in islice(new, max(0, 2 * pool.width - len(due))):
                try:
                    due[pool.submit(work, item)] = item, before
                except pool.lost:
                    lost.append((item, before))
            if not (due or lost):
                return
            ready = wait(due, TICK, FIRST_COMPLETED).done if due else ()
            tick()
            for future in ready:
                item, before = due.pop(future)
                try:
                    result = future.result()
                except pool.lost:
                    lost.append((item, before))
                else:
                    yield result
            if lost and pool.renew():
                lost += due.values()
                due.clear()
            for item, before in lost:
                if before:
                    yield from _alone(work, item, pool, ended, halves)
                else:
                    again.append(item)
    finally:
        pool.close(given_up=bool(due))


def _alone(work: Callable, item: Any, pool: Pool, ended: Callable, halves: Callable[[Any], Sequence]) -> Iterator:
    try:
        result = pool.alone(work, item)
    except pool.lost:
        parts = halves(item)
        for part in parts:
            yield from _alone(work, part, pool, ended, halves)
        if not parts:
            yield ended(item)
    else:
        yield result


class Processes:
    """A Pool on this machine. Its processes end with this one, even if it is killed."""

    lost = (BrokenProcessPool,)

    def __init__(self, jobs: int):
        """Raises L3Error for less than one."""
        if jobs < 1:
            raise L3Error(f"{jobs} jobs: at least 1")
        self.width, self.pool = jobs, processes(jobs)

    def submit(self, work: Callable, item: Any) -> Future:
        return self.pool.submit(work, item)

    def alone(self, work: Callable, item: Any) -> Any:
        with processes(1) as pool:
            return pool.submit(work, item).result()

    def renew(self) -> bool:
        self.pool.shutdown()
        self.pool = processes(self.width)
        return True

    def close(self, given_up: bool) -> None:
        for child in multiprocessing.active_children() if given_up else ():
            child.terminate()
        self.pool.shutdown(cancel_futures=True)


def processes(jobs: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["l3host.classify"])  # NumPy is imported once
    return ProcessPoolExecutor(jobs, context, _begin)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that the user started
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)
