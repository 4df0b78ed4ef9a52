"""TOML tables -> frozen dataclasses: a key that is unknown, missing or of the wrong type is one line naming file, table and key."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Sequence
from pathlib import Path

from l3host.errors import L3Error, malformed
from l3host.files import read_text

SAID = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def read(path: Path) -> dict:
    """Return the tables of a TOML file. Raises L3Error, which names the line of a syntax error."""
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except malformed() as e:
        raise L3Error(f"{path}: not valid TOML: {e}") from None


def build(cls: type, table: object, where: str, leave_out: Sequence[str] = ()):
    """A dataclass of a table whose keys are its fields' names; `where` begins every message. leave_out: fields that are not keys.

    Fields are str, int, float, bool, tuples of numbers, or unions of these; each int is a float too. Raises L3Error.
    """
    if not isinstance(table, dict):
        raise L3Error(f"{where}: must be a table, not {table!r}")
    fields = {field.name: field for field in dataclasses.fields(cls) if field.name not in leave_out}
    for key in table:
        if key not in fields:
            raise L3Error(f"{where}: unknown key {key!r}: known are {', '.join(fields)}")
    for name, field in fields.items():
        if name not in table and field.default is dataclasses.MISSING:
            raise L3Error(f"{where}: key {name!r} is missing")
    hints = typing.get_type_hints(cls)
    return cls(**{key: _value(value, hints[key], f"{where}: {key}") for key, value in table.items()})


def _value(value: object, hint: object, where: str):
    """Return the value in its field's type. Raises L3Error if it has none of the hint's types."""
    allowed = _members(hint)
    for kind in allowed:
        if typing.get_origin(kind) is tuple and isinstance(value, list):
            (item, _) = typing.get_args(kind)
            if value and all(_is(v, item) for v in value):
                return tuple(item(v) for v in value)
        elif isinstance(kind, type) and _is(value, kind):
            return kind(value)
    raise L3Error(f"{where} = {value!r}: must be {' or '.join(map(_in_words, allowed))}")


def _members(hint: object) -> list:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [kind for kind in typing.get_args(hint) if kind is not type(None)]
    return [hint]


def _is(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _in_words(kind: typing.Any) -> str:
    if typing.get_origin(kind) is tuple:
        return f"a list of {SAID[typing.get_args(kind)[0]].split(' ', 1)[1]}s"
    return SAID[kind]
