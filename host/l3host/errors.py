"""The one exception that a command turns into one line, and the one place that turns what libraries raise into it."""

from __future__ import annotations

import csv
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from l3host.text import clean


class L3Error(Exception):
    """Something the user can act on; the message, one line whatever it quotes, says what is wrong and what to do."""

    def __init__(self, message: object):
        super().__init__(clean(str(message)))


# what Python and libraries raise over contents that are not what they should be
MALFORMED = (
    OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, EOFError,
    zipfile.BadZipFile, zlib.error, struct.error, csv.Error,
)  # fmt: skip


def reason(error: BaseException) -> str:
    """Why, in one line: the system's words of an OSError, the first line of any other error behind the name of its type."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@contextmanager
def reading(what: object, hint: str = "") -> Iterator[None]:
    """Turn whatever a block raises over contents that others made into an L3Error: "cannot read WHAT: why" and the hint."""
    try:
        yield
    except (*MALFORMED, MemoryError) as e:
        raise L3Error(f"cannot read {what}: {reason(e)}{hint}") from None
