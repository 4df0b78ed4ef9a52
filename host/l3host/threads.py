"""Threads of matrix products."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager:
    """Give matrix products one thread until the block ends: several wait for each other on a busy machine, and burn time."""
    return _controller().limit(limits=1)
