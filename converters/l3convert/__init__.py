"""Foreign files -> Graph: one module a format, one explicit table of formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l3convert.formats import convert

__all__ = ["convert"]


def __getattr__(name: str):
    """Import what converts when it is asked for: the child process that reads a file needs the readers alone."""
    if name == "convert":
        from l3convert.formats import convert

        return convert
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
