"""Downstream evaluation: figures counted by hand, the protocol on embeddings whose answer is known, no leak, bad input."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from models import data, small

from l3host import cli, datasets
from l3host.datasets import Clip, Dataset
from l3host.embed import get_embedding
from l3host.errors import L3Error
from l3host.evaluate import embeddings, metrics, protocol
from l3host.reference import listening

CLASSES, FOLDS, FRAMES, SIZE = 4, 4, 3, 8


@pytest.fixture
def few_draws(monkeypatch):
    """AUPRC's bootstrap takes seconds."""
    monkeypatch.setattr(metrics, "DRAWS", 40)


def dataset(per_fold=3, folds=FOLDS):
    """`per_fold` clips of each class in each fold, in no order of folds."""
    clips = [Clip(f"{i}.wav", (label,), fold) for i in range(per_fold) for label in range(CLASSES) for fold in range(1, folds + 1)]
    return Dataset("made up", clips, [f"class {i}" for i in range(CLASSES)])


def tagged(change=lambda clip: clip, n=40):
    """Three splits of n clips; tag 0 and 1 of a clip are two bits of its number. change: None to leave a clip out."""
    clips = [Clip(f"{i}.wav", tuple(t for t in (0, 1) if i >> t & 1), fold) for fold in (1, 2, 3) for i in range(n)]
    return Dataset("tags", [c for c in map(change, clips) if c], ["a", "b"], multilabel=True, split=True)


def separable(ds, noise=0.3, seed=0):
    """Frames near a corner of a cube that belongs to the clip's labels."""
    rng = np.random.default_rng(seed)
    corners = rng.choice([-1.0, 1.0], (len(ds.labels), SIZE)) * 3
    return [(corners[list(c.tags)].sum(axis=0) + noise * rng.normal(size=(FRAMES, SIZE))).astype(np.float32) for c in ds.clips]


# -- figures


def test_auprc_by_hand():
    """One tag, ranked 1 0 1 0: precision 1/1 at the first hit, 2/3 at the second. Another, ranked 0 1 0 0: 1/2."""
    targets = np.array([[1, 0], [0, 1], [1, 0], [0, 0]], bool)
    scores = np.array([[0.9, 0.8], [0.7, 0.6], [0.5, 0.4], [0.3, 0.2]])
    first, second = (1 + 2 / 3) / 2, 1 / 2
    assert metrics.auprc_per_label(targets, scores) == pytest.approx([first, second])
    assert metrics.auprc_macro(targets, scores) == pytest.approx((first + second) / 2)
    # all eight pairs by score: .9 hit (1/1), .8, .7, .6 hit (2/4), .5 hit (3/5), .4, .3, .2
    assert metrics.auprc_micro(targets, scores) == pytest.approx((1 + 2 / 4 + 3 / 5) / 3)


def test_a_tag_that_no_clip_has_is_left_out_of_the_macro_mean():
    targets = np.array([[1, 0], [0, 0]], bool)
    scores = np.array([[0.2, 0.5], [0.4, 0.6]])
    assert metrics.auprc_per_label(targets, scores) == [0.5, None]
    assert metrics.auprc_macro(targets, scores) == 0.5


def test_means_over_seeds_and_folds():
    right, wrong = np.eye(2), 1 - np.eye(2)
    folds = [(np.eye(2, dtype=bool), [right, right]), (np.eye(2, dtype=bool), [right, wrong])]
    assert metrics.over_folds(metrics.accuracy, folds) == ([1.0, 0.5], [1.0, 0.5])


def test_interval_of_a_proportion_is_near_the_binomial_one():
    """70 right of 100: 0.7 -+ 1.96 sqrt(0.7 x 0.3 / 100) = 0.61 .. 0.79."""
    targets = np.tile([True, False], (100, 1))
    scores = np.where(np.arange(100)[:, None] < 70, [1.0, 0.0], [0.0, 1.0])
    assert metrics.interval(metrics.accuracy, [(targets, [scores])]) == pytest.approx([0.61, 0.79], abs=0.015)


# -- protocol


def test_every_fold_is_tested_once_and_validates_once():
    assert protocol.rounds(dataset()) == [([3, 4], 2, 1), ([1, 4], 3, 2), ([1, 2], 4, 3), ([2, 3], 1, 4)]
    assert [turn.test for turn in protocol.rounds(dataset(), [3])] == [3]
    assert protocol.rounds(tagged()) == [([1], 2, 3)]


@pytest.mark.parametrize("probe", ["mlp", "logistic"])
def test_separable_embeddings_are_classified(probe):
    ds = dataset()
    result = protocol.evaluate(ds, separable(ds), probe)
    assert result["accuracy_mean"] == 1 and result["accuracy_interval"] == [1, 1]
    assert result["accuracy_per_fold"] == {"1": 1, "2": 1, "3": 1, "4": 1}
    assert result["confusion"] == (12 * np.eye(CLASSES, dtype=int)).tolist()
    assert set(result["accuracy_per_class"].values()) == {1}
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize("probe", ["mlp", "logistic"])
def test_shuffled_labels_give_chance(probe):
    ds = dataset(per_fold=20)
    actual = separable(ds)
    order = np.random.default_rng(1).permutation(len(actual))
    result = protocol.evaluate(ds, [actual[i] for i in order], probe)
    assert result["accuracy_mean"] == pytest.approx(1 / CLASSES, abs=0.1)  # 320 clips: four standard deviations
    low, high = result["accuracy_interval"]
    assert low < result["accuracy_mean"] < high


@pytest.mark.parametrize("probe", ["mlp", "logistic"])
def test_several_tags(probe, few_draws):
    ds = tagged()
    result = protocol.evaluate(ds, separable(ds), probe)
    assert result["auprc_micro_mean"] == result["auprc_macro_mean"] == pytest.approx(1)
    assert result["auprc_micro_per_fold"] == {"test": pytest.approx(1)}
    assert result["auprc_per_class"] == {"a": pytest.approx(1), "b": pytest.approx(1)}
    noise = [np.random.default_rng(i).normal(size=(FRAMES, SIZE)) for i in range(len(ds.clips))]
    chance = protocol.evaluate(ds, noise, probe)
    assert chance["auprc_macro_mean"] == pytest.approx(0.5, abs=0.2)  # half of the clips have a tag
    assert chance["auprc_macro_interval"][0] < chance["auprc_macro_mean"] < chance["auprc_macro_interval"][1]


def test_a_tag_that_training_never_shows(few_draws):
    rare = tagged(lambda clip: clip._replace(tags=(0,)) if clip.fold < 3 and clip.tags else clip)
    for probe in ("mlp", "logistic"):
        assert 0 < protocol.evaluate(rare, separable(tagged()), probe)["auprc_per_class"]["b"] <= 1


def test_a_class_that_training_never_shows_is_never_predicted():
    ds = dataset()
    clips = [c for c in ds.clips if c.label != 0 or c.fold == 1]
    ds = Dataset(ds.name, clips, ds.labels)
    for probe in ("mlp", "logistic"):
        result = protocol.evaluate(ds, separable(ds), probe, folds=[1])
        assert result["accuracy_per_class"]["class 0"] == 0 and result["accuracy_mean"] == 0.75


def test_seeds_change_the_mlp_alone_and_are_averaged():
    ds = dataset(per_fold=10)
    actual = separable(ds, noise=8)
    result = protocol.evaluate(ds, actual, "mlp", folds=[1], seeds=3)
    assert len(set(result["accuracy_per_seed"])) > 1
    assert result["accuracy_mean"] == pytest.approx(np.mean(result["accuracy_per_seed"]))
    assert np.sum(result["confusion"]) == 3 * 40
    assert result == protocol.evaluate(ds, actual, "mlp", folds=[1], seeds=3)
    assert protocol.evaluate(ds, actual, "logistic", folds=[1], seeds=3)["seeds"] == [0]


# -- no leak


@pytest.mark.parametrize("probe", ["mlp", "logistic"])
def test_what_only_the_test_fold_teaches_is_not_learnt(probe):
    """Each fold writes the class in dimensions of its own: whoever trained on the test fold would know all of it."""
    ds = dataset(per_fold=2)
    result = [np.zeros((FRAMES, FOLDS * CLASSES), np.float32) for _ in ds.clips]
    for clip, frames in zip(ds.clips, result, strict=True):
        frames[:, (clip.fold - 1) * CLASSES + clip.label] = 1
    assert protocol.evaluate(ds, result, probe)["accuracy_mean"] <= 0.5
    same = [frames.reshape(FRAMES, FOLDS, CLASSES).sum(axis=1) for frames in result]
    assert protocol.evaluate(ds, same, probe)["accuracy_mean"] == 1  # dimensions shared: the same probe learns it


@pytest.mark.parametrize("probe", ["mlp", "logistic"])
@pytest.mark.parametrize("ds", [dataset(), tagged()], ids=["folds", "split"])
def test_a_clips_scores_do_not_depend_on_other_test_clips(probe, ds):
    """Scaling, training and early stopping may not see them: all others are replaced by enormous values."""
    result = separable(ds, noise=3)
    turn = protocol.rounds(ds)[0]
    before = protocol.scores(ds, result, probe, turn, seed=1)
    first = next(i for i, clip in enumerate(ds.clips) if clip.fold == turn.test)
    others = [i for i, clip in enumerate(ds.clips) if clip.fold == turn.test and i != first]
    spoilt = [1e3 - 50 * frames if i in others else frames for i, frames in enumerate(result)]
    after = protocol.scores(ds, spoilt, probe, turn, seed=1)
    np.testing.assert_allclose(after[0], before[0], rtol=1e-5)
    assert not np.allclose(after[1:], before[1:])


# -- refusals


def refused(words, *arguments, **options):
    with pytest.raises(L3Error, match=words):
        protocol.evaluate(*arguments, **options)


def test_what_cannot_be_evaluated():
    ds = dataset()
    result = separable(ds)
    refused("no fold 9: its folds are 1, 2, 3, 4", ds, result, folds=[1, 9])
    refused("no fold to test", ds, result, folds=[])
    refused("unknown probe 'svm': mlp or logistic", ds, result, probe="svm")
    refused("0 seeds", ds, result, seeds=0)
    refused("47 embeddings for 48 clips", ds, result[1:])
    refused("0.wav: its embedding is NaN", ds, [result[0] * np.nan, *result[1:]])
    refused("one to test, one to validate, one to train", dataset(folds=2), result[:24])
    one = Dataset("alone", [c for c in ds.clips if c.label == 0], ["rain"])
    refused("only the class rain", one, result[:12])
    half = Dataset("half", [c for c in ds.clips if c.label == 0 or c.fold == 1], ds.labels)
    refused(r"the training folds \[3, 4\] have only one class", half, separable(half), folds=[1])
    refused("leave the folds out", tagged(), separable(tagged()), folds=[1])
    half = tagged(lambda clip: clip if clip.fold < 3 else None)
    refused("has no clips", half, separable(half))
    bare = tagged(lambda clip: clip._replace(tags=()) if clip.fold == 3 else clip)
    refused("no test clip has a label", bare, separable(bare))


# -- from audio to figures

TONES = {"high": 400, "low": 60, "mid": 200}  # Hz
RATE = 1000  # of models.small


@pytest.fixture
def tones(tmp_path, monkeypatch):
    """The working folder: small.l3m (random weights) and tones/, eight noisy tones of 1.2 s for each of three classes."""
    monkeypatch.chdir(tmp_path)
    Path("small.l3m").write_bytes(data(small()))
    rng = np.random.default_rng(0)
    t = np.arange(1200) / RATE
    for label, hz in TONES.items():
        (tmp_path / "tones" / label).mkdir(parents=True)
        for i in range(8):
            tone = 0.3 * np.sin(2 * np.pi * hz * rng.uniform(0.9, 1.1) * t) + 0.01 * rng.standard_normal(len(t))
            soundfile.write(f"tones/{label}/{i}.wav", tone, RATE)
    return "tones"


def sound_of(clip):
    """A clip at the model's rate as networks hear it."""
    return listening.without_offset(soundfile.read(clip.path, dtype="int16")[0], RATE) / np.float32(32768)


def test_embeddings_are_those_of_what_is_heard(tones):
    ds = datasets.load(tones)
    result = embeddings.of_model("small.l3m", ds, "runs")
    for clip, frames in list(zip(ds.clips, result, strict=True))[::5]:
        expected, _ = get_embedding(sound_of(clip), RATE, "small.l3m", center=False, hop_size=0.5)
        np.testing.assert_allclose(frames, expected, rtol=1e-4, atol=1e-5)


def test_embeddings_are_computed_once_and_go_on_where_they_stopped(tones, tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "BLOCK", 10)
    ds, calls = datasets.load(tones), []

    def embed(windows):
        calls.append(len(windows))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return windows[:, :4]

    with pytest.raises(KeyboardInterrupt):
        embeddings.of_clips(ds, embed, small().frontend, folder=tmp_path)
    assert sorted(p.name for p in tmp_path.glob("*.npz")) == ["000000.npz", "000010.npz"]
    result = embeddings.of_clips(ds, embed, small().frontend, folder=tmp_path)
    assert calls == [30, 30, 12, 12]  # three windows a clip; blocks of 10, 10 and 4 clips
    for clip, frames in zip(ds.clips, result, strict=True):
        samples = sound_of(clip)
        np.testing.assert_array_equal(frames, [samples[at : at + 4] for at in (0, 500, 1000)])
    again = embeddings.of_clips(ds, embed, small().frontend, folder=tmp_path)
    assert len(calls) == 4 and all(np.array_equal(a, b) for a, b in zip(result, again, strict=True))
    (tmp_path / "000010.npz").write_bytes(b"PK, but no more")
    with pytest.raises(L3Error, match="cannot read .*000010.npz.*delete it"):
        embeddings.of_clips(ds, embed, small().frontend, folder=tmp_path)


def test_another_model_other_clips_and_another_hop_are_computed_anew(tones):
    embeddings.of_model("small.l3m", datasets.load(tones), "runs")
    embeddings.of_model("small.l3m", datasets.load(tones), "runs", hop=0.25)
    Path("other.l3m").write_bytes(data(small(seed=1)))
    embeddings.of_model("other.l3m", datasets.load(tones), "runs")
    Path(tones, "low", "7.wav").write_bytes(Path(tones, "low", "3.wav").read_bytes())  # of the same fold
    embeddings.of_model("small.l3m", datasets.load(tones), "runs")
    assert len(list(Path("runs").iterdir())) == 4


def test_embeddings_that_cannot_be_used(tones):
    ds, fe = datasets.load(tones), small().frontend
    with pytest.raises(L3Error, match="high/0.wav: its embedding is NaN"):
        embeddings.of_clips(ds, lambda windows: np.full((len(windows), 2), np.nan), fe)
    for hop in (0.0001, -1.0, float("nan"), float("inf")):
        with pytest.raises(L3Error, match=f"a hop of {hop} s is not at least one sample"):
            embeddings.of_clips(ds, lambda windows: windows, fe, hop=hop)
    Path("runs").write_text("no folder")
    with pytest.raises(L3Error, match="cannot use the run directory runs"):
        embeddings.of_model("small.l3m", ds, "runs")


@pytest.mark.parametrize("probe", ["mlp", "logistic"])
def test_command_tells_tones_apart(tones, capsys, probe):
    assert cli.main(["evaluate", "small.l3m", tones, "--probe", probe, "--folds", "1,2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result["accuracy_per_fold"]) == ["1", "2"]
    assert result["accuracy_mean"] > 0.8  # chance is 0.33
    assert (result["dataset"], result["clips"], result["hop_seconds"]) == ("tones", 24, 0.5)
    assert cli.main(["evaluate", "small.l3m", tones, "--probe", probe, "--folds", "1,2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("small.l3m on tones, 24 clips")
    assert lines[1].startswith(f"clip accuracy {result['accuracy_mean']:.3f} [")


def test_command_on_a_published_multi_label_layout(tones, capsys, few_draws):
    """SONYC-UST's files: two tones, one tag each, some clips with both."""
    rng, t = np.random.default_rng(1), np.arange(1200) / RATE
    Path("ust/audio").mkdir(parents=True)
    rows = ["split,audio_filename,annotator_id,1_engine_presence,8_dog_presence"]
    for i in range(48):
        engine, dog, split = i & 1, i >> 1 & 1, ("train", "validate", "test")[i // 16]
        sound = engine * np.sin(2 * np.pi * 60 * t) + dog * np.sin(2 * np.pi * 400 * t) + 0.05 * rng.standard_normal(len(t))
        soundfile.write(f"ust/audio/{i}.wav", sound / 4, RATE)
        rows.append(f"{split},{i}.wav,{0 if i >= 16 else 5},{engine},{dog}")
    Path("ust/annotations.csv").write_text("\n".join(rows) + "\n")
    assert cli.main(["evaluate", "small.l3m", "ust", "--probe", "logistic", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["auprc_macro_mean"] > 0.8 and result["auprc_micro_mean"] > 0.8  # chance is 0.5
    assert set(result["auprc_per_class"]) == {"1_engine", "8_dog"}
    assert cli.main(["evaluate", "small.l3m", "ust", "--probe", "logistic"]) == 0
    assert "macro AUPRC" in capsys.readouterr().out


def test_command_refuses_bad_clips_or_skips_and_lists_them(tones, capsys):
    Path(tones, "low", "1.wav").write_bytes(Path(tones, "high", "0.wav").read_bytes())
    arguments = ["evaluate", "small.l3m", tones, "--probe", "logistic", "--folds", "1"]
    assert cli.main(arguments) == 1
    reason = "tones/low/1.wav (the same contents as 0.wav in fold 1)"
    assert f"1 of 24 clips cannot be used: {reason}; --skip-bad" in capsys.readouterr().err
    assert not Path("runs").exists()
    assert cli.main([*arguments, "--skip-bad", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["clips"] == 23 and len(result["skipped"]) == 1
    assert cli.main([*arguments, "--skip-bad"]) == 0
    assert capsys.readouterr().out.startswith(f"skipped: {reason}\n")


def test_no_scikit_learn_is_one_clear_error(tones):
    code = "import sys; sys.modules['sklearn'] = None; from l3host import cli; sys.exit(cli.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "evaluate", "small.l3m", tones, "--probe", "mlp"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "l3mote: evaluation needs scikit-learn: pip install 'l3mote[evaluate]'\n"


def test_the_interval_of_a_share_by_hand():
    """17 of 21: centre (17/21 + 1.96^2/42) / (1 + 1.96^2/21) = 0.7617, half 0.1617."""
    from l3host.evaluate.crossval import wilson

    assert wilson(17, 21) == pytest.approx([0.6000, 0.9233], abs=1e-4)
    assert wilson(5, 5)[1] == pytest.approx(1) and wilson(5, 5)[0] == pytest.approx(0.5655, abs=1e-4)
