"""Events of labelled clips: peaks, thresholds for a price, judging a classifier's own head, and l3mote tune."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from models import data, small

from l3host import cli, datasets
from l3host.datasets import fingerprints
from l3host.errors import L3Error
from l3host.evaluate import events, own_head
from l3host.evaluate.events import Peaks, Timelines
from l3host.graph.network import Dense, frontend
from l3host.l3m.load import load_graph
from l3host.reference import listening
from l3mote.limits import possible_hop

NAN = float("nan")


# -- peaks and thresholds


def test_the_app_has_peaks_of_windows_at_its_own_hop():
    """SEA's window has 8,000 samples; a hop of 160 is shorter than the app's least, so some windows never count."""
    fe = frontend("sea")
    often = frontend("sea")
    often.hop = 160
    every = possible_hop(often, 160) // 160
    assert every > 1
    scores = np.full((3 * every, 1), 0.9, np.float32)
    scores[::every] = [[0.25], [0.75], [0.5]]
    clips = Timelines([scores], np.array([0]), np.array([1.0]))
    alone = {"smooth": 1}
    assert events.of_app(clips, often, settings=alone).values == [[0.75]]
    assert events.of_app(clips, often, settings=alone | {"votes": 2}).values == [[0.5]]
    assert events.of_app(clips, often).values == [[0.5]]  # the greatest mean of all windows so far, as all hear one moment
    assert events.of_app(clips, fe).values == pytest.approx(0.9)


@pytest.mark.parametrize("smooth, votes, of", [(1, 1, 1), (2, 1, 1), (1, 2, 3), (3, 2, 2)])
def test_a_peak_is_the_highest_threshold_that_the_app_reports(smooth, votes, of):
    """The reference's events of random scores, at thresholds just below and just above the peak."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 7):
        scores = rng.random((n, 3))
        result = events.peak(scores, smooth, votes, of)
        for delta in (-1e-6, 1e-6):
            rules = listening.Rules(4, 8, result + delta, smooth, votes, of)
            reports = listening.events(["a", "b", "c"], 8, rules, scores, np.zeros(n))
            reported = {e["label"] for e in reports if e["event"] == "start"}
            possible = {label for label, peak in zip("abc", result, strict=True) if peak > 0}
            assert reported == (possible if delta < 0 else set())


def clips(rows, silent=(2,)):
    """Peaks of (true label, peaks...) rows, 36 s each: a hundred are an hour."""
    values = np.array([row[1:] for row in rows], float)
    return Peaks(values, np.array([row[0] for row in rows]), np.full(len(rows), 36.0), silent)


BOOK = clips([
    (0, 0.9, 0.1, 0), (0, 0.8, 0.1, 0), (0, 0.3, 0.1, 0), (1, 0.2, 0.95, 0), (1, 0.2, 0.6, 0),
    (2, 0.85, 0.1, 0), (2, 0.1, 0.5, 0), (2, 0.1, 0.2, 0), (2, 0.2, 0.3, 0),
])  # fmt: skip


def test_figures_by_hand():
    assert events.figures(BOOK, np.array([0.5, 0.5, 2.0])) == (4 / 5, 2 / 4, 2 * 100 / 4)
    assert events.figures(BOOK, np.array([0.1, 0.15, 2.0])) == (1.0, 1.0, 7 * 100 / 4)
    only = BOOK.take(np.arange(5))
    recall, false, per_hour = events.figures(only, np.array([0.5, 0.5, 2.0]))
    assert recall == 4 / 5 and np.isnan([false, per_hour]).all()


def test_the_curve_by_hand():
    """Own peaks 0.95 to 0.3, those of other sounds 0.85, 0.5, 0.3 and 0.2; a threshold is half way to the next peak below."""
    steps = events.curve(BOOK)
    assert [cost for cost, _ in steps] == [0, 0, 0, 1 / 4, 1 / 4, 3 / 4]
    assert [events.figures(BOOK, t).recall for _, t in steps] == [0, 1 / 5, 2 / 5, 3 / 5, 4 / 5, 1]
    assert [t[0] for _, t in steps] == pytest.approx([2, 0.925, 0.875, 0.7, 0.55, 0.25])
    assert all(t[1] == t[0] and t[2] == 2 for _, t in steps)  # the silent label's never changes


def test_thresholds_keep_the_price_or_else_the_recall():
    within = events.choose(BOOK, price=0.0, recall=0.4)
    assert events.figures(BOOK, within)[:2] == (2 / 5, 0) and within.tolist() == pytest.approx([0.875, 0.875, 2])
    dear = events.choose(BOOK, price=0.0, recall=0.75)
    assert events.figures(BOOK, dear)[:2] == (4 / 5, 1 / 4) and dear[0] == pytest.approx(0.55)
    alone = events.choose(BOOK.take(np.arange(5)), price=0.05, recall=0.75)
    assert alone[0] == pytest.approx(0.45)


def test_held_out_figures_use_the_other_folds_thresholds():
    """The second fold's sounds score twice as low: the first fold's threshold misses them, its own would not."""
    first = clips([(0, 0.8, 0, 0), (0, 0.9, 0, 0), (2, 0.4, 0, 0)])
    second = clips([(0, 0.4, 0, 0), (0, 0.45, 0, 0), (2, 0.2, 0, 0)])
    assert events.held_out([first, second]) == (0.5, 0.5, 50.0)  # the second's threshold lets the first's other sound through
    together = events.tuned([first, second], ["a", "b", "_other"])
    assert together["clips"] == 4 and together["unrelated_clips"] == 2 and together["thresholds"]["_other"] == 2.0
    assert events.tuned([first], ["a", "b", "_other"])["held_out"] is None


def test_intervals_of_many_clips_are_near_the_binomial_one():
    many = clips([(0, 0.9, 0, 0)] * 80 + [(0, 0.1, 0, 0)] * 20 + [(2, 0.9, 0, 0)] * 10 + [(2, 0.1, 0, 0)] * 90)
    low, high = events.intervals(many, np.array([0.5, 0.5, 2.0]))["recall"]
    assert low == pytest.approx(0.8 - 0.078, abs=0.02) and high == pytest.approx(0.8 + 0.078, abs=0.02)


def test_timelines_come_back_from_their_file(tmp_path):
    result = Timelines([np.ones((2, 3)), np.zeros((1, 3))], np.array([0, 2]), np.array([1.0, 0.5]))
    result.save(tmp_path / "x.npz")
    again = Timelines.read(tmp_path / "x.npz")
    assert [scores.tolist() for scores in again.scores] == [scores.tolist() for scores in result.scores]
    assert again.labels.tolist() == [0, 2] and again.seconds.tolist() == [1, 0.5]


# -- a classifier's own head

RATE = 1000
TONES = {"low": 60, "high": 400}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """sounds/low and sounds/high, six tones each, rest/ with noises, and model.l3m: a head fitted to tell the tones by hand."""
    monkeypatch.chdir(tmp_path)
    rng, t = np.random.default_rng(0), np.arange(600) / RATE
    for label, hz in TONES.items():
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for i in range(6):
            soundfile.write(f"sounds/{label}/{i}.wav", 0.3 * np.sin(2 * np.pi * (hz + i) * t), RATE)
    (tmp_path / "rest").mkdir()
    for i in range(6):
        soundfile.write(f"rest/{i}.wav", 0.1 * rng.standard_normal(600), RATE)
    graph = small()
    graph.layers = [layer for layer in graph.layers if not isinstance(layer, Dense)]
    size = graph.embedding_size
    graph.layers.append(Dense("head", 0.05 * rng.standard_normal((size, 3)), np.zeros(3), "softmax"))
    graph.labels = ["low", "high", "_other"]
    fit(graph, [*Path("sounds/low").iterdir()], [*Path("sounds/high").iterdir()], [*Path("rest").iterdir()])
    Path("model.l3m").write_bytes(data(graph))
    return graph


def fit(graph, *classes):
    """Least squares on the embeddings of one window of each file: enough to tell tones apart."""
    from l3host.embed import run_windows

    embeddings, wanted = [], []
    for number, files in enumerate(classes):
        for file in files:
            pcm = soundfile.read(file, dtype="int16")[0]
            embeddings.append(run_windows(graph, pcm[None, : graph.frontend.window]).embedding[0])
            wanted.append(6 * np.eye(3)[number])
    x = np.array(embeddings)
    head = graph.layers[-1]
    solution = np.linalg.lstsq(np.c_[x, np.ones(len(x))], np.array(wanted), rcond=1e-3)[0]
    head.kernel, head.bias = solution[:-1], solution[-1]


def test_figures_are_those_of_listening(place, capsys):
    """Recall, false events and confusion counted from what the reference of the listening app says of each clip."""
    assert cli.main(["evaluate", "model.l3m", "sounds", "--other", "rest", "--json", "--picture", "taken.png"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert Path("taken.png").read_bytes().startswith(b"\x89PNG")
    graph = load_graph("model.l3m")
    reported = {}
    for path in [*Path("sounds").rglob("*.wav"), *Path("rest").iterdir()]:
        reports = listening.listen(graph, soundfile.read(path, dtype="int16")[0], RATE)
        reported[path] = {e["label"] for e in reports if e["event"] == "start"}
    own = [path.parent.name in labels for path, labels in reported.items() if path.parent.name != "rest"]
    false = [len(labels) for path, labels in reported.items() if path.parent.name == "rest"]
    assert result["recall"] == np.mean(own) and result["clips"] == 18 and result["judged"] == 18
    assert result["false"] == np.mean([n > 0 for n in false])
    assert result["false_per_hour"] == pytest.approx(sum(false) / (6 * 0.6 / 3600))
    right = sum(path.parent.name in labels for path, labels in reported.items())
    assert result["precision"] == right / sum(map(len, reported.values()))
    assert np.sum(result["confusion"]) == 18 and result["confusion_columns"] == ["low", "high", "nothing"]
    assert result["trained_on"] == 0
    assert cli.main(["evaluate", "model.l3m", "sounds"]) == 0
    assert "no unrelated clips: --other" in capsys.readouterr().out


def test_clips_that_the_model_was_trained_on_are_left_out_and_the_held_out_figure_is_named(place, capsys):
    files = sorted(Path("sounds").rglob("*.wav"))
    place.provenance[fingerprints.KEY] = fingerprints.text([str(path) for path in files[:6]])
    place.provenance["held_out"] = {"accuracy": 0.812, "clips": 320}
    Path("model.l3m").write_bytes(data(place))
    samples, rate = soundfile.read(files[0], dtype="int16")
    files[0].unlink()
    soundfile.write(files[0].with_suffix(".flac"), samples, rate)  # what is heard counts, not the file
    assert cli.main(["evaluate", "model.l3m", "sounds"]) == 0
    out = capsys.readouterr().out
    assert "6 of 12 clips are among those that it was trained on: left out" in out
    assert "held out in its training: clip accuracy 0.812 of 320 clips" in out
    place.provenance[fingerprints.KEY] = fingerprints.text([str(p) for p in sorted(Path("sounds").rglob("*.*")) if p.is_file()])
    Path("model.l3m").write_bytes(data(place))
    assert cli.main(["evaluate", "model.l3m", "sounds", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["trained_on"] == 12 and "recall" not in result and result["held_out"]["accuracy"] == 0.812
    assert cli.main(["evaluate", "model.l3m", "sounds", "--probe", "logistic"]) == 0
    assert "figures on them say nothing about new sounds" in capsys.readouterr().out


def test_a_clip_is_known_at_another_rate_and_in_another_format(tmp_path):
    """Bursts of coloured noise, five seconds each: at 44.1 kHz, and at 16 kHz in Vorbis and 8 kHz in FLAC."""
    soxr = pytest.importorskip("soxr")
    rng = np.random.default_rng(0)
    paths = []
    for i in range(8):
        noise = np.cumsum(rng.standard_normal(5 * 44100)) * np.exp(-np.arange(5 * 44100) % rng.integers(9000, 90000) / 9000)
        noise = noise - np.convolve(noise, np.ones(200) / 200, "same")  # little below 200 Hz
        paths.append(tmp_path / f"{i}.wav")
        soundfile.write(paths[-1], 0.5 * noise / np.abs(noise).max(), 44100)
    known = fingerprints.known({fingerprints.KEY: fingerprints.text([str(path) for path in paths[:4]])})
    for path in paths:
        sound, rate = soundfile.read(path)
        for target, suffix in ((16000, ".ogg"), (8000, ".flac")):
            other = path.with_suffix(suffix)
            soundfile.write(other, soxr.resample(sound, rate, target), target)
            assert fingerprints.is_known(str(other), known) == (path in paths[:4]), other


def test_what_cannot_be_judged(place, capsys):
    Path("sounds/cat").mkdir()
    soundfile.write("sounds/cat/1.wav", np.zeros(600), RATE)
    with pytest.raises(L3Error, match="sounds has cat: the model has no such label, but low, high"):
        own_head.labels_of(place, datasets.load("sounds"))
    Path("sounds/cat").rename("sounds/_cat")
    assert sorted(own_head.labels_of(place, datasets.load("sounds"))) == [-1, 0, 1]
    assert cli.main(["evaluate", "model.l3m", "sounds", "--probe", "mlp", "--other", "rest"]) == 1
    assert "--other and --set are for --probe head" in capsys.readouterr().err


# -- l3mote tune


def test_tune_changes_thresholds_and_nothing_else(place, capsys):
    arguments = ["tune", "model.l3m", "sounds", "--other", "rest", "-o", "new.l3m", "--picture", "curve.png"]
    assert cli.main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    before, after = load_graph("model.l3m"), load_graph("new.l3m")
    assert after.thresholds[:2] == pytest.approx([result["thresholds"]["low"], result["thresholds"]["high"]], abs=1e-4)
    assert after.thresholds[2] == 2.0 and after.provenance["tuned"]["unrelated_clips"] == 6
    for a, b in zip(before.layers, after.layers, strict=True):
        np.testing.assert_array_equal(a.kernel, b.kernel)
        np.testing.assert_array_equal(a.bias, b.bias)
    assert Path("curve.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main(["evaluate", "new.l3m", "sounds", "--other", "rest", "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert (judged["recall"], judged["false"]) == (result["recall"], result["false"])
    assert result["curve"][0][0] == 0 and result["curve"][-1][1] == 1
    assert cli.main(arguments) == 1  # the outputs exist
    assert "new.l3m exists: --force" in capsys.readouterr().err


def test_a_price_that_cannot_be_had_names_the_nearest(place, capsys):
    for path in Path("rest").iterdir():  # other sounds that are like the first label
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * (63.5 + int(path.stem) / 7) * np.arange(600) / RATE), RATE)
    assert cli.main(["tune", "model.l3m", "sounds", "--other", "rest", "--recall", "100", "--price", "0"]) == 0
    assert "0 % is out of reach with 100 % reported: 100.0 % is the nearest" in capsys.readouterr().out


def test_what_tune_refuses(place, capsys):
    def refused(*arguments):
        assert cli.main(["tune", "model.l3m", *arguments]) == 1
        return capsys.readouterr().err

    assert "no other sounds: --other FOLDER" in refused("sounds")
    place.provenance[fingerprints.KEY] = fingerprints.text([str(p) for p in Path("sounds/low").iterdir()])
    Path("model.l3m").write_bytes(data(place))
    reports = refused("sounds", "--other", "rest")
    assert "fewer than 2 clips of low that sounds has and the model was not trained on: record more" in reports
    for i in range(5):
        Path(f"sounds/high/{i}.wav").unlink()
    place.provenance.clear()
    Path("model.l3m").write_bytes(data(place))
    assert "fewer than 2 clips of high: record more of them" in refused("sounds", "--other", "rest")
    Path("sounds/cat").mkdir()
    soundfile.write("sounds/cat/1.wav", np.zeros(600), RATE)  # one clip, of a label that the model lacks: that is what is wrong
    assert "sounds has cat: the model has no such label, but low, high" in refused("sounds", "--other", "rest")
