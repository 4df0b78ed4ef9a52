"""What a .l3m file holds: the layer table, where its bytes go, and whether it runs on a board."""

from __future__ import annotations

import json

from l3host import boards
from l3host.load import NAMES
from l3mote.format import CONV, SPARSE_F16, Layer
from l3mote.reader import Reader

ENCODINGS = {0: "f16", 1: "sparse f16"}


def layer_bytes(reader: Reader, layer: Layer, buffer: bytearray) -> dict:
    """Bytes of values, positions (sparse: gaps and counts) and biases in a layer's chunks; other is headers and padding."""
    values = positions = 0
    for chunk in reader.chunks(layer, buffer):
        values += 2 * chunk.n_values
        if layer.encoding == SPARSE_F16:
            positions += chunk.n_position_bytes + 2 * chunk.filters
    biases = 4 * layer.outputs
    return {"values": values, "positions": positions, "biases": biases, "other": layer.length - values - positions - biases}


def layer_row(reader: Reader, layer: Layer, buffer: bytearray) -> dict:
    pixels = layer.rows * layer.cols if layer.kind == CONV else 1
    weights = layer.outputs * layer.taps
    return {
        "name": layer.name,
        "kind": "conv3x3" if layer.kind == CONV else "dense",
        "activation": NAMES[layer.activation],
        "encoding": ENCODINGS[layer.encoding],
        "input": [layer.rows, layer.cols, layer.inputs],
        "output": [layer.out_rows, layer.out_cols, layer.outputs],
        "parameters": weights + layer.outputs,
        "nonzeros": layer.nonzeros,
        "density": layer.nonzeros / weights,
        "bytes": layer_bytes(reader, layer, buffer),
        "macs_dense": pixels * weights,
        "macs_nonzero": pixels * layer.nonzeros,
        "activation_bytes": 4 * layer.out_size,
    }


def describe(reader: Reader, heap: int | None = None) -> dict:
    """Everything `inspect` prints, as JSON-ready values."""
    buffer = bytearray(reader.chunk_bytes)
    layers = [layer_row(reader, layer, buffer) for layer in reader.layers]
    sums = {key: sum(row["bytes"][key] for row in layers) for key in ("values", "positions", "biases")}
    total = reader.length
    return {
        "format_version": reader.version,
        "frontend": {name: getattr(reader.frontend, name) for name in reader.frontend.FIELDS},
        "labels": reader.labels,
        "bytes": {"total": total, **sums, "other": total - sum(sums.values())},
        "layers": layers,
        "macs_dense": sum(row["macs_dense"] for row in layers),
        "macs_nonzero": sum(row["macs_nonzero"] for row in layers),
        "boards": boards.report(reader, heap),
        "provenance": json.loads(reader.provenance()),
    }
