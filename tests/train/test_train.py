"""Training: Keras front-end against the reference, augmentation, a tiny run, a killed one, the exported file."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import KIT, require

from l3host import datasets
from l3host.datasets import clips
from l3host.embed import run_windows
from l3host.errors import L3Error
from l3host.evaluate import crossval
from l3host.graph.network import FRONTENDS, frontend
from l3host.l3m.load import load_graph
from l3host.reference import floats
from l3host.train import augment, jobs
from l3host.train import train as training
from l3host.train.settings import Settings
from l3mote import format as fmt

TINY = Settings(epochs=2, filters=(4, 4, 8, 8), windows=40, batch=16, learning_rate=0.01, frontend="sea")
TONES = {"high": 2500, "low": 300, "mid": 900}  # Hz


@pytest.fixture
def keras():
    """Keras on TensorFlow, or a skip."""
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")
    from l3host.networks import layers  # noqa: F401  registers LogMel, which saved models name
    from l3host.networks.backend import keras

    return keras


@pytest.mark.parametrize("rates, name", [((44100, 16000), "two-seconds-16k"), ((44100, 15999), "two-seconds")])
def test_a_network_hears_what_all_its_clips_have(rates, name, tmp_path):
    paths = [str(tmp_path / f"{rate}.wav") for rate in rates]
    for path, rate in zip(paths, rates, strict=True):
        soundfile.write(path, np.zeros(rate), rate)
    assert training.frontend_for(paths) == name


def noise(n, window, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, window)).astype(np.float32)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Eight noisy tones of 1.5 s for each of three classes, a folder per class."""
    root = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    t = np.arange(12000) / 8000
    for label, hz in TONES.items():
        (root / label).mkdir()
        for i in range(8):
            tone = 0.3 * np.sin(2 * np.pi * hz * rng.uniform(0.9, 1.1) * t) + 0.02 * rng.standard_normal(len(t))
            soundfile.write(root / label / f"{i}.wav", tone, 8000)
    return root


# -- front-end and network


@pytest.mark.parametrize("name", FRONTENDS)
def test_logmel_equals_reference(keras, name):
    from l3host.networks.layers import LogMel

    fe = frontend(name)
    waves = np.concatenate([noise(2, fe.window), np.zeros((1, fe.window), np.float32)])
    plane = LogMel.of(fe)(waves).numpy()
    assert plane.shape == (3, fe.bands, fe.frames, 1)
    np.testing.assert_allclose(plane[..., 0], floats.log_mel(fe, waves), atol=1e-3)
    np.testing.assert_allclose(plane[2], 0, atol=1e-4)  # silence is 0 dB everywhere


def test_logmel_survives_a_keras_file_with_its_front_end(keras, tmp_path):
    from l3host.networks.layers import FIELDS, LogMel

    fe = frontend("sea")
    config = LogMel.of(fe).get_config()
    assert {name: config[name] for name in FIELDS} == {name: getattr(fe, name) for name in fmt.Frontend.FIELDS[:-2]}
    inputs = keras.Input((fe.window,))
    keras.Model(inputs, LogMel.of(fe)(inputs)).save(tmp_path / "mel.keras")
    waves = noise(1, fe.window)
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "mel.keras")(waves), LogMel.of(fe)(waves))


def test_logmel_refuses_a_bad_front_end(keras):
    from l3host.networks.layers import LogMel

    fe = frontend("sea")
    fe.n_fft = 1000
    with pytest.raises(L3Error, match="n_fft"):
        LogMel.of(fe)
    with pytest.raises(TypeError, match="sample_rate"):
        LogMel(window=8000)


# -- augmentation


def test_a_drawn_window_is_the_clip_at_another_speed():
    ramp = np.arange(20000, dtype=np.int16)
    window = augment.draw(ramp, 8000, np.random.default_rng(3)) * 32768
    assert window.shape == (8000,) and window.dtype == np.float32
    assert 0.9 <= np.median(np.diff(window)) <= 1.1


def test_short_and_silent_clips_are_padded_and_stay_silent():
    rng = np.random.default_rng(0)
    assert not any(augment.draw(np.zeros(100, np.int16), 8000, rng).any() for _ in range(20))
    assert augment.draw(np.full(100, 1000, np.int16), 8000, rng).shape == (8000,)


def test_mix_gives_the_share_of_the_loudness():
    a, b = noise(2, 8000)
    mixed = augment.mix(a, 0.01 * b, 0.75)
    part_a, part_b = (np.dot(mixed, x) / np.dot(x, x) for x in (a, b))
    assert part_a / (part_a + part_b) == pytest.approx(0.75, abs=0.02)


def test_a_clip_s_silence_is_seldom_drawn():
    """Half a second of noise and 4.5 s of zeros: most places are silent, most windows are not."""
    clip = np.zeros(40000, np.int16)
    clip[:4000] = noise(1, 4000)[0] * 32767
    rng = np.random.default_rng(0)
    drawn = [augment.audible(clip, 8000, rng) for _ in range(200)]
    silent = sum(not window.any() for window in drawn)
    assert 0 < silent < 50 < 150 < sum(not augment.draw(clip, 8000, rng).any() for _ in range(200))


def test_batches_depend_on_the_generator_alone_and_silence_is_unmixed_and_speaks_for_no_label():
    sounds = [(noise(1, 9000)[0] * 32767).astype(np.int16), np.zeros(9000, np.int16)]
    targets = np.eye(2, dtype=np.float32)

    def epoch(seed):
        return list(augment.batches(sounds, targets, frontend("sea"), 8, 4, 1.0, np.random.default_rng(seed)))

    first = epoch(1)
    assert len(first) == 4
    assert all(np.array_equal(x, y) for a, b in zip(first, epoch(1), strict=True) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(first[0][0], epoch(2)[0][0])
    assert any(not wave.any() for waves, _, _ in first for wave in waves)
    for waves, masks, wanted in first:
        assert masks.shape == (4, 64, 50, 1) and masks.dtype == bool
        np.testing.assert_allclose(wanted.sum(axis=1), 1, rtol=1e-6)
        assert all(row.tolist() == [0.5, 0.5] for wave, row in zip(waves, wanted, strict=True) if not wave.any())


# -- runs


def train_tones(tones, out, folds):
    return training.train(str(tones), str(out), settings=TINY, folds=folds)


@pytest.fixture(scope="module")
def trained(tones, tmp_path_factory):
    """(metrics, path of the .l3m) of a tiny training run; its run directory is <path without .l3m>.run."""
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")
    out = tmp_path_factory.mktemp("trained") / "tones.l3m"
    return train_tones(tones, out, [1]), out


def test_two_epochs_learn_tones(trained):
    metrics, out = trained
    assert metrics["labels"] == sorted(TONES)
    assert metrics["accuracy_per_fold"]["1"] == metrics["accuracy_mean"] > 0.6  # chance is 0.33
    assert np.sum(metrics["confusion"]) == 6
    assert metrics["settings"]["seed"] == 1 and set(metrics["seconds"]) == {"fold 1", "final"}
    run = out.with_suffix(".run")
    assert json.loads((run / "metrics.json").read_text())["confusion"] == metrics["confusion"]
    assert (run / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert not (run / "clips.npz").exists()


def test_exported_file_equals_keras(keras, trained):
    _, out = trained
    model = keras.saving.load_model(out.with_suffix(".run") / "final" / "model.keras")
    graph = load_graph(str(out))
    windows = noise(4, graph.frontend.window) * np.array([[1], [0.1], [0.01], [0]], np.float32)
    expected = model.predict_on_batch(windows)
    np.testing.assert_allclose(floats.run(graph, windows).output, expected, atol=1e-3)
    np.testing.assert_allclose(run_windows(graph, windows)[1], expected, atol=1e-3)
    assert graph.labels == sorted(TONES) and graph.thresholds == [0.5] * 3
    assert "24 clips of folds 1, 2, 3, 4; 2 epochs, seed 1" in graph.provenance["source"]
    assert len(graph.provenance["sha256"]) == 64


def test_a_killed_run_goes_on_to_the_same_file(trained, tones, tmp_path):
    """SIGKILL parent and child once the first epoch is saved; the second call must end with bit-equal files."""
    out = tmp_path / "tones.l3m"
    code = (
        "import os, sys; sys.path[:0] = sys.argv[3].split(os.pathsep); import test_train as t\n"
        "if __name__ == '__main__': t.train_tones(sys.argv[1], sys.argv[2], [1])"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tones), str(out), f"{Path(__file__).parent}{os.pathsep}{KIT}"], start_new_session=True
    )
    checkpoint = tmp_path / "tones.run" / "final" / "checkpoint.npz"
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoint.exists() and not out.exists()
    with np.load(checkpoint) as saved:
        assert len(saved["losses"]) < TINY.epochs
    assert train_tones(tones, out, [1])["confusion"] == trained[0]["confusion"]
    assert out.read_bytes() == trained[1].read_bytes()


def test_a_finished_run_is_not_trained_again(trained, tones):
    metrics, out = trained
    before = out.read_bytes()
    out.unlink()
    assert train_tones(tones, out, [1]) == metrics
    assert out.read_bytes() == before


def test_a_run_directory_of_other_settings_is_refused(trained, tones):
    with pytest.raises(L3Error, match="is the run of another training .other epochs.*seed"):
        training.train(str(tones), str(trained[1]), settings=Settings(**vars(TINY) | {"seed": 2, "epochs": 3}))


def test_unknown_folds_are_refused(tones, tmp_path):
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")
    with pytest.raises(L3Error, match="no fold 9: its folds are 1, 2, 3, 4"):
        training.train(str(tones), str(tmp_path / "x.l3m"), folds=[1, 9])


def test_several_labels_a_clip_are_refused(tmp_path):
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")
    (tmp_path / "audio").mkdir()
    soundfile.write(tmp_path / "audio" / "a.wav", noise(1, 8000)[0], 8000)
    (tmp_path / "annotations.csv").write_text("split,audio_filename,annotator_id,1_engine_presence\ntrain,a.wav,1,1\n")
    with pytest.raises(L3Error, match="SONYC-UST has several labels a clip, train learns one: l3mote evaluate"):
        training.train(str(tmp_path), str(tmp_path / "x.l3m"))


def test_a_missing_folder_is_refused_before_training(tones, tmp_path):
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")
    with pytest.raises(L3Error, match="no such directory for the model: .*nowhere"):
        training.train(str(tones), str(tmp_path / "nowhere" / "x.l3m"))


def test_no_tensorflow_is_one_clear_error(monkeypatch, tones, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(L3Error, match=r"pip install 'l3mote\[train\]'"):
        training.train(str(tones), str(tmp_path / "x.l3m"))


def test_nan_loss_stops_and_keeps_the_last_checkpoint(keras, tmp_path):
    from l3host.train import fit

    sounds = [(noise(1, 9000, i)[0] * 32767).astype(np.int16) for i in range(2)]
    settings = Settings(**vars(TINY) | {"windows": 2, "batch": 4, "epochs": 3})

    class Stop(Exception):
        pass

    def spoil(epoch, loss):
        with np.load(tmp_path / "checkpoint.npz") as saved:
            values = dict(saved)
        values["arr_4"] *= np.nan  # the first kernel
        np.savez(tmp_path / "checkpoint.npz", **values)
        raise Stop

    with pytest.raises(Stop):
        fit.fit(sounds, [0, 1], 2, settings, tmp_path, spoil)
    kept = (tmp_path / "checkpoint.npz").read_bytes()
    with pytest.raises(L3Error, match="loss is nan in epoch 2.*checkpoint of epoch 1 is kept"):
        fit.fit(sounds, [0, 1], 2, settings, tmp_path, spoil)
    assert (tmp_path / "checkpoint.npz").read_bytes() == kept
    (tmp_path / "checkpoint.npz").write_bytes(kept[:1000])
    with pytest.raises(L3Error, match="cannot read .*delete it to start over"):
        fit.fit(sounds, [0, 1], 2, settings, tmp_path, spoil)


def test_clips_that_do_not_decode_are_named(tmp_path):
    for label, loud in (("a", 1.0), ("b", 0.5)):
        (tmp_path / label).mkdir()
        soundfile.write(tmp_path / label / "0.flac", loud * noise(1, 20000)[0], 8000)
    dataset = datasets.load(str(tmp_path))
    broken = tmp_path / "b" / "0.flac"
    broken.write_bytes(broken.read_bytes()[:200])  # the header is whole
    with pytest.raises(L3Error, match=r"1 of 2 clips .*b/0.flac"):
        clips.prepare(tmp_path / "clips.npz", [clip.path for clip in dataset.clips], 8000)
    assert not (tmp_path / "clips.npz").exists()


# -- jobs and figures


def fail(job, send):
    if job == "error":
        raise L3Error("no good")
    if job == "death":
        os._exit(3)
    send(job)
    time.sleep(job == "slow" and 60)


def test_jobs_report_errors_and_deaths_and_end_the_others(tmp_path):
    messages = []
    log = str(tmp_path / "log.txt")
    jobs.run(fail, {"a": 1, "b": 2, "c": 3}, log, lambda name, message: messages.append((name, message)))
    assert sorted(messages) == [("a", 1), ("b", 2), ("c", 3)]
    start = time.monotonic()
    with pytest.raises(L3Error, match="x: no good"):
        jobs.run(fail, {"slow": "slow", "x": "error"}, log, lambda *_: None)
    with pytest.raises(L3Error, match="x: its process ended with status 3, see .*log.txt"):
        jobs.run(fail, {"slow": "slow", "x": "death"}, log, lambda *_: None)
    assert time.monotonic() - start < 30


def test_summary_counts_clips():
    results = {"1": {"confusion": [[3, 1, 0], [0, 4, 0], [0, 0, 0]]}, "2": {"confusion": [[2, 0, 0], [2, 0, 0], [0, 0, 0]]}}
    figures = crossval.summary(["a", "b", "c"], results)
    assert figures["accuracy_per_fold"] == {"1": 7 / 8, "2": 0.5}
    assert figures["accuracy_mean"] == 11 / 16
    assert figures["accuracy_per_class"] == {"a": 5 / 6, "b": 4 / 6, "c": None}
    assert figures["confusion"] == [[5, 1, 0], [2, 4, 0], [0, 0, 0]]
