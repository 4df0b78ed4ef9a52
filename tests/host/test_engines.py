"""onnxruntime in place of the NumPy reference: the same numbers to 1e-5, chosen where it is installed, and said."""

import importlib.util

import numpy as np
import pytest
import soundfile
from support import require, shared

from l3convert import convert
from l3host import cli, engines, get_embedding
from l3host.engines import engine_for, numpy_engine
from l3host.errors import L3Error
from l3host.graph.network import Conv, Dense, Graph, frontend
from l3host.l3m.load import load_graph


@pytest.fixture
def fast():
    require(importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"), "the extra `fast` is not installed")


def windows(fe, n=5):
    x = np.random.default_rng(2).normal(0, 0.1, (n, fe.window))
    x[1] = 0
    return x


def headed(activation):
    """Uneven pools that cut rows off, a convolution without ReLU, a hidden dense layer and a last one."""
    rng = np.random.default_rng(3)
    fe = frontend("two-seconds")
    layers = [
        Conv("a", rng.normal(0, 0.3, (3, 3, 1, 4)), rng.normal(size=4), "relu", (5, 3)),
        Conv("b", rng.normal(0, 0.2, (3, 3, 4, 3)), rng.normal(size=3), "none", (4, 16)),
        Dense("c", rng.normal(0, 0.3, (9, 5)), rng.normal(size=5), "relu"),
        Dense("d", rng.normal(0, 0.3, (5, 3)), rng.normal(size=3), activation),
    ]
    return Graph(fe, layers, ["x", "y", "z"])


def sea():
    return convert(str(shared("models/edgel3_sea_ust_audio_emb_64.h5")))


GRAPHS = {
    "shipped": lambda: load_graph("esc10"),
    "shipped embedding": lambda: load_graph("l3-64"),
    "sea64": sea,
    "softmax": lambda: headed("softmax"),
    "sigmoid": lambda: headed("sigmoid"),
    "logits": lambda: headed("none"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_onnxruntime_gives_the_references_numbers(fast, name):
    graph = GRAPHS[name]()
    x = windows(graph.frontend)
    expected, result = numpy_engine(graph, np.float64)(x), engine_for(graph, "onnxruntime")(x)
    for ours, theirs in zip(result, expected, strict=True):
        assert ours.shape == theirs.shape and ours.dtype == np.float32
        assert np.abs(ours - theirs).max() <= 1e-5 * max(1, np.abs(theirs).max())


def test_int16_windows_are_those_in_units_of_full_scale(fast):
    engine = engine_for(load_graph("esc10"))
    x = np.round(windows(engine.graph.frontend) * 32768).astype(np.int16)
    assert (engine(x).output == engine(x / 32768).output).all()


def test_what_is_installed_is_chosen(fast, monkeypatch):
    graph = load_graph("esc10")
    assert engine_for(graph).name.startswith("onnxruntime ")
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert engine_for(graph).name.startswith("NumPy ")
    with pytest.raises(L3Error, match=r"not installed: pip install 'l3mote\[fast\]'"):
        engine_for(graph, "onnxruntime")
    with pytest.raises(L3Error, match="no such engine: torch .*onnxruntime, numpy"):
        engine_for(graph, "torch")


@pytest.mark.parametrize("command", ["classify", "embed"])
def test_commands_say_what_computed(fast, command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    soundfile.write("x.wav", windows(frontend("sea"))[0], 8000)
    for engine, message in ((None, "onnxruntime"), ("numpy", "NumPy")):
        options = ["--engine", engine] if engine else []
        assert cli.main([command, "esc10", "x.wav", *options, *(["--force"] if command == "embed" else [])]) == 0
        assert f"computed by {message} " in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:audio is shorter")
def test_embeddings_by_both_agree(fast):
    x = windows(frontend("sea"))[0]
    result, expected = (get_embedding(x, 8000, "esc10", engine=engine)[0] for engine in ("onnxruntime", "numpy"))
    assert not (result == expected).all()  # else one of them was not used
    assert np.abs(result - expected).max() <= 1e-5 * np.abs(expected).max()
