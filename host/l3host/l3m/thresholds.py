"""Replace a model file's thresholds; nothing else changes in it except what its provenance says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from l3host.l3m.load import load_graph, open_reader
from l3host.l3m.writer import to_bytes


def with_thresholds(model: str, thresholds: Sequence[float], tuned: dict) -> bytes:
    """Return the file with these thresholds, one a label, and `tuned` in its provenance. Raises L3Error as load_graph does."""
    graph, reader = load_graph(model), open_reader(model)
    reader.close()
    changed = replace(graph, thresholds=[float(t) for t in thresholds], provenance={**graph.provenance, "tuned": tuned})
    return to_bytes(changed, [layer.encoding for layer in reader.layers])
