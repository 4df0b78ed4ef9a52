"""The whole of EdgeL3 (48 kHz, 256 bands, 95.45 % zeros; 12.7 MB of float activations) in a small heap, every bit right.

`make edgel3` prints what it costs in more heaps and with viper.
"""

import numpy as np
import pytest
from edgel3 import make, run, vary
from support import runtime_of

from l3host.compress.random_model import one_window_each
from l3host.l3m.load import load_graph
from l3host.reference import fixed_point

SOUNDS = 4
NONZERO = 213_491  # EdgeL3's parameters without zeros (Kumari et al., PAISE 2019, Table II), 0.2 % for rounding


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    runtime_of("unix")
    return make(tmp_path_factory.mktemp("edgel3") / "model.l3m")


def test_edgel3_in_768k(model):
    graph = load_graph(str(model))
    assert abs(sum(np.count_nonzero(layer.kernel) for layer in graph.layers) / NONZERO - 1) < 0.002
    assert all((layer.bias != 0).all() for layer in graph.layers)
    pcm = one_window_each(graph.frontend)[:SOUNDS]
    facts, embeddings = run(model, pcm, "768k", "native")
    assert facts["selftest"]  # every bit, by the file's checksum of the reference's integers
    assert (embeddings[:1] == fixed_point.run(graph, graph.fixed, pcm[:1]).embedding).all()
    assert embeddings.shape == (SOUNDS, 512) and vary(embeddings) >= 0.5
    assert facts["tiles"] > 1 and facts["peak"] <= 768 * 1024 and facts["flash"] == facts["plan_flash"]
