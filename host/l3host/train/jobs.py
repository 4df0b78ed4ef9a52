"""Independent jobs in child processes, two at a time or as many as wanted, each with one thread."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from l3host.errors import L3Error

PROCESSES = min(2, os.cpu_count() or 1)


Send = Callable[[Any], None]
Died = Callable[[str, int], bool]  # called with (name, exit status); says whether the job is run again


def run(
    work: Callable[[Any, Send], None],
    jobs: dict[str, Any],
    log: str,
    on_message: Callable[[str, Any], None],
    processes: int = PROCESSES,
    died: Died | None = None,
) -> None:
    """Call work(job, send) for each job in a process of its own; call on_message(name, message) for what it sends.

    log: path of the file that takes what the processes print. died: what becomes of a job whose process dies; the others go
    on. Raises the first L3Error of any job, and without `died` L3Error when a process dies; the others are then ended, as
    they are on Ctrl-C.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    waiting = list(jobs.items())
    running: dict[Any, tuple] = {}  # (name, process) by the end of its pipe
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                name, job = waiting.pop(0)
                reader, writer = context.Pipe(duplex=False)
                process = context.Process(target=_child, args=(work, job, writer, log), daemon=True)
                process.start()
                writer.close()  # so that the end of the process is the end of the pipe
                running[reader] = name, process
            for ended in cast("list[Connection]", wait(list(running))):
                name, process = running[ended]
                try:
                    message = ended.recv()
                except EOFError:
                    process.join()
                    del running[ended]
                    if process.exitcode and died:
                        if died(name, process.exitcode):
                            waiting.append((name, jobs[name]))
                    elif process.exitcode:
                        raise L3Error(f"{name}: its process ended with status {process.exitcode}, see {log}") from None
                    continue
                if isinstance(message, L3Error):
                    raise L3Error(f"{name}: {message}")
                on_message(name, message)
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _child(work, job, writer: Connection, log: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    os.environ["OMP_NUM_THREADS"] = "1"
    stderr = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(stderr, 2)
    try:
        work(job, writer.send)
    except L3Error as e:
        writer.send(e)
    except BrokenPipeError:  # the parent is gone: another run may already be taking over
        pass
