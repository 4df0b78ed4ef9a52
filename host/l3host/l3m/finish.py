"""Finish a graph for its file: round its weights, remove dead filters, calibrate fixed-point scales, note what is done to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from l3host.graph.dead import without_dead_filters
from l3host.graph.half import rounded
from l3host.graph.network import Graph
from l3host.reference.fixed_point import calibrate

PALETTE_PASS = "palettes of at most 256 float16 values a layer"


def with_pass(graph: Graph, text: str) -> Graph:
    """Return the graph with one more line in the passes of its provenance."""
    return replace(graph, provenance={**graph.provenance, "passes": [*graph.provenance.get("passes", []), text]})


def pruned(graph: Graph) -> Graph:
    """Return the graph without dead filters; its provenance says how many there were."""
    graph, lost = without_dead_filters(graph)
    return with_pass(graph, "dead filters removed: " + ", ".join(f"{name} {n}" for name, n in lost.items())) if lost else graph


def finish(graph: Graph, encoding: str = "auto", windows: np.ndarray | None = None, sounds: str = "") -> Graph:
    """Return the graph as its file will hold it, ready for writer.to_bytes.

    encoding: as half.rounded takes it. windows: int16 (N, window) to measure fixed-point scales on, None for a file without
    them or with those that the graph has; sounds: what the windows are of, for the provenance.
    """
    if encoding == "palette":
        graph = with_pass(graph, PALETTE_PASS)
    if windows is None:
        return graph if graph.fixed else pruned(graph)  # scales that the graph has are those of its filters
    graph = pruned(rounded(graph, encoding))  # scales are measured with the weights that the file holds
    graph = replace(graph, fixed=calibrate(graph, windows))
    return with_pass(graph, f"fixed-point scales calibrated on {sounds}")
