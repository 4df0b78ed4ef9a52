"""Teachers: ONNX files as their TOML describes them, lessons drawn from clips, and students that learn from both."""

import importlib.util
import json
import shutil
import sys

import numpy as np
import onnx_files
import pytest
import soundfile
from onnx_files import TOML
from support import require, shared

from l3host import datasets
from l3host.datasets import fingerprints
from l3host.errors import L3Error
from l3host.graph.network import frontend
from l3host.l3m.load import load_graph
from l3host.train.settings import Lessons, Taught, TaughtSettings

FORTY = Lessons(windows=40)
TINY = TaughtSettings(epochs=2, windows=24, batch=8, filters=(2, 4, 4, 4), frontend="sea", dropout=0.0)


@pytest.fixture(scope="module", autouse=True)
def extras():
    for module in ("tensorflow", "onnx", "onnxruntime", "soxr"):
        require(importlib.util.find_spec(module), f"{module} is not installed")


@pytest.fixture
def teacher(tmp_path):
    """teacher(text, **how): the tiny teacher, described by this text."""
    from l3host.train import teachers

    return lambda text=TOML, **how: teachers.load(onnx_files.write(tmp_path, text, **how))


def noise(n, samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((n, samples))).astype(np.float32)


# -- ONNX


def test_a_plane_by_the_definition():
    """Two frames of a short sound, each bin by its own sum, each triangle by its own slopes."""
    from l3host.train.onnx_teacher import LogMel, plane

    x = noise(1, 24)
    mel = LogMel(n_fft=16, hop_length=8, bands=3, window=8, preemphasis=0.5, padding="none", floor=1e-3, shift=2.0, scale=4.0)
    y = [x[0, n] - 0.5 * x[0, n - 1] for n in range(1, 24)]
    hann = [0.0] * 4 + [0.5 - 0.5 * np.cos(2 * np.pi * n / 7) for n in range(8)] + [0.0] * 4
    edges = [700 * np.expm1(k / 4 * np.log1p(4000 / 700)) for k in range(5)]
    for frame in range(1):
        power = []
        for k in range(8):
            terms = [hann[n] * y[8 * frame + n] * np.exp(-2j * np.pi * k * n / 16) for n in range(16)]
            power.append(abs(sum(terms)) ** 2)
        for band in range(3):
            low, middle, high = (np.log1p(e / 700) for e in edges[band : band + 3])
            energy = 0.0
            for k in range(8):
                at = np.log1p(k * 500 / 700)
                energy += power[k] * max(0.0, min((at - low) / (middle - low), (high - at) / (high - middle)))
            expected = (np.log(energy + 1e-3) + 2) / 4
            assert plane(x, 8000, mel)[0, band, frame] == pytest.approx(expected, rel=1e-4)


def test_the_teacher_at_hand_answers_as_its_own_loader_does(tmp_path, monkeypatch):
    from l3host.train import teachers

    shutil.copy(shared("models/mn04_mel.onnx"), tmp_path)
    monkeypatch.syspath_prepend(str(shared("lab/teacher")))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import mn04

    (tmp_path / "mn04.toml").write_text(
        'file = "mn04_mel.onnx"\nsample_rate = 32000\nembedding = "feat384"\nlogits = "logits"\n[frontend]\nn_fft = 1024\n'
        "window = 800\nhop_length = 320\nbands = 128\nfmax = 15000.0\npreemphasis = 0.97\nshift = 4.5\nscale = 5.0\n"
    )
    waves = noise(2, 40000)
    result = teachers.load(str(tmp_path / "mn04.toml")).hear(waves)
    for i, wave in enumerate(waves):
        embedding, _, logits, _ = mn04.features(wave)
        np.testing.assert_allclose(result.embedding[i], embedding[0], atol=1e-5)
        np.testing.assert_allclose(result.logits[i], logits[0], atol=1e-4)


def test_outputs_go_by_their_names(teacher):
    result = teacher().hear(noise(20, 8000))
    assert result.embedding.shape == (20, 8) and result.logits.shape == (20, 3)
    weights = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    np.testing.assert_allclose(result.logits, result.embedding @ weights, atol=1e-4)
    assert teacher(TOML.replace('logits = "logits"\n', "")).hear(noise(2, 8000)).logits.shape == (2, 0)


BAD = {
    "the network has no output 'feats': its outputs are features, logits": ('"features"', '"feats"'),
    "its front-end makes 2 x 1 x 9 x 126, the network takes any x 1 x 8 x any": ("bands = 8", "bands = 9"),
    "its front-end makes 2 x 8 x 126, the network takes any x 1 x 8 x any": ("bands = 8", "bands = 8\nchannel = false"),
    "its front-end makes 2 x 16000, the network takes any x 1 x 8 x any": (TOML[TOML.index("[frontend]") :], ""),
    "cannot read .*other.onnx: No such file": ("tiny.onnx", "other.onnx"),
    "file = '/dev/zero' must lie beside it": ("tiny.onnx", "/dev/zero"),
    "file = '../tiny.onnx' must lie beside it": ("tiny.onnx", "../tiny.onnx"),
    "n_fft is at most 32768, bands at most 4096": ("bands = 8", "bands = 1000000000"),
    "seconds = 1000000000.0: must be above 0, and at most 60": ("[frontend]", "seconds = 1e9\n[frontend]"),
    "tiny.toml is not an ONNX file": ("tiny.onnx", "tiny.toml"),
    "unknown key 'outputs'": ("[frontend]", "outputs = 3\n[frontend]"),
    "key 'embedding' is missing": ('embedding = "features"\n', ""),
    "padding = 'same': must be one of reflect, zeros, none": ("bands = 8", 'bands = 8\npadding = "same"'),
    "must be positive": ("hop_length = 128", "hop_length = 0"),
    "fmin and fmax must lie between": ("bands = 8", "bands = 8\nfmax = 4001.0"),
    "sample_rate = 10: must be 1000 to 192000 Hz": ("8000", "10"),
}


@pytest.mark.parametrize("message", BAD)
def test_one_line_says_what_is_wrong_with_a_description(teacher, message):
    before, after = BAD[message]
    assert before in TOML
    with pytest.raises(L3Error, match=message) as caught:
        teacher(TOML.replace(before, after))
    assert "\n" not in str(caught.value)


def test_an_output_that_is_not_a_row_a_window(teacher):
    with pytest.raises(L3Error, match="output 'features' is 2 x 126 for 2 windows|one row a window|does not take"):
        teacher(embedding_axes=(2, 3))


def test_other_files_are_no_teachers(tmp_path):
    from l3host.train import teachers

    with pytest.raises(L3Error, match="no such teacher"):
        teachers.load(str(tmp_path / "none.toml"))
    (tmp_path / "x.onnx").write_bytes(b"")
    with pytest.raises(L3Error, match="write a .toml beside it"):
        teachers.load(str(tmp_path / "x.onnx"))


def test_a_keras_file_teaches_with_its_embedding(tmp_path):
    from l3host.networks import build
    from l3host.networks.backend import keras
    from l3host.train import teachers

    keras.utils.set_random_seed(0)
    model = build.audio(frontend("sea"), (2, 4, 4, 6))
    model.save(tmp_path / "small.keras")
    of_keras = teachers.load(str(tmp_path / "small.keras"))
    waves = noise(3, 8000)
    answers = of_keras.hear(waves)
    assert (of_keras.sample_rate, of_keras.seconds, of_keras.size) == (8000, 1.0, 6) and answers.logits.shape == (3, 0)
    np.testing.assert_allclose(answers.embedding, model.predict_on_batch(waves), atol=1e-4)


# -- surroundings


def test_a_sound_comes_back_through_rooms_and_microphones_at_a_level_of_16_bits():
    from l3host.train import surroundings

    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000).astype(np.float32)
    for _ in range(20):
        result = surroundings.recorded(surroundings.filtered(wave, 8000, rng), rng)
        assert result.shape == wave.shape and result.dtype == np.float32
        np.testing.assert_array_equal(result * 32768, np.round(result * 32768))
        assert 10 ** (-31 / 20) < np.abs(result).max() <= 1
        spectrum = np.abs(np.fft.rfft(result))
        assert spectrum[1:].argmax() == 999
    assert np.abs(surroundings.recorded(np.zeros(8, np.float32), rng)).max() <= 2 / 32768
    gains = surroundings.microphone(np.array([0.0, 1.0, 4000.0]), rng)
    assert gains[0] == 0 and gains[1] < gains[2]  # no offset comes through


# -- lessons


def material(folds=(1, 2), n=3, rate=8000):
    """Two classes and others in each fold; every clip another tone."""
    from l3host.train.lessons import Material

    t = np.arange(int(1.5 * rate)) / rate
    clips, labels, where = [], [], []
    for fold in folds:
        for label in range(3):
            for i in range(n):
                hz = 300 + 900 * label + 40 * i + 10 * fold
                clips.append((8000 * np.sin(2 * np.pi * hz * t)).astype(np.int16))
                labels.append(label)
                where.append(fold)
    return Material(clips, rate, labels, where, 3, (2,))


def maker(teacher, what, settings=FORTY):
    from l3host.networks.layers import LogMel
    from l3host.train.lessons import Maker

    fe = frontend("sea")
    layer = LogMel.of(fe)
    return Maker(what, teacher, fe, lambda waves: layer(waves).numpy(), settings, 1)


def test_lessons_of_a_fold_know_nothing_of_the_others(teacher, tmp_path):
    from l3host.train import lessons

    what, made = material(), teacher()
    before = lessons.read([maker(made, what).make(tmp_path / "a", 1)])
    changed = material()
    for i, fold in enumerate(changed.folds):
        if fold == 2:
            changed.clips[i][:] = 0
    after = lessons.read([maker(made, changed).make(tmp_path / "b", 1)])
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    assert before.planes.shape == (40, 2, 64, 50) and before.embedding.shape == (40, 8) and before.shares.shape == (40, 3)
    np.testing.assert_allclose(before.shares.sum(axis=1), 1, rtol=1e-6)
    mixed = before.shares.max(axis=1) < 1
    assert 5 < mixed.sum() < 35
    assert 0.2 < before.shares[:, 2].mean() < 0.6  # other_share is 0.4


def test_lessons_go_on_where_they_stopped_with_the_same_bytes(teacher, tmp_path):
    from l3host.train import lessons

    work = maker(teacher(), material(), Lessons(windows=300))
    folder = work.make(tmp_path, 1)
    first, second = sorted(folder.glob("*.npz"))
    whole, kept = lessons.read([folder]), first.stat().st_mtime_ns
    second.unlink()
    work.make(tmp_path, 1)
    assert first.stat().st_mtime_ns == kept
    for a, b in zip(whole, lessons.read([folder]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_silence_is_of_the_silent_class_and_is_never_mixed(teacher):
    from l3host.train.lessons import Material

    quiet = Material([np.zeros(12000, np.int16)] * 4, 8000, [0, 1, 0, 1], [1] * 4, 3, (2,))
    assert maker(teacher(), quiet).block(1, 0, 6).shares.tolist() == [[0, 0, 1]] * 6
    nobody = Material(quiet.clips, 8000, [0, 1, 0, 1], [1] * 4, 2)
    np.testing.assert_allclose(maker(teacher(), nobody).block(1, 0, 3).shares, 0.5)


def test_a_teacher_that_hears_another_length_is_refused(teacher):
    with pytest.raises(L3Error, match="hears 2 s, the student 1 s: they must be equally long"):
        maker(teacher(TOML.replace("sample_rate", "seconds = 2.0\nsample_rate")), material())


# -- students


def test_a_student_learns_classes_and_goes_on_after_a_stop(teacher, tmp_path):
    from l3host.networks import build
    from l3host.networks.backend import keras
    from l3host.train import lessons, taught

    events = lessons.read([maker(teacher(), material(), Lessons(windows=60)).make(tmp_path, fold) for fold in (1, 2)])
    settings = Taught(epochs=6, batch=16, windows=60, learning_rate=0.01)

    def student():
        keras.utils.set_random_seed(0)
        return build.audio(frontend("sea"), (2, 4, 4, 8))

    def stop(epochs, loss):
        raise KeyboardInterrupt

    result = taught.teach(student(), events, settings, tmp_path / "whole", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        taught.teach(student(), events, settings, tmp_path / "cut", stop)
    again = taught.teach(student(), events, settings, tmp_path / "cut", lambda *_: None)
    for a, b in zip(result.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with np.load(tmp_path / "whole" / "checkpoint.npz") as saved:
        assert saved["losses"][-1] < 0.8 * saved["losses"][0]
    assert result.output_shape == (None, 3)


def test_a_student_without_labels_learns_more_than_the_teacher_s_mean(tmp_path):
    """Bands of noise at random levels, and an embedding that follows them: guessing its mean has a loss of 1."""
    from l3host.networks import build
    from l3host.networks.backend import keras
    from l3host.train import lessons, taught

    rng = np.random.default_rng(0)
    levels = rng.uniform(-40, 0, (96, 4)).astype(np.float32)
    layer = frontend("sea")
    planes = np.repeat(np.repeat(levels, layer.bands // 4, axis=1)[:, None, :, None], layer.frames, axis=3).astype(np.float16)
    none = np.zeros((96, 0), np.float32)
    given = lessons.Lessons(planes, levels, none, none)
    keras.utils.set_random_seed(0)
    network = build.audio(layer, (4, 8, 8, 16))
    settings = Taught(epochs=16, batch=16, windows=96, learning_rate=0.02, features=1.0, masks=0)
    result = taught.teach(network, given, settings, tmp_path / "run", lambda *_: None)
    with np.load(tmp_path / "run" / "checkpoint.npz") as saved:
        assert saved["losses"][-1] < 0.8
    assert result.output_shape == (None, 16)


def test_features_are_the_principal_components_at_one_scale():
    from l3host.train import taught

    rng = np.random.default_rng(0)
    data = rng.standard_normal((400, 6)) * [5, 4, 3, 0.1, 0.1, 0.1] + 7
    result = taught.features(data.astype(np.float32), 3)
    assert result.var(axis=0).mean() == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-4)
    assert abs(np.corrcoef(result[:, 0], data[:, 0])[0, 1]) > 0.99


@pytest.fixture
def sounds(tmp_path):
    """A folder with two classes of four tones, and one with other sounds."""
    rng = np.random.default_rng(0)
    t = np.arange(9600) / 8000
    for folder, hz in (("known/low", 300), ("known/high", 2000), ("rest", 900)):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(4):
            tone = 0.3 * np.sin(2 * np.pi * hz * rng.uniform(0.95, 1.05) * t) + 0.01 * rng.standard_normal(len(t))
            soundfile.write(tmp_path / folder / f"{i}.wav", tone, 8000)
    return tmp_path


def test_train_with_a_teacher_and_other_sounds(sounds, capsys):
    from l3host import cli

    toml = onnx_files.write(sounds)
    from l3host.train import train

    out = sounds / "out.l3m"
    metrics = train.train(
        str(sounds / "known"), str(out), settings=TINY, folds=[1], other=str(sounds / "rest"), teacher=toml
    )  # fmt: skip
    assert metrics["labels"] == ["high", "low", "_other"] and np.sum(metrics["confusion"]) == 2
    graph = load_graph(str(out))
    assert graph.labels == ["high", "low", "_other"] and graph.thresholds[2] == 2.0
    assert graph.thresholds[0] == pytest.approx(metrics["tuned"]["thresholds"]["high"])
    assert graph.provenance["held_out"]["clips"] == 2 and graph.provenance["tuned"]["unrelated_clips"] == 1
    from l3host.datasets import fingerprints

    known = fingerprints.known(graph.provenance)
    assert len(known) == 12 and fingerprints.is_known(str(sounds / "rest" / "0.wav"), known)
    with pytest.raises(L3Error, match="the run of another training .other teacher"):
        (sounds / "tiny.toml").write_text(TOML.replace("n_fft = 256", "n_fft = 512"))
        train.train(str(sounds / "known"), str(out), settings=TINY, folds=[1], other=str(sounds / "rest"), teacher=toml)
    assert cli.main(["train", str(sounds / "known"), "-o", str(sounds / "x.l3m"), "--teacher", str(sounds / "no.toml")]) == 1
    assert "no such teacher" in capsys.readouterr().err
    assert not (sounds / "x.l3m").exists()


def test_other_sounds_that_are_a_class_s_own_are_refused(sounds):
    data, rate = soundfile.read(sounds / "known" / "low" / "1.wav")
    soundfile.write(sounds / "rest" / "copy.flac", data, rate)
    with pytest.raises(L3Error, match=r"copy.flac \(the same contents as 1.wav"):
        datasets.load(str(sounds / "known"), other=str(sounds / "rest"))


def test_classes_of_fewer_than_two_clips_are_refused(sounds):
    from l3host.train import train

    for i in (1, 2, 3):
        (sounds / "known" / "low" / f"{i}.wav").unlink()
    with pytest.raises(L3Error, match="fewer than two clips of low"):
        train.train(str(sounds / "known"), str(sounds / "x.l3m"))


def test_other_sounds_of_a_published_data_set_keep_their_folds(tmp_path):
    rows = ["filename,fold,category,esc10"]
    for i, (fold, category, esc10) in enumerate([(1, "dog", True), (2, "rain", True), (2, "wind", False), (3, "cat", False)]):
        soundfile.write(tmp_path / f"{i}.wav", noise(1, 8000, i)[0], 8000)
        rows.append(f"{i}.wav,{fold},{category},{esc10}")
    (tmp_path / "meta.csv").write_text("\n".join(rows))
    result = datasets.load(str(tmp_path), "esc10", other=str(tmp_path))
    assert result.labels == ["dog", "rain", "_other"] and result.silent == (2,)
    assert [(clip.label, clip.fold) for clip in result.clips] == [(0, 1), (1, 2), (2, 2), (2, 3)]
    with pytest.raises(L3Error, match="has no sounds that are not in"):
        datasets.load(str(tmp_path), other=str(tmp_path))


def test_a_recipe_by_kd_and_by_sea(sounds):
    """A teacher's scores with a cross-validation, and its embedding alone."""
    from l3host.pipeline import recipe as recipes
    from l3host.pipeline import run as runs

    onnx_files.write(sounds)
    top = (
        '[source]\nweights = "random"\nfrontend = "sea"\nfilters = [2, 4, 4, 4]\nfinal_norm = true\n[teacher]\nfile = "tiny.toml"\n'
    )
    step = '[[recover]]\nmethod = "METHOD"\ndata = "known"\nepochs = 1\nwindows = 16\nbatch = 8\nfolds = [1, 2]\n'
    (sounds / "kd.toml").write_text(top + step.replace("METHOD", "kd") + 'other = "rest"\n')
    (sounds / "sea.toml").write_text(top + step.replace("METHOD", "sea"))
    data = {"known": str(sounds / "known"), "rest": str(sounds / "rest")}
    result = runs.compress(recipes.load(str(sounds / "kd.toml"), data), sounds / "kd")
    assert result["evaluations"][0]["clips"] == 4 and result["inputs"].keys() == {"known", "rest", "teacher"}
    graph = load_graph(str(sounds / "kd" / "model.l3m"))
    note = json.loads((sounds / "kd" / "recover-1.json").read_text())
    assert graph.labels == ["high", "low", "_other"]
    assert graph.thresholds[:2] == pytest.approx([note["tuned"]["thresholds"][label] for label in graph.labels[:2]])
    del data["rest"]
    runs.compress(recipes.load(str(sounds / "sea.toml"), data), sounds / "sea")
    embedding = load_graph(str(sounds / "sea" / "model.l3m"))
    own, of_both = ({row.tobytes() for row in fingerprints.known(of.provenance)} for of in (embedding, graph))
    assert not embedding.labels and len(own) == 4 and own < of_both  # which has the other sounds, too
