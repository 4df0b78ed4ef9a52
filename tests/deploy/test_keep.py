"""l3mote monitor --keep: windows of events and near misses as WAVs, cut and judged as the app on the board would."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import runtime_of
from test_record import known, listening_board

from l3host import cli
from l3host.deploy import targets
from l3host.deploy.keeping import Keeper
from l3host.deploy.recording import Block
from l3host.emulate.rp2040.serial_port import board
from l3host.engines import Answers, Engine
from l3host.errors import L3Error
from l3host.graph.network import Graph, frontend
from l3host.reference import listening

FE = frontend("sea")  # windows of 8,000 samples


def engine(*scores):
    """An engine that gives these scores, window by window, and the windows that it was given."""
    graph, waiting = Graph(FE, []), iter(scores)
    graph.labels, graph.thresholds = ["dog", "rain", "_other"], [0.5, 0.6, 0.5]
    made = Engine("fixed", lambda planes: None, graph)

    def judge(windows):
        judge.windows.append(windows)
        return Answers(np.zeros((1, 1)), np.array([next(waiting)]))

    judge.windows, judge.graph, judge.name = [], graph, made.name
    return judge


def blocks(samples, size=512):
    return [Block(samples[at : at + size], 0, -40.0) for at in range(0, len(samples), size)]


def test_events_and_near_misses_are_saved_by_what_the_model_thought(tmp_path):
    samples = known(5, 8000)
    judge = engine([0.9, 0.1, 0.0], [0.2, 0.45, 0.35], [0.25, 0.1, 0.65], [0.46, 0.55, 0.0], [0.1, 0.35, 0.9])
    keeper = Keeper(tmp_path, judge, {"hop": 1.0}, 8000)
    events = [event for block in blocks(samples) for event in keeper.add(block)]
    assert [(e["event"], e["label"], e["score"], e["t"]) for e in events] == [
        ("start", "dog", 0.9, 0.0),
        ("kept", "dog", 0.9, 0.0),
        ("end", "dog", 0.9, 1.0),
        ("kept", "near-rain", 0.45, 1.0),
        ("kept", "near-dog", 0.46, 3.0),  # nearer to its threshold than rain
    ]
    assert [path.parent.name for path in keeper.saved] == ["dog", "near-rain", "near-dog"]
    assert keeper.saved[0].name.endswith("-0.90.wav")
    for path, at in zip(keeper.saved, (0, 1, 3), strict=True):
        actual, rate = soundfile.read(path, dtype="int16")
        assert rate == 8000
        np.testing.assert_array_equal(actual, samples[8000 * at : 8000 * (at + 1)])


@pytest.mark.parametrize("label", ["../../victim", "/victim", "..", "a\\b", "x" * 255])
def test_a_label_of_the_boards_model_leads_nowhere(label, tmp_path):
    judge = engine([0.9, 0.1, 0.0])
    judge.graph.labels[0] = label
    keeper = Keeper(tmp_path / "a" / "b", judge, {"hop": 1.0}, 8000)
    assert [e for block in blocks(known(1, 8000)) for e in keeper.add(block)]
    (path,) = keeper.saved
    assert path.exists() and path.resolve().parent.parent == tmp_path / "a" / "b" and path.parent.name != ".."
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_board_that_gives_a_file_byte_by_byte_is_not_waited_for(monkeypatch):
    target = targets.Board.__new__(targets.Board)
    data = bytes(range(256)) * 20
    monkeypatch.setattr(target, "call", lambda name, path, at, size: base64.b64encode(data[at : at + size]).decode())
    assert target.read("/x") == data
    monkeypatch.setattr(target, "call", lambda name, path, at, size: "AA==")
    assert target.read("/x") == b"\0"
    monkeypatch.setattr(targets, "READ", 0.2)
    monkeypatch.setattr(target, "call", lambda name, path, at, size: base64.b64encode(bytes(size)).decode())
    with pytest.raises(L3Error, match="takes more than 0.2 s"):
        target.read("/x")


def test_windows_may_lie_apart(tmp_path):
    """A hop of two seconds, windows of one: seconds 0, 2 and 4."""
    samples, judge = known(6, 8000), engine(*[[0.0, 0.0, 0.0]] * 3)
    keeper = Keeper(tmp_path, judge, {"hop": 2.0}, 8000)
    assert [event for block in blocks(samples) for event in keeper.add(block)] == []
    np.testing.assert_array_equal(np.concatenate(judge.windows)[:, :9], [samples[16000 * i :][:9] for i in range(3)])


def test_a_window_with_lost_samples_is_not_judged(tmp_path):
    judge = engine([0.0, 0.0, 0.0])
    keeper = Keeper(tmp_path, judge, {}, 8000)
    first, second = np.arange(6000, dtype=np.int16), np.arange(8000, dtype=np.int16)
    events = [e for lost, part in ((0, first), (9, second)) for e in keeper.add(Block(part, lost, -40.0))]
    assert [(e["event"], e["label"], e["score"]) for e in events] == [("warning", "overrun", 9)]
    np.testing.assert_array_equal(judge.windows, [second[None]])


def test_what_is_kept_has_the_score_of_the_events(tmp_path):
    """The mean of two windows of one second; after a gap, of the next one alone."""
    judge = engine([0.2, 0.0, 0.0], [0.8, 0.0, 0.0], [0.75, 0.0, 0.0])
    keeper = Keeper(tmp_path, judge, {"smooth": 2, "hop": 1.0, "threshold": 0.6}, 8000)
    sound = known(1, 8000)
    events = [e for lost in (0, 0, 9) for e in keeper.add(Block(sound, lost, -20.0)) if e["event"] in ("kept", "start")]
    assert [(e["event"], e["label"], e["score"]) for e in events] == [
        ("kept", "near-dog", 0.5), ("start", "dog", 0.75), ("kept", "dog", 0.75),
    ]  # fmt: skip


def test_a_microphone_that_gives_one_value_is_warned_of_once(tmp_path):
    keeper = Keeper(tmp_path, engine(*[[0.0, 0.0, 0.0]] * 60), {"hop": 1.0}, 8000)
    first, sound = np.full(8000 * 25, 3, np.int16), known(2, 8000)
    events = [event for part in (first, sound, first) for block in blocks(part) for event in keeper.add(block)]
    assert [(e["event"], e["label"]) for e in events] == [("warning", "silent")] * 2


def test_windows_of_a_board_are_kept_bit_for_bit(tmp_path, capsys):
    """With a threshold of 0 every window is an event."""
    runtime_of("rp2040")
    samples = known(4.2, 16000)
    with board(listening_board(samples, 16000, threshold=0.0)) as there:
        assert cli.main(["monitor", "--port", there.port, "--keep", str(tmp_path), "--json"]) == 0, capsys.readouterr().err
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kept = [event for event in events if event["event"] == "kept"]
    assert [event["t"] for event in kept] == [0.0, 1.0, 2.0] and {"start", "level"} <= {event["event"] for event in events}
    rate = soundfile.info(kept[0]["file"]).samplerate
    expected = listening.decimate(listening.without_offset(samples, 16000), 16000 // rate)
    for event in kept:
        actual, _ = soundfile.read(event["file"], dtype="int16")
        at = round(event["t"] * rate)
        np.testing.assert_array_equal(actual, expected[at : at + 2 * rate])
        assert Path(event["file"]).parent == tmp_path / event["label"]


def test_what_keep_refuses(tmp_path, capsys):
    assert cli.main(["monitor", "--port", "/dev/null", "--keep", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
