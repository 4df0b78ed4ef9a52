"""Tables and figures of BENCHMARKS.md."""

from __future__ import annotations


def table(columns: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in [columns, ["---"] * len(columns), *rows]]
    return "\n".join(lines) + "\n"


def short(value: float) -> str:
    """Return three significant digits: 4.31, 56.2, 306 k, 80.7 M, 1.29 G."""
    for factor, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{suffix}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def kilobytes(n: int) -> str:
    return f"{n / 1000:.1f} kB"
