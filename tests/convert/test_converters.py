"""Published weight files -> Graph: the real SEA-64 against the golden outputs, the others as files of the same layout."""

import shutil
import subprocess
import sys

import h5py
import keras_files as kf
import numpy as np
import pytest
from support import shared

from l3convert import convert
from l3host.errors import L3Error
from l3host.graph.network import FRONTENDS, frontend
from l3host.l3m.writer import to_bytes
from l3host.reference import floats
from l3mote.tolerances import EMBEDDING, EMBEDDING_TONE, MEL_DB

SEA64 = "models/edgel3_sea_ust_audio_emb_64.h5"
BROADBAND = ("synth_am_noise", "synth_clicks", "synth_drill_harmonics", "synth_white_noise", "wav_silence")
TONAL = ("synth_sine_440", "wav_chirp_1s", "wav_chirp_8k", "wav_chirp_stereo")


def golden(name):
    with np.load(shared(f"golden/{name}.npz")) as arrays:
        return dict(arrays)


def differs(a, b):
    return float(np.abs(a.astype(np.float64) - b).max())


# -- the real file


@pytest.fixture(scope="module")
def sea64():
    return convert(str(shared(SEA64)))


@pytest.mark.parametrize("name", BROADBAND + TONAL)
def test_real_file_reproduces_the_golden_embeddings(sea64, name):
    arrays = golden(name)
    run = floats.run(sea64, arrays.get("frames", arrays["audio"][None]).astype(np.float64))
    tolerance = EMBEDDING if name in BROADBAND else EMBEDDING_TONE
    assert differs(run.embedding, arrays["embedding"]) < tolerance
    assert differs(run.embedding, arrays["embedding_f64"]) < tolerance


@pytest.mark.parametrize("name", BROADBAND)
def test_real_file_reproduces_the_golden_log_mel(sea64, name):
    arrays = golden(name)
    plane = floats.log_mel(sea64.frontend, arrays.get("frames", arrays["audio"][None]).astype(np.float64))
    assert differs(plane, arrays["logmel"]) < MEL_DB
    assert differs(plane, arrays["logmel_f64"]) < MEL_DB


@pytest.mark.parametrize("name", [name for name in BROADBAND if name.startswith("synth")])
def test_real_file_reproduces_the_golden_planes(sea64, name):
    arrays = golden(name)
    outputs = floats.run(sea64, arrays["audio"][None].astype(np.float64)).outputs
    assert np.allclose(outputs[0][0], arrays["act1"], rtol=1e-3, atol=1e-3)  # stored as float16
    assert differs(outputs[5][0], arrays["pool3"]) < 1e-3


def test_real_file_is_the_published_network(sea64):
    fe = frontend("sea")
    fe.norm_scale, fe.norm_shift = sea64.frontend.norm_scale, sea64.frontend.norm_shift
    assert vars(sea64.frontend) == vars(fe)
    assert [conv.kernel.shape[3] for conv in sea64.convs] == [32, 32, 64, 64, 128, 128, 64, 64]
    assert [conv.pool for conv in sea64.convs] == [(1, 1), (2, 2)] * 3 + [(1, 1), (8, 6)]
    assert all(conv.activation == "relu" for conv in sea64.convs)
    assert sea64.embedding_size == 64 and not sea64.denses and not sea64.labels


def test_real_file_holds_our_mel_matrix_and_dft(sea64):
    with h5py.File(shared(SEA64)) as file:
        group = file["model_weights/melspectrogram_1/melspectrogram_1"]
        mel, kernels = group["Variable:0"][()], {k: group[k + ":0"][()] for k in ("real_kernels", "imag_kernels")}
    assert differs(mel, floats.mel_matrix(sea64.frontend)) < 2e-9
    for name, expected in kf.dft_kernels(1024).items():
        assert differs(kernels[name], expected) < 2e-7  # float32


def test_provenance_says_where_the_weights_come_from(sea64):
    assert sea64.provenance["source"] == "edgel3_sea_ust_audio_emb_64.h5"
    assert sea64.provenance["sha256"].startswith("e8cd0eaac5d444c2")
    assert sea64.provenance["tool"].startswith("l3mote ")
    assert "batch norm folded" in sea64.provenance["passes"]


def test_the_format_is_recognised_without_its_name(sea64, tmp_path):
    path = tmp_path / "no_hint.bin"
    shutil.copy(shared(SEA64), path)
    assert np.array_equal(convert(str(path)).convs[7].kernel, sea64.convs[7].kernel)


# -- the other published files, generated


PUBLISHED = {  # file name -> (front-end, filters, pooled, density, embedding sizes, pools of conv8)
    "edgel3_ft_audio_sparsity_95.45": ("mel256", kf.L3_FILTERS, False, 0.0455, {512: (32, 24), 6144: (8, 8)}),
    "edgel3_kd_audio_sparsity_53.5": ("mel256", kf.L3_FILTERS, False, 0.465, {512: (32, 24)}),
    "openl3_audio_mel256_music": ("mel256", kf.L3_FILTERS, False, 1.0, {512: (32, 24), 6144: (8, 8)}),
    "openl3_audio_mel128_env": ("mel128", kf.L3_FILTERS, False, 1.0, {512: (16, 24), 6144: (4, 8)}),
    "openl3_audio_linear_music": ("linear", kf.L3_FILTERS, False, 1.0, {512: (32, 24), 6144: (8, 8)}),
} | {f"edgel3_sea_ust_audio_emb_{size}": ("sea", filters, True, 1.0, {size: (8, 6)}) for size, filters in kf.SEA_FILTERS.items()}
PLANES = {"sea": (64, 50), "mel256": (256, 199), "mel128": (128, 199), "linear": (257, 197)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_layouts(name, tmp_path):
    fe_name, filters, pooled, density, pools = PUBLISHED[name]
    layers = kf.published(fe_name, filters, pooled, density)
    stored = {layer.name: layer for layer in layers}
    conv1, bn = stored["conv2d_1"].weights, stored["batch_normalization_2"].weights
    for whole in (True, False):
        graph = convert(kf.write_h5(tmp_path / f"{whole}.h5", layers, whole=whole))
        expected = frontend(fe_name)
        expected.norm_scale, expected.norm_shift = graph.frontend.norm_scale, graph.frontend.norm_shift
        assert vars(graph.frontend) == vars(expected)
        assert graph.planes()[0] == (*PLANES[fe_name], 1)
        assert tuple(conv.kernel.shape[3] for conv in graph.convs) == filters
        assert [conv.pool for conv in graph.convs[:7]] == [(1, 1), (2, 2)] * 3 + [(1, 1)]
        assert graph.convs[7].activation == ("relu" if pooled else "none")
        assert (graph.embedding_size, graph.convs[7].pool) == next(iter(pools.items()))
        scale = bn["gamma"] / np.sqrt(bn["moving_variance"] + 0.001)
        assert np.allclose(graph.convs[0].kernel, conv1["kernel"] * scale, atol=1e-6)
        assert np.allclose(graph.convs[0].bias, (conv1["bias"] - bn["moving_mean"]) * scale + bn["beta"], atol=1e-6)
        assert np.count_nonzero(graph.convs[7].kernel) == np.count_nonzero(stored["audio_embedding_layer"].weights["kernel"])
    for size, pool in pools.items():
        graph = convert(str(tmp_path / "False.h5"), embedding_size=size)
        assert (graph.embedding_size, graph.convs[7].pool) == (size, pool)


@pytest.mark.parametrize("fe_name", ["mel256", "mel128", "linear"])
def test_openl3_04s_files_hold_no_front_end_and_need_its_name(fe_name, tmp_path):
    """kapre 0.3's layers have no weights: of the same network, what is left begins with the input's batch norm."""
    layers = kf.published(fe_name, (2,) * 8, False)
    whole = convert(kf.write_h5(tmp_path / "old.h5", layers, whole=False))
    bare = [kf.plain("InputLayer", "input_1"), kf.plain("Sequential", "sequential"), *layers[2:]]
    path = kf.write_h5(tmp_path / "new.h5", bare, whole=False)
    with pytest.raises(L3Error, match=r"layer batch_normalization_1 .* name the one to use, --frontend sea\|mel256"):
        convert(path)
    graph = convert(path, fe_name)
    whole.provenance = graph.provenance = {}
    assert to_bytes(graph) == to_bytes(whole)


@pytest.mark.parametrize("fe_name", [name for name in FRONTENDS if name != "linear"])
def test_reference_mel_matrix_is_the_definition(fe_name):
    fe = frontend(fe_name)
    assert differs(floats.mel_matrix(fe), kf.mel_filterbank(fe.sample_rate, fe.n_fft, fe.bands)) < 1e-12


def test_embedding_of_6144_is_the_maximum_of_4_by_3_places(tmp_path):
    path = kf.write_h5(tmp_path / "tiny.h5", kf.published("mel128", (2,) * 8, False))
    windows = np.random.default_rng(0).standard_normal((1, 48000)) * 0.1
    graph = convert(path, embedding_size=24)
    bare = convert(path, "mel128", 24)
    bare.convs[7].pool = (1, 1)
    plane = floats.run(bare, windows).outputs[-1][0]  # (16, 24, 2)
    places = [plane[i : i + 4, j : j + 8].max(axis=(0, 1)) for i in range(0, 16, 4) for j in range(0, 24, 8)]
    assert np.array_equal(floats.run(graph, windows).embedding[0], np.concatenate(places))


def test_input_batch_norm_is_kept_for_the_device(tmp_path):
    layers = kf.published("sea", (2,) * 8, True)
    bn = layers[2].weights
    graph = convert(kf.write_h5(tmp_path / "a.h5", layers))
    scale = bn["gamma"] / np.sqrt(bn["moving_variance"] + 1e-3)
    assert graph.frontend.norm_scale == pytest.approx(float(scale[0]))
    assert graph.frontend.norm_shift == pytest.approx(float((bn["beta"] - bn["moving_mean"] * scale)[0]))


@pytest.mark.parametrize("form", [list, lambda layers: {"name": "sequential", "layers": layers}], ids=["list", "dict"])
def test_keras_2_sequential_without_an_input_layer(form, tmp_path):
    layers = kf.small()
    expected = convert(kf.write_h5(tmp_path / "functional.h5", layers), "sea")
    layers[1].config |= layers[0].config
    entries = [{"class_name": layer.class_name, "config": {"name": layer.name} | layer.config} for layer in layers[1:]]
    path = kf.write_h5(tmp_path / "sequential.h5", layers, config={"class_name": "Sequential", "config": form(entries)})
    graph = convert(path, "sea")
    assert vars(graph.frontend) == vars(expected.frontend)
    assert all(np.array_equal(a.kernel, b.kernel) for a, b in zip(graph.layers, expected.layers, strict=True))


def test_no_keras_is_imported(tmp_path):
    path = kf.write_h5(tmp_path / "a.h5", kf.published("sea", (2,) * 8, True))
    code = "import sys, l3convert; l3convert.convert(sys.argv[1]); print({'keras', 'tensorflow'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_the_child_that_reads_a_file_imports_no_more_than_it_needs():
    code = "import sys, l3convert.__main__; print({'numpy', 'h5py', 'importlib.metadata'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
