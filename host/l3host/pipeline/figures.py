"""Pictures of a report as text that stands in the page: SVG, or the PNG of a drawing that others make too."""

from __future__ import annotations

import base64
import io
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

STYLE = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#888", "axes.labelcolor": "#333",
    "xtick.color": "#555", "ytick.color": "#555", "axes.grid": True, "grid.color": "#e4e4e4", "axes.axisbelow": True,
    "legend.frameon": False, "svg.hashsalt": "l3mote",
}  # fmt: skip
ROOM = 1.6  # left and right of the points, as a factor: so there is a tick, however near they are to each other
COLOURS = ("#2563a8", "#c2410c", "#15803d", "#7e3aa8", "#a16207", "#0e7490", "#be185d", "#4d4d4d")


class Point(NamedTuple):
    name: str
    cost: float
    value: float


def front(points: Sequence[Point]) -> list[Point]:
    """Return the Pareto front: points that no other one beats in cost without being worse in value, the cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.value)):
        if not best or point.value > best[-1].value:
            best.append(point)
    return best


def pareto(panels: dict[str, list[Point]], what: str) -> str:
    """Draw a panel for each cost (its name is the axis), all with the same value axis. A name has one colour everywhere."""
    names = list(dict.fromkeys(point.name for points in panels.values() for point in points))

    def draw(figure) -> None:
        rows = -(-len(panels) // 2)
        axes = figure.subplots(rows, 2, sharey=True, squeeze=False)
        for ax, (cost, points) in zip(axes.flat, panels.items(), strict=False):
            best = front(points)
            ax.step([p.cost for p in best], [p.value for p in best], where="post", color="#bbb", linewidth=1, zorder=1)
            for point in points:
                colour = COLOURS[names.index(point.name) % len(COLOURS)]
                marker = "osD^v"[names.index(point.name) // len(COLOURS) % 5]
                ax.scatter(point.cost, point.value, s=42, color=colour, marker=marker, zorder=2)
            ax.set_xscale("log")
            low, high = min(p.cost for p in points) / ROOM, max(p.cost for p in points) * ROOM
            ticks = [m * 10.0**e for e in range(-3, 10) for m in (1, 2, 5) if low < m * 10.0**e < high]
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.set_xticks([], minor=True)
            ax.set_xlim(low, high)
            ax.set_xlabel(cost)
            ax.margins(y=0.12)
        for ax in axes.flat[len(panels) :]:
            ax.remove()
        for ax in axes[:, 0]:
            ax.set_ylabel(what)
        handles = [
            figure.axes[0].scatter([], [], s=42, color=COLOURS[i % len(COLOURS)], marker="osD^v"[i // len(COLOURS) % 5], label=name)
            for i, name in enumerate(names)
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(names)))

    return svg(draw, 7.6, 2.9 * -(-len(panels) // 2) + 0.4)


def sparsity(families: dict[str, list[Point]], uncompressed: dict[str, float], what: str) -> str:
    """Draw values against zeros: a dot a run, a line through the mean of each cost; uncompressed networks are dashed lines."""

    def draw(figure) -> None:
        ax = figure.subplots()
        for (name, points), colour in zip(families.items(), COLOURS * len(families), strict=False):
            ax.scatter([p.cost for p in points], [p.value for p in points], s=14, color=colour, alpha=0.4)
            ax.plot(*means(points), marker="o", color=colour, label=name)
        for (name, value), style in zip(uncompressed.items(), ("--", ":", "-.") * len(uncompressed), strict=False):
            ax.axhline(value, linestyle=style, color="#666", label=name)
        ax.set(xlabel="zeros among the convolutions' weights, per cent", ylabel=what)
        ax.legend()

    return svg(draw, 5.6, 3.4)


def means(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Return the costs, ascending, and the mean value at each."""
    costs = sorted({p.cost for p in points})
    return costs, [statistics.fmean(p.value for p in points if p.cost == cost) for cost in costs]


def losses(curves: dict[str, Sequence[float]]) -> str:
    """Draw one curve a training, over its epochs."""
    from matplotlib.ticker import MaxNLocator

    def draw(figure) -> None:
        ax = figure.subplots()
        for (name, values), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
            ax.plot(range(1, len(values) + 1), values, marker="." if len(values) < 30 else None, color=colour, label=name)
        ax.set(xlabel="epoch", ylabel="loss", yscale="log")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        for axis_formatter in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
            axis_formatter("{x:g}")
        ax.legend()

    return svg(draw, 5, 2.6)


def svg(draw: Callable, width: float, height: float) -> str:
    """Return the <svg> element of what draw(figure) draws; the same drawing gives the same text."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(cast(Any, STYLE)):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def png(draw: Callable[[Path], None]) -> str:
    """Return the data: address of the PNG file that draw(path) writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        draw(path)
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
