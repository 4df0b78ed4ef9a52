"""What runs on the board during a deployment: the host sends its source to the board's prompt."""

from pathlib import Path

FOLDER = Path(__file__).parent


def source(name: str) -> str:
    """Return the source of a script of this folder."""
    return (FOLDER / f"{name}.py").read_text(encoding="utf-8")
