"""Sensitivity study of the EdgeL3 paper: each convolution pruned alone, everything else left as it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from l3host.compress import prune
from l3host.files import replace
from l3host.networks.backend import keras

PERCENTS = (20, 30, 40, 50, 60, 70, 80, 85, 90, 95)
FIRST_UP_TO = 60  # conv1 is pruned no further
DENSE = "dense"  # in place of a layer's name: nothing pruned


def trials(model: keras.Model) -> list[tuple[str, float]]:
    """Return (layer, per cent) of every measurement, the dense network's first."""
    names = list(prune.kernels(model))
    return [(DENSE, 0.0), *((name, float(p)) for name in names for p in PERCENTS if name != names[0] or p <= FIRST_UP_TO)]


def study(model: keras.Model, evaluate: Callable[[keras.Model], float], done: Collection[tuple[str, float]] = ()) -> Iterator[dict]:
    """Yield rows {"layer", "percent", "value"} for JSON, each as soon as it is measured.

    Those of `done` (layer, percent) are left out.

    evaluate(model) may change the network, and should: call batchnorm.reestimate before any measurement. Each measurement
    starts from the weights that the network came with, and it has them again after the last.
    """
    before = model.get_weights()
    names = list(prune.kernels(model))
    try:
        for layer, percent in trials(model):
            if (layer, percent) not in done:
                prune.zero(model, [percent if name == layer else 0 for name in names])
                value = float(evaluate(model))
                model.set_weights(before)
                yield {"layer": layer, "percent": percent, "value": value}
    finally:
        model.set_weights(before)


def draw(rows: Sequence[dict], path: str | Path, what: str) -> None:
    """Draw one curve a layer over the share of zeros, the dense network as a line. what: the value's name, for the axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for layer in dict.fromkeys(row["layer"] for row in rows):
        points = sorted((row["percent"], row["value"]) for row in rows if row["layer"] == layer)
        if layer == DENSE:
            axes.axhline(points[0][1], color="black", linewidth=0.8, linestyle="--", label=DENSE)
        else:
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=layer)
    axes.set_xlabel("weights of this layer that are zero (%)")
    axes.set_ylabel(what)
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    with replace(Path(path)) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
