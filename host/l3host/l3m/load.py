""".l3m -> Graph, through the device's own reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from l3host import costs
from l3host.errors import L3Error
from l3host.graph.fixed_point import FixedPoint, LayerScale, Scale, Tables
from l3host.graph.half import F16_TINY
from l3host.graph.network import ACTIVATIONS, Conv, Dense, Graph
from l3mote import format as fmt
from l3mote.positions import unpack
from l3mote.reader import Reader

NAMES = {number: name for name, number in ACTIVATIONS.items()}
SHIPPED = Path(__file__).parents[1] / "models"


def find(model: str) -> Path:
    """Return the path of a model: a file, or the bare name of one that ships with the package."""
    path = Path(model)
    if path.is_file():
        return path
    shipped = SHIPPED / f"{model}.l3m"
    if path.name == model and shipped.exists():
        return shipped
    if path.is_dir():
        raise L3Error(f"{model} is a directory, not a model file")
    names = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.l3m")))
    raise L3Error(f"no such model: {model} (a path, or the name of a shipped one: {names})")


def open_reader(model: str) -> Reader:
    """Return the device's reader on a model file.

    Raises L3Error if it cannot be opened, is not valid, or costs too much (costs.py).
    """
    path = find(model)
    try:
        reader = Reader(str(path))
    except fmt.FormatError as e:
        hint = (
            ""
            if read_start(path) == fmt.MAGIC
            else f"; another network is converted first: l3mote convert {path} -o {path.stem}.l3m"
        )
        raise L3Error(f"{path}: {e}{hint}") from None
    except OSError as e:
        raise L3Error(f"cannot read {path}: {e.strerror}") from None
    try:
        products = [costs.Product(layer.rows, layer.cols, layer.taps, layer.outputs) for layer in reader.layers]
        costs.check(str(path), costs.cost(reader.frontend, products))
    except L3Error:
        reader.close()
        raise
    return reader


def read_start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(fmt.MAGIC))


def _weights(reader: Reader, layer: fmt.Layer, buffer: bytearray) -> tuple[np.ndarray, np.ndarray]:
    """Return (filters, taps) and biases, decoded with NumPy (l3mote.verify is the readable way, this the fast one)."""
    rows = np.zeros((layer.outputs, layer.taps), np.float32)
    bias = np.zeros(layer.outputs, np.float32)
    positions = np.zeros(layer.taps, np.uint16)
    for chunk in reader.chunks(layer, buffer):
        values = _values(chunk, buffer)
        at, first = chunk.positions, 0
        for f in range(chunk.filters):
            n = chunk.count(buffer, f)
            bias[chunk.first + f] = chunk.bias(buffer, f)
            if layer.code:
                at = unpack(chunk, buffer, at, n, positions)
                rows[chunk.first + f, positions[:n]] = values[first : first + n]
            else:
                rows[chunk.first + f] = values[first : first + n]
            first += n
        if at != chunk.positions + chunk.n_position_bytes:
            raise chunk.error("position bytes are left over")
    return rows, bias


def _values(chunk: fmt.Chunk, buffer: bytearray) -> np.ndarray:
    """Return all values of a chunk, one filter's after the other's."""
    if chunk.layer.palette:
        palette = np.frombuffer(buffer, "<f2", fmt.PALETTE_BYTES // 2, chunk.palette)
        values = palette[np.frombuffer(buffer, np.uint8, chunk.n_values, chunk.values)]
    else:
        values = np.frombuffer(buffer, "<f2", chunk.n_values, chunk.values)
    values = values.astype(np.float32)
    if not (np.isfinite(values) & ((values == 0) | (np.abs(values) >= F16_TINY))).all():
        raise chunk.error("a weight is not a normal number")
    return values


def _layer(layer: fmt.Layer, rows: np.ndarray, bias: np.ndarray):
    activation = NAMES[layer.activation]
    if layer.kind == fmt.DENSE:
        return Dense(layer.name, rows.T.copy(), bias, activation)
    kernel = rows.reshape(layer.outputs, layer.inputs, 3, 3).transpose(3, 2, 1, 0).copy()
    return Conv(layer.name, kernel, bias, activation, (layer.pool_cols, layer.pool_rows))


def _fixed_point(reader: Reader) -> FixedPoint | None:
    section = reader.fixed()
    if section is None:
        return None
    ends = np.cumsum([layer.outputs for layer in reader.layers])
    shifts = np.split(np.array(section.shifts, np.int64), ends[:-1])
    layers = [LayerScale(*scales) for scales in zip(section.exponents, section.bits, shifts, strict=True)]
    names = ("hann", "cos", "log2", "first", "count", "weights")
    arrays = {name: np.array(getattr(section, name), np.int64) for name in names}
    tables = Tables(**arrays, silence=section.silence)
    return FixedPoint(section.input_exponent, section.input_bits, layers, tables, Scale(*section.scale))


def provenance_of(reader: Reader) -> dict[str, Any]:
    """Return the provenance. Raises FormatError unless it is a JSON object of moderate depth, with numbers of moderate length."""
    try:
        values = json.loads(reader.provenance())
        json.dumps(values)
        if isinstance(values, dict):
            return values
    except (ValueError, RecursionError):
        pass
    raise fmt.FormatError(f"PROVENANCE at byte {reader.sections['PROVENANCE'][0]} is not a JSON object that can be read")


def load_graph(model: str) -> Graph:
    """Read a .l3m file (path or shipped name) into a Graph. Raises L3Error with the file's name and the reason."""
    reader = open_reader(model)
    try:
        buffer = bytearray(reader.chunk_bytes)
        layers = [_layer(layer, *_weights(reader, layer, buffer)) for layer in reader.layers]
        provenance = provenance_of(reader)
        fixed = _fixed_point(reader)
    except fmt.FormatError as e:
        raise L3Error(f"{model}: {e}") from None
    finally:
        reader.close()
    return Graph(reader.frontend, layers, reader.labels, list(reader.thresholds), provenance, fixed)
