"""Small Graphs for tests, their .l3m bytes, and where things stand in those bytes (parsed without the package's own code)."""

import struct
from binascii import crc32
from dataclasses import replace
from io import BytesIO

import numpy as np

from l3host.graph import palette
from l3host.graph.half import to_half
from l3host.graph.network import Conv, Dense, Graph
from l3host.l3m import writer
from l3mote import format as fmt
from l3mote import kernels

TABLE = 16  # where the section table begins
FIRST = 88  # where the first section does, in a file of six
FLOAT_KERNELS = [name for name in kernels.KERNELS if name not in kernels.FIXED]
SECTIONS = ("FRONTEND", "LAYERS", "LABELS", "SELFTEST", "PROVENANCE", "WEIGHTS", "FIXED")


# -- graphs


def frontend(**changes) -> fmt.Frontend:
    """Two frames of four mel bands, cheap enough for thousands of runs; any field can be set."""
    values = (1000, 96, 48, 64, 32, 4, fmt.SCALE_MEL, fmt.PADDING_VALID, 0.0, 500.0, 1e-10, 80.0, 0.0125, 1.0)
    return fmt.Frontend(*{**dict(zip(fmt.Frontend.FIELDS, values, strict=True)), **changes}.values())


def kernel(rng, shape, density=1.0):
    """Random weights of a scale that keeps activations near 1, a `density` share of them not zero."""
    fan_in = np.prod(shape[:-1]) * density
    return rng.normal(size=shape) * np.sqrt(2 / max(fan_in, 1)) * (rng.random(shape) < density)


def conv(rng, name, inputs, outputs, density=1.0, pool=(1, 1), activation="relu") -> Conv:
    return Conv(name, kernel(rng, (3, 3, inputs, outputs), density), 0.1 * rng.normal(size=outputs), activation, pool)


def dense(rng, name, inputs, outputs, density=1.0, activation="none") -> Dense:
    return Dense(name, kernel(rng, (inputs, outputs), density), 0.1 * rng.normal(size=outputs), activation)


def tiny(seed=0, activation="relu") -> Graph:
    """One convolution and a pool over the whole plane: two outputs."""
    return Graph(frontend(), [conv(np.random.default_rng(seed), "conv1", 1, 2, 1.0, (4, 2), activation)], provenance={"tool": "t"})


def small(seed=0) -> Graph:
    """Eight convolutions in four pooled blocks, every other one sparse, and a softmax head of three classes."""
    rng = np.random.default_rng(seed)
    filters, inputs, layers = (3, 4, 4, 6, 6, 8, 8, 8), 1, []
    for i, outputs in enumerate(filters):
        density, pool = (0.15, (2, 2)) if i % 2 else (1.0, (1, 1))
        layers.append(conv(rng, f"conv{i + 1}", inputs, outputs, density, pool))
        inputs = outputs
    layers.append(dense(rng, "head", inputs, 3, 1.0, "softmax"))
    plane = frontend(window=512, n_fft=128, bands=16, padding=fmt.PADDING_SAME)
    return Graph(plane, layers, ["hum", "click", "müll"], [0.5, 0.25, 0.75], {"source": "tests", "tool": "models.py"})


def classifier(seed=0, density=0.3) -> Graph:
    """One sparse convolution, a hidden layer and two labels: every kind of record in a few hundred bytes."""
    rng = np.random.default_rng(seed)
    layers = [
        conv(rng, "conv1", 1, 3, density, (2, 1)),
        dense(rng, "hidden", 12, 3, density, "relu"),
        dense(rng, "head", 3, 2, 1.0, "sigmoid"),
    ]
    return Graph(frontend(), layers, ["ä", "b"], [0.5, 0.25], {"tool": "t"})


def loud_and_quiet():
    """A network of two values: how loud the loudest band is, and how quiet the quietest, which tells a tone from noise."""
    eight = {"sample_rate": 8000, "window": 4096, "hop": 4096, "n_fft": 1024, "hop_length": 256, "fmax": 4000.0, "bands": 16}
    kernel = np.zeros((3, 3, 1, 2))
    kernel[1, 1, 0] = 1, -1
    return Graph(frontend(**eight, padding=fmt.PADDING_SAME), [Conv("conv1", kernel, np.array([0.0, 1.0]), "relu", (16, 16))])


def in_palettes(graph: Graph) -> Graph:
    """The graph with weights that a palette holds, in every layer."""
    layers = [replace(layer, kernel=palette.restore(*palette.quantise(to_half(layer.kernel)[0]))) for layer in graph.layers]
    return replace(graph, layers=layers)


# -- bytes


def data(graph, encoding="auto") -> bytearray:
    return bytearray(writer.to_bytes(graph, encoding))


def sections(data):
    """[(offset, length)] as the table says."""
    count = 7 if data[6] == 7 and len(data) >= FIRST + 12 else 6
    return [struct.unpack_from("<II", data, TABLE + 12 * i + 4) for i in range(count)]


def at(data, section, offset=0) -> int:
    """Byte offset of a place in a section, given by name."""
    return sections(data)[SECTIONS.index(section)][0] + offset


def layer_at(data, index, offset=0) -> int:
    return at(data, "LAYERS", 48 * index + offset)


def chunk_at(data, index=0, offset=0) -> int:
    """Byte offset of a place in the chunk with this number, counted over all layers."""
    return list(chunk_offsets(data))[index] + offset


def chunk_offsets(data):
    """Where each chunk begins, one after the other, as far as they make sense."""
    place, size = sections(data)[5]
    end = min(len(data), place + size)
    while place + 12 <= end:
        yield place
        place += 12 + struct.unpack_from("<I", data, place + 4)[0]


def poke(data, place, layout, *values) -> bytearray:
    """A copy with values packed in at a byte offset."""
    data = bytearray(data)
    struct.pack_into("<" + layout, data, place, *values)
    return data


def seal(data, chunks=True) -> bytearray:
    """A copy with its checksums made right again: of the chunks that fit the file, and of the file."""
    data = bytearray(data)
    if len(data) < FIRST:
        return data
    if chunks:
        for place in chunk_offsets(data):
            size = struct.unpack_from("<I", data, place + 4)[0]
            struct.pack_into("<I", data, place + 8, crc32(data[place + 12 : place + 12 + size]))
    struct.pack_into("<I", data, 12, crc32(data[16:]))
    return data


def split(data):
    """The sections' bytes, without padding."""
    return [bytes(data[offset : offset + size]) for offset, size in sections(data)]


def join(parts) -> bytearray:
    """The file of the sections' bytes, with a right header, table and checksums."""
    return bytearray(writer.assemble(parts))


def stream(data) -> BytesIO:
    return BytesIO(bytes(data))
