"""The exception that a command prints as one line, and the one place that turns exceptions of libraries into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from l3host.text import clean
from l3mote import FormatError, KernelError


class L3Error(Exception):
    """Something the user can act on; the message, one line whatever it quotes, says what is wrong and what to do."""

    def __init__(self, message: object):
        super().__init__(clean(str(message)))


def in_words(error: Exception) -> str:
    """Return the line that a command prints for an error; FormatError and KernelError are the board's own."""
    if isinstance(error, (L3Error, FormatError, KernelError, MemoryError, OSError)):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error} (an unexpected error: --debug shows where)"


@cache
def malformed() -> tuple[type[Exception], ...]:
    """Return what Python and libraries raise for malformed contents; modules that no --help needs are imported here."""
    import csv
    import struct
    import zipfile
    import zlib

    return (
        OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, EOFError,
        zipfile.BadZipFile, zlib.error, struct.error, csv.Error,
    )  # fmt: skip


def reason(error: BaseException) -> str:
    """Return the reason in one line: the system's text of an OSError, else the name of the type and the first line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@contextmanager
def reading(what: object, hint: str = "") -> Iterator[None]:
    """Turn whatever a block raises for foreign contents into an L3Error: "cannot read WHAT: why" and the hint."""
    try:
        yield
    except Exception as e:
        if not isinstance(e, (*malformed(), MemoryError)):
            raise
        raise L3Error(f"cannot read {what}: {reason(e)}{hint}") from None
