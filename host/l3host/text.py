"""Text that others wrote (labels, layer and file names, provenance, what a board prints) on its way to a terminal or a table."""

from __future__ import annotations

import re

# control characters, direction marks, line separators, and halves of surrogate pairs, which no encoding accepts
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str, keep: str = "") -> str:
    r"""Return the text with characters that a terminal obeys as escapes (\x1b), except those in `keep`."""
    return UNSEEN.sub(lambda match: match[0] if match[0] in keep else match[0].encode("unicode_escape").decode(), text)


def file_name(text: str) -> str:
    """Return the text as the name of one file or folder: no path, not hidden, not too long for a file system."""
    return re.sub(r'[/\\:*?"<>|]', "_", clean(text)).lstrip(".")[:60] or "_"


def cell(value) -> str:
    """Return a value for a CSV file: clean, and never a formula in a spreadsheet. Numbers stay numbers."""
    if isinstance(value, (int, float)):
        return str(value)
    text = clean("" if value is None else str(value))
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text
