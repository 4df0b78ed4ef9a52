"""The models that ship: what their cards and the README promise of size, work and values."""

import csv

import numpy as np
import pytest

from l3host.boards import estimates
from l3host.datasets import fingerprints
from l3host.engines import engine_for
from l3host.l3m.load import SHIPPED, find, load_graph, open_reader
from l3host.sound import synth
from l3host.sound.audio import to_pcm
from l3host.sound.resampling import resample

# the first eight values of what the network as trained, in Keras, makes of two seconds of two sounds of synth.py
EMBEDDINGS = {
    "rain": [0.174, 0.173, 0.506, 0.0, 0.521, 0.095, 0.341, 0.0],
    "helicopter": [0.299, 0.183, 0.233, 0.492, 0.363, 0.382, 1.471, 0.777],
}


@pytest.mark.parametrize("name", ["esc10", "l3-64"])
def test_a_model_that_ships_is_small_and_runs_on_every_board(name):
    reader = open_reader(name)
    try:
        assert find(name).stat().st_size <= 100_000
        assert sum(layer.taps * layer.outputs * layer.rows * layer.cols for layer in reader.layers) <= 12_000_000
        assert all(board["fits"] for board in estimates.report(reader).values())
    finally:
        reader.close()


@pytest.mark.parametrize("name", ["esc10", "l3-64"])
def test_a_model_that_ships_names_each_clip_that_it_heard(name):
    with open(SHIPPED / "attribution.csv", encoding="utf-8", newline="") as file:
        credited = len(list(csv.DictReader(file)))
    assert len(fingerprints.known(load_graph(name).provenance)) == credited == 1401


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_the_embedding_that_ships_has_the_trained_networks_values(name):
    graph = load_graph("l3-64")
    assert not graph.labels and graph.fixed
    pcm = to_pcm(resample(synth.sound(name, 2.0), synth.RATE, 16000))[None]
    (embedding,) = engine_for(graph)(pcm).embedding
    assert embedding.shape == (64,)
    np.testing.assert_allclose(embedding[:8], EMBEDDINGS[name], atol=0.02)
