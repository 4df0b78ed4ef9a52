"""Work on many files, in this process or spread over several. A file that fails, or that kills its process, stops no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from l3host.errors import L3Error

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
    """Processes for so many files: those wanted, else one a core, as long as there are FEW files for each."""
    return wanted or min(os.cpu_count() or 1, max(1, files // FEW))


def each(task: Callable, items: Sequence, jobs: int, progress: Progress) -> Iterator[Outcome]:
    """The outcome of task(item, progress) for every item, in their order. task and items go to other processes unless jobs is 1."""
    if jobs == 1:
        yield from (outcome(task, item, progress) for item in items)
        return
    early, due = {}, 0
    for index, found in spread(partial(_numbered, task), list(enumerate(items)), jobs, _ended):
        progress(found.windows)
        early[index] = found
        while due in early:
            yield early.pop(due)
            due += 1


def _numbered(task: Callable, numbered: tuple[int, Any]) -> tuple[int, Outcome]:
    return numbered[0], outcome(task, numbered[1])


def _ended(numbered: tuple[int, Any]) -> tuple[int, Outcome]:
    return numbered[0], Outcome(numbered[1], None, killed(numbered[1]), 0, ())


def killed(path: object) -> L3Error:
    return L3Error(f"{path}: the process that read it was ended from outside (out of memory?) or crashed, twice")


def spread(work: Callable, items: Iterable, jobs: int, ended: Callable) -> Iterator:
    """work(item) of every item, in so many processes; results as they come.

    When a process is killed, what was in work is repeated, each item alone; ended(item): the result of one that kills it again.
    """
    todo, pool = iter(items), processes(jobs)
    due: dict[Future, Any] = {}
    try:
        while True:
            lost = []
            for item in islice(todo, 2 * jobs - len(due)):
                try:
                    due[pool.submit(work, item)] = item
                except BrokenProcessPool:
                    lost.append(item)
            if not (due or lost):
                return
            for future in wait(due, return_when=FIRST_COMPLETED).done if due else ():
                item = due.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    lost.append(item)
                else:
                    yield future.result()
            if lost:
                lost += due.values()
                due.clear()
                pool.shutdown()
                yield from (_alone(work, item, ended) for item in lost)
                pool = processes(jobs)
    finally:
        for child in multiprocessing.active_children() if due else ():  # given up: what is in work is not waited for
            child.terminate()
        pool.shutdown(cancel_futures=True)


def _alone(work: Callable, item: Any, ended: Callable) -> Any:
    with processes(1) as pool:
        future: Future = pool.submit(work, item)
        return ended(item) if isinstance(future.exception(), BrokenProcessPool) else future.result()


def processes(jobs: int) -> ProcessPoolExecutor:
    """Processes that end with this one, even if it is killed."""
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
