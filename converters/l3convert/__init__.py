"""Foreign files -> Graph: one module a format, one explicit table of formats."""

from l3convert.formats import convert

__all__ = ["convert"]
