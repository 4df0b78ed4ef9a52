"""Files as small as the papers' counts of values, with everything in them, and embeddings that stay the same."""

import numpy as np
from models import stream
from support import shared

import l3convert
from l3host.graph.half import rounded
from l3host.graph.network import Conv, Graph, frontend
from l3host.l3m import writer
from l3host.reference import floats
from l3mote import format as fmt
from l3mote.reader import Reader

# EdgeL3 (Kumari et al. 2019), Table II: filters, percent of the weights that are zero, pools over (bands, frames)
FILTERS = (64, 64, 128, 128, 256, 256, 512, 512)
PLAN = (0, 85, 85, 85, 75, 95, 98, 98)
POOLS = {1: (2, 2), 3: (2, 2), 5: (2, 2), 7: (32, 24)}
PAPER = 2 * 213_491  # bytes of its values alone in float16
FIXED = 12_000  # bytes of the FIXED section at most, FORMAT.md with 2,048 points of DFT, 256 bands and 1,920 filters


def pruned(kernel: np.ndarray, share: float) -> np.ndarray:
    return np.where(np.abs(kernel) <= np.quantile(np.abs(kernel), share), 0, kernel) if share else kernel


def edgel3() -> Graph:
    """The published shape with random weights, pruned by the published plan."""
    rng = np.random.default_rng(0)
    layers, inputs = [], 1
    for i, (filters, percent) in enumerate(zip(FILTERS, PLAN, strict=True)):
        kernel = rng.normal(size=(3, 3, inputs, filters)) * np.sqrt(2 / (9 * inputs))
        layers.append(Conv(f"conv{i + 1}", pruned(kernel, percent / 100), np.zeros(filters), "relu", POOLS.get(i, (1, 1))))
        inputs = filters
    layers[-1].activation = "none"
    return Graph(frontend("mel256"), layers)


def cosine(graph: Graph, seed: int) -> float:
    """Of the embeddings with float16 weights and with palettes, for one window of noise in bursts."""
    n = graph.frontend.window
    rng = np.random.default_rng(seed)
    window = rng.normal(size=(1, n)) * 0.1 * (1 + np.sin(np.arange(n) * 40 / n)) ** 2
    a, b = (floats.run(rounded(graph, e), window, np.float32).embedding[0].astype(float) for e in ("auto", "palette"))
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_edgel3_9545_is_smaller_than_the_papers_values_alone():
    graph = edgel3()
    data = writer.to_bytes(graph, "palette")
    layers = Reader(stream(data)).layers
    assert sum(layer.nonzeros for layer in layers) in range(213_200, 213_300)
    assert [layer.code for layer in layers] == [fmt.ALL, *[fmt.NIBBLE_GAPS] * 3, fmt.BITMAP, fmt.NIBBLE_GAPS, *[fmt.BYTE_GAPS] * 2]
    print(f"{len(data)} bytes, with FIXED at most {len(data) + FIXED}: {(len(data) + FIXED) / PAPER:.3f} of the paper's values")
    assert len(data) + FIXED <= PAPER
    result = cosine(graph, 0)
    print(f"cosine {result:.6f}")
    assert result >= 0.999


def test_sea64_at_90_percent():
    graph = l3convert.convert(str(shared("models/edgel3_sea_ust_audio_emb_64.h5")))
    threshold = np.quantile(np.concatenate([np.abs(layer.kernel).ravel() for layer in graph.layers]), 0.9)
    for layer in graph.layers:
        layer.kernel = np.where(np.abs(layer.kernel) <= threshold, 0, layer.kernel)
    data = writer.to_bytes(graph, "palette")
    print(f"{len(data)} bytes")
    assert len(data) + 5100 <= 85_000  # FIXED: 1,024 points, 64 bands, 544 filters
    assert min(cosine(graph, seed) for seed in range(3)) >= 0.999
