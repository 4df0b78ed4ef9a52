"""What a .l3m file holds: the layer table, where its bytes go, and whether it runs on a board."""

from __future__ import annotations

from typing import Any, TypedDict

from l3host.boards import estimates
from l3host.l3m.load import NAMES, provenance_of
from l3mote.format import CONV, PALETTE_BYTES, Layer
from l3mote.reader import Reader

POSITIONS = ("dense", "byte gaps", "nibble gaps", "bitmap")  # by position code
PARTS = ("values", "positions", "palettes", "biases")


class LayerRow(TypedDict):
    """A layer of the file. Shapes are [rows (time), bands, channels]; bytes: of PARTS and other."""

    name: str
    kind: str
    activation: str
    encoding: str
    input: list[int]
    output: list[int]
    parameters: int
    nonzeros: int
    density: float
    bytes: dict[str, int]
    macs_dense: int
    macs_nonzero: int
    activation_bytes: int


class Description(TypedDict):
    """What a file holds and costs."""

    format_version: int
    frontend: dict[str, float]
    labels: list[str]
    bytes: dict[str, int]  # total, PARTS and other
    layers: list[LayerRow]
    macs_dense: int
    macs_nonzero: int
    boards: dict[str, estimates.OnBoard]
    provenance: dict[str, Any]


def encoding_name(layer: Layer) -> str:
    return f"{POSITIONS[layer.code]}, {'palette' if layer.palette else 'f16'}"


def layer_bytes(reader: Reader, layer: Layer, buffer: bytearray) -> dict[str, int]:
    """Return the bytes of values, positions (with the counts), palette and biases in a layer's chunks.

    Other is headers and padding.
    """
    values = positions = 0
    for chunk in reader.chunks(layer, buffer):
        values += layer.value_bytes * chunk.n_values
        if layer.code:
            positions += chunk.n_position_bytes + 2 * chunk.filters
    sizes = {"values": values, "positions": positions, "palettes": PALETTE_BYTES * layer.palette, "biases": 4 * layer.outputs}
    return sizes | {"other": layer.length - sum(sizes.values())}


def layer_row(reader: Reader, layer: Layer, buffer: bytearray) -> LayerRow:
    pixels = layer.rows * layer.cols if layer.kind == CONV else 1
    weights = layer.outputs * layer.taps
    return {
        "name": layer.name,
        "kind": "conv3x3" if layer.kind == CONV else "dense",
        "activation": NAMES[layer.activation],
        "encoding": encoding_name(layer),
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


def describe(reader: Reader, heap: int | None = None) -> Description:
    """Everything `inspect` prints, as JSON-ready values."""
    buffer = bytearray(reader.chunk_bytes)
    layers = [layer_row(reader, layer, buffer) for layer in reader.layers]
    sums = {key: sum(row["bytes"][key] for row in layers) for key in PARTS}
    total = reader.length
    return {
        "format_version": reader.version,
        "frontend": {name: getattr(reader.frontend, name) for name in reader.frontend.FIELDS},
        "labels": reader.labels,
        "bytes": {"total": total, **sums, "other": total - sum(sums.values())},
        "layers": layers,
        "macs_dense": sum(row["macs_dense"] for row in layers),
        "macs_nonzero": sum(row["macs_nonzero"] for row in layers),
        "boards": estimates.report(reader, heap),
        "provenance": provenance_of(reader),
    }
