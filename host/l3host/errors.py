"""The one exception that a command turns into one line."""


class L3Error(Exception):
    """Something the user can act on; the message says what is wrong and what to do."""
