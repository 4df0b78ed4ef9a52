"""convert(): recognise a file by its content, read its layers, build the Graph and say where it came from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from l3convert import bounded, keras_v3, l3shape, legacy_h5
from l3convert.keras_config import KerasLayer
from l3host import costs
from l3host.errors import L3Error
from l3host.files import read_bytes
from l3host.graph.network import Graph
from l3host.l3m.load import load_graph
from l3mote import __version__
from l3mote.format import MAGIC

# (first bytes, what it is, its reader: bytes of the file -> list of KerasLayer)
FORMATS = (
    (b"\x89HDF\r\n\x1a\n", "Keras .h5", legacy_h5.read),
    (b"PK\x03\x04", "Keras 3 .keras", keras_v3.read),
)


def convert(path: str, frontend: str | None = None, embedding_size: int | None = None) -> Graph:
    """Read a foreign network and return it as a checked Graph with its batch norms folded; or a .l3m, as it is.

    frontend: a name of l3host.graph.FRONTENDS, for a network that takes the log-mel plane (bands, frames, 1) itself.
    embedding_size: values of the embedding of a network that ends in a bare convolution (its channels, or 12 times that).
    Raises L3Error, in one line that names the layer, for anything that is not L3-shaped or cannot be read.
    """
    data = read_bytes(Path(path))
    if data.startswith(MAGIC):
        return load_graph(path)
    try:
        graph = l3shape.build(layers(data), frontend, embedding_size)
    except L3Error as e:
        raise L3Error(f"{Path(path).name}: {e}") from None
    costs.check(Path(path).name, graph.cost())
    graph.provenance |= {
        "source": Path(path).name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "tool": f"l3mote {__version__}",
    }
    return graph


def layers(data: bytes) -> list[KerasLayer]:
    """Return the layers of a foreign file, read by a child process with limits. Raises L3Error."""
    reader(data)
    return bounded.layers(data)


def reader(data: bytes):
    """Return the reader of the format that these bytes are in; raises L3Error when there is none."""
    for magic, _, read in FORMATS:
        if data.startswith(magic):
            return read
    known = " and ".join(name for _, name, _ in FORMATS)
    raise L3Error(f"unknown format (first bytes {data[:4].hex(' ')}): supported are {known}")
