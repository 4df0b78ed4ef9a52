"""Recovering: knowledge distillation, SEA, fine-tuning on labels; what they refuse; resuming."""

import importlib.util

import numpy as np
import pytest
from support import require, shared

from l3host.errors import L3Error
from l3host.graph.network import frontend
from l3host.reference import floats
from l3host.train import points
from l3host.train.settings import Kd, Labels, Sea

FILTERS = (4, 4, 8, 8)
KD = Kd(epochs=4, batch=8, learning_rate=0.003, windows=6)
SEA = Sea(epochs=25, batch=24, learning_rate=0.01, points=96)


def clips(number=8, rate=8000, seconds=1.5):
    """Int16 clips, each a tone that swells, with a little noise."""
    rng = np.random.default_rng(1)
    t = np.arange(int(rate * seconds)) / rate
    tones = [np.sin(2 * np.pi * hz * t) * t / seconds for hz in np.linspace(200, 3500, number)]
    return [(16000 * tone + 100 * rng.standard_normal(len(t))).astype(np.int16) for tone in tones]


# -- points


def test_windows_of_points_at_two_rates():
    fe = frontend("sea")
    ramps = [np.arange(12000, dtype=np.int16), np.arange(500, dtype=np.int16)]
    where = points.draw(ramps, 8000, 1.0, np.array([0, 0, 1]), np.random.default_rng(0))
    assert where.start[0] != where.start[1] and where.start[2] == 0 and (where.start <= 0.5).all()
    result = where.windows(ramps, fe) * 32768
    for row, start in zip(result[:2], where.start, strict=False):
        np.testing.assert_array_equal(row, round(8000 * start) + np.arange(8000))
    np.testing.assert_array_equal(result[2], np.pad(np.arange(500), (0, 7500)))
    doubled = [np.repeat(clip, 2) for clip in ramps]
    fe.sample_rate, fe.window = 16000, 16000
    assert where.windows(doubled, fe)[0][0] * 32768 == pytest.approx(result[0][0], abs=1)


def test_clips_at_another_rate_keep_their_tone():
    (slow,) = points.at_rate([(20000 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)).astype(np.int16)], 48000, 8000)
    wanted = 20000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    np.testing.assert_allclose(slow[100:-100], wanted[100:-100], atol=100)  # the filter passes 1.003


def test_louder_points_are_drawn_in_proportion():
    levels = np.array([0.0] * 10 + [1.0] * 200 + [3.0] * 200)
    firsts = [points.by_weight(1, levels, np.random.default_rng(i))[0] for i in range(800)]
    assert np.mean(np.array(firsts) >= 210) == pytest.approx(0.75, abs=0.05)
    drawn = points.by_weight(400, levels, np.random.default_rng(0))
    assert sorted(drawn) == list(range(10, 410))  # silence comes last


def test_diversity_finds_rare_groups_and_takes_nothing_twice():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], [500, 3, 3])
    embeddings = rng.standard_normal((506, 4)) * 0.01 + np.array([0, 10, -10])[groups, None]
    assert set(groups[points.far_apart(3, embeddings, np.random.default_rng(1))]) == {0, 1, 2}
    copies = points.far_apart(5, np.zeros((6, 2)), rng)
    assert len(set(copies)) == 5


def test_principal_components_are_those_of_the_svd():
    rng = np.random.default_rng(0)
    data = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6)) + 5
    mean, components = points.principal(data, 3)
    np.testing.assert_allclose(mean, data.mean(axis=0))
    _, _, expected = np.linalg.svd(data - data.mean(axis=0), full_matrices=False)
    for ours, theirs in zip(components, expected, strict=False):
        assert abs(ours @ theirs) == pytest.approx(1)
        assert ours[np.abs(ours).argmax()] > 0


def test_bad_samplings():
    where = points.draw(clips(), 8000, 1.0, np.arange(8), np.random.default_rng(0))
    with pytest.raises(L3Error, match="unknown sampling 'loud': choose from random, loudness, diversity"):
        points.sample(2, where, None, None, "loud", None)
    with pytest.raises(L3Error, match="9 points of 8 candidates"):
        points.sample(9, where, None, None, "random", None)


# -- training


@pytest.fixture
def train():
    """l3host.train.recover, with teacher() and friends in reach."""
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")
    from l3host.train import recover

    return recover


def network(filters=FILTERS, seed=0, fe="sea", final_norm=True):
    """A network with batch norm statistics of the clips, so that its embedding tells them apart."""
    from l3host.compress import batchnorm
    from l3host.networks import build
    from l3host.networks.backend import keras

    keras.utils.set_random_seed(seed)
    model = build.audio(frontend(fe) if isinstance(fe, str) else fe, filters, final_norm)
    windows = np.stack([clip[: model.input_shape[1]] for clip in clips(rate=model.get_layer("log_mel").frontend.sample_rate)])
    batchnorm.reestimate(model, windows / np.float32(32768))
    return model


def error(model, targets):
    waves = np.stack([clip[-8000:] for clip in clips()]) / np.float32(32768)
    return float(np.mean((model.predict_on_batch(waves) - targets(waves)) ** 2))


class Stop(Exception):
    pass


def stop(epochs, loss):
    raise Stop


def ignore(epochs, loss):
    pass


def test_kd_recovers_a_pruned_student_and_resumes(train, tmp_path):
    from l3host.compress import prune

    teacher = network()

    def student():
        model = network()
        prune.zero(model, 70)
        return model

    before = error(student(), teacher.predict_on_batch)
    trained = train.kd(teacher, student(), clips(), KD, tmp_path / "whole", ignore)
    assert error(trained, teacher.predict_on_batch) < 0.5 * before
    for name, kernel in prune.kernels(student()).items():
        np.testing.assert_array_equal(prune.kernels(trained)[name] != 0, kernel != 0)
    with pytest.raises(Stop):
        train.kd(teacher, student(), clips(), KD, tmp_path / "stopped", stop)
    kept = sorted((tmp_path / "stopped").glob("teacher-*/*.npy"))
    times = [path.stat().st_mtime_ns for path in kept]
    resumed = train.kd(teacher, student(), clips(), KD, tmp_path / "stopped", ignore)
    for a, b in zip(resumed.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(kept) == 1 and [path.stat().st_mtime_ns for path in kept] == times  # the teacher was not asked again
    with pytest.raises(L3Error, match=r"another training \(other student\)"):
        train.kd(teacher, network(), clips(), KD, tmp_path / "stopped", ignore)
    with pytest.raises(L3Error, match=r"another training \(other clips, epochs\)"):
        train.kd(teacher, student(), clips(7), Kd(**vars(KD) | {"epochs": 5}), tmp_path / "stopped", ignore)


def test_the_teachers_embeddings_are_the_references(train, tmp_path):
    from l3host.networks import weights
    from l3host.train import distill

    teacher = network()
    where = points.draw(clips(), 8000, 1.0, np.arange(8), np.random.default_rng(0))
    result = distill.embeddings(teacher, clips(), where, tmp_path)
    expected = floats.run(weights.to_graph(teacher), where.windows(clips(), frontend("sea"))).embedding
    np.testing.assert_allclose(result, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize(("sampling", "final_norm"), [("random", True), ("loudness", False), ("diversity", True)])
def test_sea_teaches_the_reduced_embedding(train, tmp_path, sampling, final_norm):
    teacher = network()
    student = network((8, 8, 8, 4), seed=1, final_norm=final_norm)
    settings = Sea(**vars(SEA) | {"sampling": sampling})
    losses = []
    train.sea(teacher, student, clips(), 8000, settings, tmp_path, lambda epochs, loss: losses.append(loss))

    waves = np.stack([clip[-8000:] for clip in clips()]) / np.float32(32768)
    wanted, got = teacher.predict_on_batch(waves), student.predict_on_batch(waves)
    assert losses[-1] < 0.7 * losses[0]
    assert got.min() < 0 or final_norm
    # distances between clips, which neither a shift nor dropped small components change much
    apart = [np.linalg.norm(e[:, None] - e[None], axis=2)[np.triu_indices(8, 1)] for e in (wanted, got)]
    assert np.corrcoef(*apart)[0, 1] > 0.65


def test_sea_across_rates(train, tmp_path):
    """The teacher hears 16 kHz, the student 8 kHz; a student of the teacher's size learns it without PCA."""
    from l3host.train import distill

    fe = frontend("sea")
    fe.sample_rate, fe.window, fe.hop_length, fe.fmax = 16000, 16000, 320, 8000.0
    teacher, sounds = network(fe=fe), clips(rate=16000)
    student = network(FILTERS, seed=1)
    losses = []
    train.sea(teacher, student, sounds, 16000, SEA, tmp_path, lambda epochs, loss: losses.append(loss))
    result = np.random.default_rng(0).uniform(size=(5, 8)).astype(np.float32)
    np.testing.assert_array_equal(distill.reduced(result, student), result)
    assert losses[-1] < 0.7 * losses[0]
    with pytest.raises(L3Error, match="teacher hears 16000 samples at 16000 Hz, the student 8000 samples at 8000 Hz: sea teaches"):
        train.kd(teacher, student, sounds, KD, tmp_path / "kd", ignore)
    fe.window = 8000
    short = network(fe=fe)
    with pytest.raises(L3Error, match="8000 samples at 16000 Hz, the student 8000 samples at 8000 Hz: they must be equally long"):
        train.sea(short, student, sounds, 16000, SEA, tmp_path / "sea", ignore)


def test_a_new_student_starts_at_the_scale_of_its_targets(train):
    from l3host.train import distill

    waves = np.stack([clip[:8000] for clip in clips(32)]) / np.float32(32768)
    targets = np.random.default_rng(0).normal(50, 20, (32, 4)).astype(np.float32)
    for final_norm in (True, False):
        student = network((3, 3, 4), seed=1, final_norm=final_norm)
        distill.fit_scale(student, waves, targets)
        result = student.predict_on_batch(waves)
        np.testing.assert_allclose(result.mean(axis=0), targets.mean(axis=0), rtol=0.1)
        np.testing.assert_allclose(result.std(axis=0), targets.std(axis=0), rtol=0.1)


def test_networks_and_clips_that_do_not_fit(train, tmp_path):
    teacher = network()
    with pytest.raises(L3Error, match=r"embedding has 8 values, the student's 4: sea reduces the teacher's \(PCA\), kd does not"):
        train.kd(teacher, network((3, 3, 4)), clips(), KD, tmp_path, ignore)
    with pytest.raises(L3Error, match="8 values of the student for 4 of the teacher: PCA only reduces"):
        train.sea(network((3, 3, 4)), teacher, clips(), 8000, SEA, tmp_path, ignore)
    with pytest.raises(L3Error, match="no clips to learn from"):
        train.kd(teacher, network(), [], KD, tmp_path, ignore)
    with pytest.raises(L3Error, match="7 labels for 8 clips"):
        train.labels(teacher, clips(), [0] * 7, 2, Labels(), tmp_path, ignore)
    assert not list(tmp_path.iterdir())


def test_labels_start_from_the_network_given_and_keep_its_zeros(train, tmp_path):
    from l3host.compress import prune

    start = network((4, 4) + 6 * (8,))  # three pools, to tell low from high
    prune.zero(start, 50)
    zeros = {name: kernel == 0 for name, kernel in prune.kernels(start).items()}
    settings = Labels(epochs=4, batch=16, learning_rate=0.01, windows=40, mixing=0.0, dropout=0.0)
    wanted = [0] * 4 + [1] * 4  # low and high tones
    model = train.labels(start, clips(), wanted, 2, settings, tmp_path, ignore)
    waves = np.stack([clip[-8000:] for clip in clips()]) / np.float32(32768)
    assert (model.predict_on_batch(waves).argmax(axis=1) == wanted).mean() >= 7 / 8
    for name, kernel in prune.kernels(model).items():
        np.testing.assert_array_equal(kernel == 0, zeros[name])
    with pytest.raises(L3Error, match=r"another training \(other network\)"):
        train.labels(network(), clips(), wanted, 2, settings, tmp_path, ignore)


def test_sea64_pruned_comes_back(train, tmp_path):
    """The published network itself, 87 % pruned: a few steps halve its distance to the teacher on sounds it has not heard."""
    path = shared("models/edgel3_sea_ust_audio_emb_64.h5")
    from l3host.compress import batchnorm, prune
    from l3host.networks import weights

    teacher, student = weights.load(str(path)), weights.load(str(path))
    waves = np.stack([clip[-8000:] for clip in clips()]) / np.float32(32768)
    batchnorm.reestimate(teacher, waves)
    prune.zero(student, 87)
    batchnorm.reestimate(student, waves)
    before = error(student, teacher.predict_on_batch)
    settings = Kd(epochs=3, batch=8, learning_rate=1e-3, windows=4)
    train.kd(teacher, student, clips(), settings, tmp_path, ignore)
    assert error(student, teacher.predict_on_batch) < 0.5 * before
