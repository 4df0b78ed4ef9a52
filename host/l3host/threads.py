"""Processors that this process may use, and threads of matrix products."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def cores() -> int:
    """Count the processors that this process may use: a batch system gives it some of a machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager:
    """Give matrix products one thread until the block ends: several wait for each other on a busy machine, and burn time."""
    return _controller().limit(limits=1)
