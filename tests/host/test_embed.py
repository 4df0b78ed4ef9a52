"""Embeddings of recordings: the published package's conventions, in numbers worked out by hand and in its own output."""

import hashlib

import numpy as np
import pytest
import soundfile
from support import shared

from l3convert import convert
from l3host import cli, embed, get_embedding, process_audio_file
from l3host.errors import L3Error
from l3host.graph.network import Conv, Dense, Graph, frontend
from l3host.l3m import writer
from l3host.reference import floats
from l3host.sound.windows import windows_of
from l3mote.tolerances import EMBEDDING, EMBEDDING_TONE


def small(front_end="sea"):
    """Two convolutions of random weights; the embedding has 6 values."""
    rng = np.random.default_rng(5)
    fe = frontend(front_end)
    layers = [
        Conv("conv1", rng.normal(0, 0.3, (3, 3, 1, 4)), rng.normal(size=4), "relu", (4, 5)),
        Conv("conv2", rng.normal(0, 0.2, (3, 3, 4, 6)), rng.normal(size=6), "relu", (fe.bands // 4, fe.frames // 5)),
    ]
    return Graph(fe, layers)


@pytest.fixture(scope="module")
def graph():
    return small()


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, n)


# -- windows

NUMBER = [
    # samples at 8 kHz, hop, windows without and with centring
    (8000, 800, 1, 6),
    (16000, 800, 11, 16),
    (24000, 4000, 5, 6),
    (8001, 800, 2, 7),
    (8799, 800, 2, 7),
    (8800, 800, 2, 7),
    (8801, 800, 3, 8),
    (100, 800, 1, 1),
    (1, 800, 1, 1),
    (4000, 800, 1, 1),
    (4001, 800, 1, 2),
    (7999, 800, 1, 6),
    (9000, 8000, 2, 2),
    (8000, 20000, 1, 2),
]


@pytest.mark.parametrize("samples, hop, plain, centred", NUMBER)
def test_number_of_windows(samples, hop, plain, centred):
    signal = np.ones(samples)
    assert windows_of(signal, 8000, hop, center=False).shape == (plain, 8000)
    assert windows_of(signal, 8000, hop, center=True).shape == (centred, 8000)


def test_every_sample_is_in_a_window():
    cut = windows_of(np.arange(1.0, 9001), 8000, 800, center=False)
    assert cut[0, 0] == 1
    assert cut[1, 0] == 801
    assert cut[2].tolist() == [*range(1601, 9001), *[0] * 600]  # the tail is padded with zeros


def test_centring_pads_half_a_window_on_the_left_only():
    cut = windows_of(np.arange(1.0, 8001), 8000, 800, center=True)
    assert not cut[0, :4000].any()
    assert cut[0, 4000:].tolist() == list(range(1, 4001))
    assert cut[5].tolist() == list(range(1, 8001))  # (4000 + 8000 - 8000) / 800 = 5: no padding on the right


def test_short_signal_is_padded_on_the_right():
    assert windows_of(np.array([1.0, 2]), 5, 3, center=False).tolist() == [[1, 2, 0, 0, 0]]
    assert windows_of(np.array([1.0, 2]), 5, 3, center=True).tolist() == [[0, 0, 1, 2, 0]]


def test_the_signal_is_not_changed():
    signal = noise(8000)
    before = signal.copy()
    windows_of(signal, 8000, 800, center=True)
    assert (signal == before).all()


# -- get_embedding


def test_shapes_and_types(graph):
    embedding, timestamps = get_embedding(noise(16000), 8000, graph)
    assert embedding.shape == (16, 6)
    assert embedding.dtype == np.float32
    assert timestamps == pytest.approx([0.1 * i for i in range(16)])


def test_default_is_centred_with_a_tenth_of_a_second(graph):
    signal = noise(12000)
    default, _ = get_embedding(signal, 8000, graph)
    message, _ = get_embedding(signal, 8000, graph, center=True, hop_size=0.1)
    assert (default == message).all()


def test_each_row_is_the_reference_of_its_window(graph):
    signal = noise(10000)
    embedding, _ = get_embedding(signal, 8000, graph, center=False, hop_size=0.2)
    windows = np.stack([signal[:8000], signal[1600:9600], np.pad(signal[3200:], (0, 1200))])
    assert embedding == pytest.approx(floats.run(graph, windows).embedding, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("hop_size, hop", [(0.1, 800), (0.10007, 800), (0.00013, 1), (0.29999, 2399), (1, 8000)])
def test_hop_is_rounded_down_to_samples_and_timestamps_are_not(graph, hop_size, hop):
    signal = noise(8000 + 3 * hop)
    embedding, timestamps = get_embedding(signal, 8000, graph, center=False, hop_size=hop_size)
    assert len(embedding) == 4
    assert timestamps == pytest.approx([0, hop_size, 2 * hop_size, 3 * hop_size], abs=1e-12)


@pytest.mark.parametrize("batch_bytes", [1, 2_000_000, 1e9])
def test_batches_do_not_change_the_result(graph, monkeypatch, batch_bytes):
    signal = noise(20000)
    expected, _ = get_embedding(signal, 8000, graph)
    monkeypatch.setattr(embed, "BATCH_BYTES", batch_bytes)
    embedding, _ = get_embedding(signal, 8000, graph)
    assert embedding == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_a_loud_neighbour_does_not_change_a_window(graph):
    quiet, loud = 0.001 * noise(8000), noise(8000, 1)
    alone, _ = get_embedding(quiet, 8000, graph, center=False)
    both, _ = get_embedding(np.concatenate([quiet, loud]), 8000, graph, center=False)
    assert both[0] == pytest.approx(alone[0], rel=1e-5, abs=1e-5)


def test_progress_counts_every_window_once(graph, monkeypatch):
    monkeypatch.setattr(embed, "BATCH_BYTES", 1_000_000)
    done = []
    embedding, _ = get_embedding(noise(24000), 8000, graph, progress=done.append)
    assert len(done) > 1
    assert sum(done) == len(embedding) == 26


def test_stereo_is_averaged_and_the_rate_converted(graph):
    left, right = noise(16000), noise(16000, 1)
    stereo, _ = get_embedding(np.stack([left, right], axis=1), 16000, graph)
    mono, _ = get_embedding((left + right) / 2, 16000, graph)
    assert len(stereo) == 6
    assert stereo == pytest.approx(mono, rel=1e-4, abs=1e-4)


def test_int16_is_the_same_as_floats(graph):
    pcm = (noise(8000) * 20000).astype(np.int16)
    assert get_embedding(pcm, 8000, graph)[0] == pytest.approx(get_embedding(pcm / 32768, 8000, graph)[0], rel=1e-5)


def test_48_khz_model(monkeypatch):
    """A front-end of 48 kHz has windows of 48,000 samples: 8 kHz audio is converted up."""
    embedding, timestamps = get_embedding(noise(8000), 8000, small("mel128"), hop_size=0.25)
    assert embedding.shape == (3, 6)
    assert timestamps.tolist() == [0, 0.25, 0.5]


def test_embedding_is_taken_before_a_head():
    graph = small()
    headed = Graph(graph.frontend, [*graph.layers, Dense("head", np.ones((6, 2)), np.zeros(2), "softmax")], ["a", "b"])
    signal = noise(8000)
    assert (get_embedding(signal, 8000, headed)[0] == get_embedding(signal, 8000, graph)[0]).all()


def test_model_by_path(graph, tmp_path):
    path = tmp_path / "small.l3m"
    path.write_bytes(writer.to_bytes(graph))
    signal = noise(8000)
    expected, _ = get_embedding(signal, 8000, graph)
    for model in (str(path), path):
        embedding, _ = get_embedding(signal, 8000, model)
        assert embedding == pytest.approx(expected, rel=2e-3, abs=2e-3)  # the file's weights are float16


@pytest.mark.parametrize("hop_size", [0, -0.1, float("nan"), float("inf"), "0.1", None, 1j])
def test_bad_hop_sizes(graph, hop_size):
    with pytest.raises(L3Error, match="hop size must be a positive number of seconds"):
        get_embedding(noise(8000), 8000, graph, hop_size=hop_size)


def test_hop_of_less_than_a_sample(graph):
    with pytest.raises(L3Error, match="hop size 0.0001 s is less than one sample at 8000 Hz"):
        get_embedding(noise(8000), 8000, graph, hop_size=0.0001)


@pytest.mark.parametrize(
    "samples, rate, reason",
    [
        ([], 8000, "empty"),
        ([float("nan")], 8000, "NaN"),
        (np.ones((2, 2, 2)), 8000, "dimensions"),
        ([1.0], -1, "sample rate"),
        ([1.0], 48000, "too short to resample"),
    ],
)
def test_bad_audio(graph, samples, rate, reason):
    with pytest.raises(L3Error, match=reason):
        get_embedding(samples, rate, graph)


def test_missing_model():
    with pytest.raises(L3Error, match="no such model: nowhere.l3m"):
        get_embedding(noise(8000), 8000, "nowhere.l3m")


def test_short_audio_is_a_warning(graph):
    with pytest.warns(UserWarning, match="shorter than one window: padded with zeros"):
        embedding, _ = get_embedding(noise(100), 8000, graph)
    assert len(embedding) == 1


def test_silence_is_a_warning_and_has_an_embedding(graph):
    with pytest.warns(UserWarning, match="all zeros"):
        embedding, _ = get_embedding(np.zeros(8000), 8000, graph)
    assert np.isfinite(embedding).all()
    assert embedding.any()


# -- .npz files


@pytest.fixture
def folder(graph, tmp_path):
    """A folder with small.l3m and the recordings a.wav and sub/b.wav."""
    (tmp_path / "small.l3m").write_bytes(writer.to_bytes(graph))
    (tmp_path / "sub").mkdir()
    (tmp_path / "out").mkdir()
    soundfile.write(tmp_path / "a.wav", noise(12000), 8000, subtype="DOUBLE")
    soundfile.write(tmp_path / "sub" / "b.wav", noise(8000), 8000)
    return tmp_path


def run(folder, *arguments):
    audio = [str(folder / "a.wav"), str(folder / "sub" / "b.wav")]
    return cli.main(["embed", str(folder / "small.l3m"), *audio, *arguments])


NAMES = [
    ([], ["a.npz", "sub/b.npz"]),
    (["--suffix", "sea"], ["a_sea.npz", "sub/b_sea.npz"]),
    (["--output-dir", "out"], ["out/a.npz", "out/b.npz"]),
    (["--output-dir", "out", "--suffix", "x"], ["out/a_x.npz", "out/b_x.npz"]),
]


@pytest.mark.parametrize("arguments, names", NAMES, ids=["beside", "suffix", "folder", "both"])
def test_npz_names(folder, monkeypatch, arguments, names):
    monkeypatch.chdir(folder)
    assert run(folder, *arguments) == 0
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.npz")) == names


def test_npz_contents_are_what_get_embedding_returns(folder):
    assert run(folder, "--hop-size", "0.25", "--no-centering") == 0
    expected = get_embedding(noise(12000), 8000, folder / "small.l3m", center=False, hop_size=0.25)
    with np.load(folder / "a.npz") as arrays:
        assert sorted(arrays) == ["center", "embedding", "hop_size", "model", "model_sha256", "sample_rate", "timestamps"]
        assert arrays["embedding"] == pytest.approx(expected[0], rel=1e-6)
        assert arrays["timestamps"].tolist() == [0, 0.25, 0.5]
        assert (str(arrays["model"]), arrays["sample_rate"], arrays["hop_size"], arrays["center"]) == (
            "small.l3m",
            8000,
            0.25,
            False,
        )
        assert str(arrays["model_sha256"]) == hashlib.sha256((folder / "small.l3m").read_bytes()).hexdigest()


def test_short_options_are_the_published_packages_and_the_folder_is_made(folder, capsys):
    assert run(folder, "-o", str(folder / "new" / "deep"), "-x", "y", "-n", "-t", "0.25", "-q") == 0
    assert capsys.readouterr().out == ""
    with np.load(folder / "new" / "deep" / "a_y.npz") as arrays:
        assert arrays["timestamps"].tolist() == [0, 0.25, 0.5]


def test_a_folder_is_all_its_sounds(folder):
    (folder / "notes.txt").write_text("x")
    assert cli.main(["embed", str(folder / "small.l3m"), str(folder), "-q"]) == 0
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.npz")) == ["a.npz", "sub/b.npz"]


def test_a_pattern_in_quotes_is_what_it_matches_and_a_file_of_that_name_comes_first(folder, capsys):
    model = str(folder / "small.l3m")
    assert cli.main(["embed", model, str(folder / "**" / "*.wav"), "-q", "-o", str(folder / "all")]) == 0
    assert sorted(p.name for p in (folder / "all").iterdir()) == ["a.npz", "b.npz"]
    (folder / "[ab].wav").write_bytes((folder / "a.wav").read_bytes())
    assert cli.main(["embed", model, str(folder / "[ab].wav"), "-q", "-o", str(folder / "one")]) == 0
    assert [p.name for p in (folder / "one").iterdir()] == ["[ab].npz"]
    assert cli.main(["embed", model, str(folder / "*.flac")]) == 1
    assert capsys.readouterr().err == f"l3mote: no file matches '{folder}/*.flac'\n"


def test_a_folder_without_sounds_is_refused(folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert cli.main(["embed", str(folder / "small.l3m"), str(tmp_path / "empty")]) == 1
    assert "empty: no sounds in this folder" in capsys.readouterr().err


def test_process_audio_file_does_what_the_command_does_and_skips_what_is_done(folder, capsys):
    """The published packages' function: a path or a list, output_dir, suffix, center, hop_size, overwrite."""
    sounds = [str(folder / "a.wav"), str(folder / "sub" / "b.wav")]
    process_audio_file(sounds, str(folder / "out"), "z", model=str(folder / "small.l3m"), center=False, hop_size=0.25)
    assert run(folder, "-n", "-t", "0.25") == 0
    for made, expected in (("out/a_z.npz", "a.npz"), ("out/b_z.npz", "sub/b.npz")):
        assert (folder / made).read_bytes() == (folder / expected).read_bytes()
    before = (folder / "out" / "a_z.npz").stat().st_mtime_ns
    capsys.readouterr()
    process_audio_file(sounds[0], str(folder / "out"), "z", model=str(folder / "small.l3m"), verbose=False)
    assert "a_z.npz exists, skipped" in capsys.readouterr().out
    assert (folder / "out" / "a_z.npz").stat().st_mtime_ns == before
    process_audio_file(sounds[0], str(folder / "out"), "z", model=str(folder / "small.l3m"), verbose=False, overwrite=True)
    assert (folder / "out" / "a_z.npz").stat().st_mtime_ns > before


def test_a_list_of_recordings_gives_lists(graph):
    pair, rates = [noise(12000), noise(16000, 1)], [8000, 16000]
    embeddings, times = get_embedding(pair, rates, graph)
    for i in range(2):
        expected = get_embedding(pair[i], rates[i], graph)
        np.testing.assert_array_equal(embeddings[i], expected[0])
        np.testing.assert_array_equal(times[i], expected[1])
    with pytest.raises(L3Error, match="2 recordings, 1 sample rates"):
        get_embedding(pair, [8000], graph)


def test_a_network_that_is_not_converted_yet_is_refused_with_the_command(folder, capsys):
    (folder / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert cli.main(["embed", str(folder / "net.h5"), str(folder / "a.wav")]) == 1
    assert f"another network is converted first: l3mote convert {folder / 'net.h5'} -o net.l3m" in capsys.readouterr().err


def test_same_name_twice_is_refused(folder, capsys):
    (folder / "sub" / "b.wav").rename(folder / "sub" / "a.wav")
    audio = [str(folder / "a.wav"), str(folder / "sub" / "a.wav")]
    assert cli.main(["embed", str(folder / "small.l3m"), *audio, "--output-dir", str(folder / "out")]) == 1
    assert "two of the inputs would be written to the same file" in capsys.readouterr().err
    assert not list(folder.rglob("*.npz"))


# -- the published package's own output


@pytest.fixture(scope="module")
def sea64():
    return convert(str(shared("models/edgel3_sea_ust_audio_emb_64.h5")))


@pytest.mark.parametrize("center, key", [(True, "center"), (False, "nocenter")])
@pytest.mark.parametrize("name", ["chirp_1s", "chirp_8k", "chirp_stereo", "silence"])
@pytest.mark.filterwarnings("ignore:.*all zeros")
def test_published_embeddings_of_the_shared_recordings(sea64, name, center, key):
    samples, rate = soundfile.read(shared(f"audio/{name}.wav"))
    embedding, timestamps = get_embedding(samples, rate, sea64, center=center)
    with np.load(shared(f"golden/wav_{name}.npz")) as golden:
        assert embedding.shape == golden[f"embedding_{key}"].shape
        difference = np.abs(embedding - golden[f"embedding_{key}"]).max()
        assert timestamps == pytest.approx(golden[f"ts_{key}"], abs=1e-12)
    assert difference < (EMBEDDING if name == "silence" else EMBEDDING_TONE)
