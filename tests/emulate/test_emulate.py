"""The unchanged device package in real MicroPython against the reference."""

import numpy as np
import pytest
from support import runtime_of, shared
from ten import TEN

import l3convert
from l3host.emulate import emulate, parity
from l3host.errors import L3Error
from l3host.graph.network import Conv, Dense
from l3host.l3m.load import load_graph
from l3host.l3m.writer import to_bytes
from l3host.reference import fixed_point
from l3host.sound import synth
from l3host.sound.audio import to_pcm
from l3mote.tolerances import EMBEDDING, FIXED_COSINE, LAYER_RELATIVE, SCORE


def sound_windows(name, graph, seconds=2.0):
    from l3host.sound.resampling import resample
    from l3host.sound.windows import windows_of

    fe = graph.frontend
    signal = resample(synth.sound(name, seconds), synth.RATE, fe.sample_rate)
    return windows_of(to_pcm(signal), fe.window, fe.hop, center=False)


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    path = tmp_path_factory.mktemp("sea") / "sea64.l3m"
    path.write_bytes(to_bytes(l3convert.convert(str(shared("models/edgel3_sea_ust_audio_emb_64.h5")))))
    return str(path)


def test_sea64_in_webassembly_with_ulab_layer_by_layer(sea):
    runtime_of("wasm")
    pcm = to_pcm(np.load(shared("golden/synth_am_noise.npz"))["audio"])[None]
    emulation = emulate(sea, pcm, "wasm")
    assert emulation.facts["kernel"] == "ulab"
    assert [p.name for p in emulation.layers] == [f"conv{i}" for i in range(1, 9)]
    for layer in emulation.layers:
        assert layer.max_rel <= LAYER_RELATIVE, layer
    assert emulation.embedding_parity["max_abs"] <= EMBEDDING
    assert emulation.embeddings.shape == (1, 64) and emulation.facts["selftest"]


@pytest.mark.parametrize("name", ["rain", "clock_tick"])
def test_a_classifier_in_the_readable_kernel(name):
    """In floats its window of two seconds and its planes stand side by side: more than the other kernels' 192 kB."""
    runtime_of("unix")
    graph = load_graph(TEN)
    pcm = sound_windows(name, graph)
    emulation = emulate(TEN, pcm, "unix", heap=256 * 1024, kernel="python")
    facts = emulation.facts
    assert facts["implementation"] == "micropython" and facts["kernel"] == "python"
    assert emulation.ok, emulation.first_failure
    np.testing.assert_allclose(emulation.outputs, emulation.reference.output, atol=SCORE)
    assert facts["heap_peak_bytes"] <= 256 * 1024 and facts["selftest"]
    assert facts["flash_bytes_read"] == facts["plan_flash_bytes"]


@pytest.mark.parametrize("model, kernel, heap", [(TEN, "native", 192), (TEN, "viper", 192), ("esc10", "native", 256)])
def test_a_classifier_in_fixed_point_gives_every_bit(model, kernel, heap):
    """The one that ships hears 16 kHz: its window of samples, which a listening board never has, takes 64 kB."""
    runtime_of("unix")
    graph = load_graph(model)
    pcm = sound_windows("helicopter", graph)
    emulation = emulate(model, pcm, "unix", heap=heap * 1024, kernel=kernel)
    facts, result = emulation.facts, emulation.to_json()
    assert facts["kernel"] == kernel and result["arithmetic"] == "fixed"
    assert result["bit_exact"] and all(layer.max_abs == 0 for layer in emulation.layers)
    np.testing.assert_allclose(emulation.outputs, fixed_point.run(graph, graph.fixed, pcm).output, atol=1e-6)
    assert emulation.embedding_parity["cosine"] >= FIXED_COSINE
    assert facts["heap_peak_bytes"] <= heap * 1024 and facts["selftest"]
    assert facts["flash_bytes_read"] == facts["plan_flash_bytes"]


@pytest.mark.parametrize("runtime", ["wasm", "cpython"])
def test_a_classifier_elsewhere(runtime):
    runtime_of(runtime)
    pcm = sound_windows("helicopter", load_graph(TEN))
    emulation = emulate(TEN, pcm, runtime, heap=192 * 1024)
    assert emulation.ok, emulation.first_failure
    np.testing.assert_allclose(emulation.outputs, emulation.reference.output, atol=SCORE)
    assert emulation.to_json()["labels"] == [emulation.labels[i] for i in emulation.reference.output.argmax(axis=1)]


def test_heap_too_small_says_how_much_is_missing():
    runtime_of("unix")
    with pytest.raises(L3Error, match=r"needs \d+ bytes of heap for its buffers.* are free"):
        emulate(TEN, np.zeros((1, 16000), np.int16), "unix", heap=128 * 1024, kernel="python")


def test_heap_too_small_even_for_the_package_is_one_line():
    runtime_of("unix")
    with pytest.raises(L3Error, match="in a heap of 40960 bytes") as e:
        emulate(TEN, np.zeros((1, 16000), np.int16), "unix", heap=40 * 1024)
    assert "\n" not in str(e.value)


def test_ulab_where_it_is_absent_is_refused_by_name():
    runtime_of("unix")
    with pytest.raises(L3Error, match="kernel ulab does not load here"):
        emulate(TEN, np.zeros((1, 16000), np.int16), "unix", kernel="ulab")


def test_unknown_runtime_names_the_known_ones():
    with pytest.raises(L3Error, match="wasm, unix, cpython"):
        emulate(TEN, np.zeros((1, 16000), np.int16), "nosuch")


def test_parity_names_the_first_layer_that_differs():
    graph = load_graph(TEN)
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(64, 50)).astype(np.float32)
    data = fake_layers(graph, plane, wrong=3)
    layers = parity.layer_parity(data, graph, plane)
    assert [layer.ok for layer in layers] == [i != 3 for i in range(len(graph.layers))]


def test_a_row_never_computed_is_out_of_tolerance():
    graph = load_graph(TEN)
    plane = np.random.default_rng(0).normal(size=(64, 50)).astype(np.float32)
    data = fake_layers(graph, plane)
    missing = parity.layer_parity(data[: -(12 + 4 * 10)], graph, plane)  # all but the record of the last layer's ten outputs
    assert missing[0].ok and missing[-2].ok and not missing[-1].ok


def fake_layers(graph, plane, wrong=None):
    """layers.bin as a perfect board would write it, one value of layer `wrong` off by a thousandth of the largest."""
    import struct

    from l3host.reference import floats

    out = b""
    for i, values in enumerate(floats.network(graph, plane[None].astype(np.float64)).outputs):
        values = values[0].copy()
        if i == wrong:
            values.flat[0] += 1e-3 * np.abs(values).max()
        bands, frames, step = 0, 1, 0
        if isinstance(graph.layers[i], Conv):
            (bands, frames), step = values.shape[:2], graph.layers[i].pool[0]
            values = values.transpose(2, 1, 0)
        out += struct.pack("<6H", i, 0, frames, 0, bands, step) + values.astype("<f4").tobytes()
    assert isinstance(graph.layers[-1], Dense)
    return out
