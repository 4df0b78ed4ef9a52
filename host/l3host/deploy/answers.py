"""What a board may answer: it is not trusted, so every answer is checked against the shape that was asked for."""

from __future__ import annotations

import ast
import math

from l3host.errors import L3Error

MOST_SHOWN = 80  # characters of a wrong answer


def positive(value) -> bool:
    return type(value) is int and value > 0


def number(value) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


TEXT, DIGEST = {str, None}, {str, None}
# of functions in start.py and remote/file_operations.py, those that do not return None; see fits() for how a shape is written
ANSWERS = {
    "slots": [(int, str, int)],
    "running": ({int, None}, TEXT, [str]),
    "damage": TEXT,
    "check": (int, int),
    "exists": bool,
    "read": {bytes, None},
    "part": str,
    "names": [str],
    "tree": [(str, int)],
    "space": (int, positive),
    "digest": DIGEST,
}
# of the scripts in remote/
FACTS = {
    "implementation": str, "version": (int, int, int), "machine": str, "mpy": int, "float_bits": int, "ulab": bool, "viper": bool,
    "hashlib": bool, "heap": int, "folder": str, "flash": int, "writable": bool, "names": [str],
}  # fmt: skip
SELFTEST = {"passed": bool, "error": number, "kernel": str, "plan_bytes": int}
BENCH = {
    "kernel": str, "selftest": {"passed": bool, "error": number}, "us_window": positive, "us_frontend": int,
    "us_layers": [(str, int)], "flash_bytes_read": int, "plan_bytes": int, "heap_bytes": int, "heap_free": int,
}  # fmt: skip


def fits(value, shape) -> bool:
    """Return whether a value has a shape.

    A shape is a type; None; a set of shapes, of which one fits; a tuple with one for each element; a list with the one of all
    elements; a dict with one for each key, where more keys may be there; or a function that decides.
    """
    if isinstance(shape, (set, frozenset)):
        return any(fits(value, one) for one in shape)
    if isinstance(shape, dict):
        return type(value) is dict and all(key in value and fits(value[key], one) for key, one in shape.items())
    if isinstance(shape, list):
        return type(value) is list and all(fits(one, shape[0]) for one in value)
    if isinstance(shape, tuple):
        return type(value) is tuple and len(value) == len(shape) and all(map(fits, value, shape))
    if shape is None or isinstance(shape, type):
        return value is None if shape is None else type(value) is shape
    return shape(value)


def parsed(printed: str, shape, port: str):
    """Return the literal that a board printed. Raises L3Error unless it has this shape."""
    try:
        value = ast.literal_eval(printed.strip())
        if fits(value, shape):
            return value
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError, OverflowError):
        pass
    shown = printed.strip()[:MOST_SHOWN] or "nothing"
    raise L3Error(
        f"the board on {port} answers {shown!r}, not what was asked: a program on it printed in between, or it is "
        "not MicroPython or CircuitPython. Reset it and try again"
    )
