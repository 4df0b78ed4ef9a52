"""The error that commands print as one line, and any other in words."""

from l3mote import FormatError, KernelError


class L3Error(Exception):
    """Something the user can act on; the message says what is wrong and what to do."""


def reason(error: Exception) -> str:
    """What a command prints of an error."""
    if isinstance(error, (L3Error, FormatError, KernelError, MemoryError, OSError)):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error} (this was not foreseen: --debug shows where)"
