"""convert(): recognise a file by its content, read its layers, build the Graph and say where it came from."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from l3convert import bounded, keras_v3, l3shape, legacy_h5, onnx, tflite
from l3convert.keras_config import KerasLayer
from l3host import costs
from l3host.errors import L3Error, malformed, reason
from l3host.files import read_bytes
from l3host.graph.network import Graph
from l3host.l3m.load import load_graph
from l3mote import __version__
from l3mote.format import MAGIC


class Format(NamedTuple):
    name: str
    offset: int  # of the bytes by which it is recognised
    magic: bytes
    read: Callable[..., list[KerasLayer]]  # bytes of the file, and those of NAME.data beside it if has_data
    has_data: bool = False

    def of(self, data: bytes) -> bool:
        return data[self.offset : self.offset + len(self.magic)] == self.magic


FORMATS = (
    Format("Keras .h5", 0, b"\x89HDF\r\n\x1a\n", legacy_h5.read),
    Format("Keras 3 .keras", 0, b"PK\x03\x04", keras_v3.read),
    Format("TFLite", 4, b"TFL3", tflite.read),
    Format("ONNX", 0, b"\x08", onnx.read, has_data=True),  # protobuf has no magic: this is the tag of the first field
)
GZIP = b"\x1f\x8b"


def convert(path: str, frontend: str | None = None, embedding_size: int | None = None, scores: str | None = None) -> Graph:
    """Read a foreign network and return it as a checked Graph with its batch norms folded; or a .l3m, as it is.

    frontend: a name of l3host.graph.FRONTENDS, for a network that takes the log-mel plane (bands, frames, 1) itself.
    embedding_size: values of the embedding of a network that ends in a bare convolution (its channels, or 12 times that).
    scores: softmax or sigmoid, for a network whose outputs are logits.
    Raises L3Error, in one line that names the layer, for anything that is not L3-shaped or cannot be read.
    """
    data = read_bytes(Path(path))
    if data.startswith(MAGIC):
        return load_graph(path)
    try:
        graph = l3shape.build(layers(Path(path)), frontend, embedding_size, scores)
    except L3Error as e:
        raise L3Error(f"{Path(path).name}: {e}") from None
    costs.check(Path(path).name, graph.cost())
    graph.provenance |= {
        "source": Path(path).name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "tool": f"l3mote {__version__}",
    }
    return graph


def layers(path: Path) -> list[KerasLayer]:
    """Return the layers of a foreign file, which may be gzipped, read by a child process with limits. Raises L3Error."""
    data = unzipped(read_bytes(path))
    beside = path.with_name(path.name + ".data")
    return bounded.layers(data, read_bytes(beside) if format_of(data).has_data and beside.exists() else b"")


def read(data: bytes, beside: bytes = b"") -> list[KerasLayer]:
    """Return the layers of a file of any of the formats; what bounded.py does in its child. Raises L3Error."""
    form = format_of(data)
    return form.read(data, beside) if form.has_data else form.read(data)


def format_of(data: bytes) -> Format:
    """Return the format that these bytes are in. Raises L3Error when there is none."""
    for form in FORMATS:
        if form.of(data):
            return form
    *names, last = (form.name for form in FORMATS)
    raise L3Error(f"unknown format (first bytes {data[:4].hex(' ')}): supported are {', '.join(names)} and {last}")


def unzipped(data: bytes) -> bytes:
    """Return what a gzipped file holds, or the file itself. Raises L3Error for one that is damaged or unpacks to too much."""
    if not data.startswith(GZIP):
        return data
    most = 0 if costs.unlimited() else costs.FILE_BYTES + 1
    stream = zlib.decompressobj(wbits=31)
    try:
        whole = stream.decompress(data, most)
    except malformed() as e:
        raise L3Error(f"damaged gzip file: {reason(e)}") from None
    costs.check_size("the gzipped file", len(whole), costs.FILE_BYTES)
    if not stream.eof or stream.unused_data:
        raise L3Error("damaged gzip file: it is cut, or something follows it")
    return whole
