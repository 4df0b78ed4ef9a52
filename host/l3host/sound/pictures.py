"""Pictures of sound, by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from l3host.errors import L3Error

if TYPE_CHECKING:
    from l3host.sound.levels import Levels


def figure(width: float, height: float):
    """Return a matplotlib figure that no window shows. Raises L3Error without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise L3Error("pictures need matplotlib: pip install 'l3mote[report]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def levels_over_time(path: Path, by_file: dict[str, Levels], every: float) -> None:
    """Draw LAeq of each `every` seconds, with L10 and L90, of one recording below the other."""
    page = figure(9, 2.6 * len(by_file))
    axes = page.subplots(len(by_file), 1, squeeze=False)[:, 0]
    for ax, (name, levels) in zip(axes, by_file.items(), strict=True):
        rows = list(levels.over_time(every))
        ax.plot([row["t"] for row in rows], [row["LAeq"] for row in rows], label=f"LAeq, {every:g} s")
        for share, style in ((10, "--"), (90, ":")):
            ax.axhline(levels.exceeded(share), linestyle=style, color="gray", label=f"L{share}")
        ax.set(title=Path(name).name, xlabel="seconds", ylabel="dB SPL" if levels.offset else "dB of full scale")
        ax.legend(loc="upper right", fontsize="small")
    page.savefig(path)
