"""Listening in real MicroPython: the events are the reference's, and ten minutes cost no heap and lose no sample."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import ROOT, SCRIPTS, require, shared
from ten import TEN, WINDOW_SECONDS, sounds

from l3host.emulate import runtimes
from l3host.errors import L3Error
from l3host.graph.network import Graph, frontend
from l3host.l3m.load import find, load_graph
from l3host.reference import listening
from l3host.sound import audio
from l3mote.limits import possible_hop
from l3mote.listener import Detector, hearings
from l3mote.plan import CAPTURE
from l3mote.seconds import samples

SCRIPT = SCRIPTS / "listen_to_wav.py"


def board(folder, pcm, rate, runtime="unix", kernel="native", settings=None, model=TEN, **job):
    """What listen_to_wav.py writes after hearing int16 samples: its status at the end, with events, heap and capture."""
    (folder / "model.l3m").write_bytes(Path(model).read_bytes())
    soundfile.write(folder / "sound.wav", pcm, rate, subtype="PCM_16")
    (folder / "job.json").write_text(json.dumps({"kernel": kernel, "settings": settings or {}} | job))
    try:
        result = runtimes.find(runtime)
    except L3Error as e:
        require(False, str(e))
    done = runtimes.execute(result, SCRIPT, ROOT / "device", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return json.loads((folder / "status.json").read_text()) | {"events": events}


def assert_same(result, expected):
    assert [(e["event"], e["label"]) for e in result] == [(e["event"], e["label"]) for e in expected]
    for a, b in zip(result, expected, strict=True):
        assert a["t"] == b["t"] and a["score"] == pytest.approx(b["score"], abs=2e-4), (a, b)
        # near the steps of 16 bits (-98 dB) the filter's own rounding counts
        assert a["level"] == pytest.approx(b["level"], abs=0.3 if b["level"] > -85 else 5), (a, b)


@pytest.mark.parametrize(
    "rate, settings",
    [
        (8000, {}),
        (16000, {"hop": 1.25, "smooth": 3}),
        (24000, {"hop": 2.5, "threshold.rain": 0.9}),
        (48000, {"hop": 1.25, "votes": 2, "of": 3, "refractory": 1.0, "threshold": 0.4}),
    ],
)
def test_events_are_the_references(rate, settings, tmp_path):
    pcm = sounds(rate)
    result = board(tmp_path, pcm, rate, settings=settings)
    expected = listening.listen(load_graph(TEN), pcm, rate, settings)
    assert expected and result["capture"] == "native"
    assert_same(result["events"], expected)
    assert result["skipped"] == result["lost"] == 0


@pytest.mark.parametrize("runtime, kernel", [("unix", "viper"), ("cpython", "ulab")])
def test_other_kernels_hear_the_same(runtime, kernel, tmp_path):
    pcm = sounds(16000)[16000 * 3 : 16000 * 8]
    result = board(tmp_path, pcm, 16000, runtime, kernel)["events"]
    graph = load_graph(TEN)
    if kernel == "ulab":
        graph.fixed = None
    assert_same(result, listening.listen(graph, pcm, 16000))


@pytest.mark.parametrize("level, labels", [(-87, set()), (-60, {"rain"})])
def test_a_quiet_microphone_s_noise_is_no_event_of_the_model_that_ships(level, labels, tmp_path):
    """White noise at a level (dB of full scale): an INMP441's own is at -87 dB(A). Louder, it is rain."""
    rms = 32768 / np.sqrt(2) * 10 ** (level / 20)
    pcm = np.round(rms * np.random.default_rng(0).standard_normal(16000 * 8)).astype(np.int16)
    result = board(tmp_path, pcm, 16000, model=find("esc10"))
    assert {e["label"] for e in result["events"] if e["event"] == "start"} == labels
    assert_same(result["events"], listening.listen(load_graph("esc10"), pcm, 16000))


@pytest.mark.parametrize("clip", ["dog", "rain"])
def test_events_of_recordings_are_the_references(clip, tmp_path):
    pcm = audio.to_pcm(audio.load(str(shared(f"audio/esc10/{clip}.ogg")), 16000))
    result = board(tmp_path, pcm, 16000)
    assert_same(result["events"], listening.listen(load_graph(TEN), pcm, 16000))


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_constant_from_minus_a_tenth_to_a_tenth_changes_no_event(rate, tmp_path):
    """A quiet sound, as it was unheard with an offset of 0.01, from the first window on; the levels of the events included."""
    pcm = np.round(sounds(rate) / 100).astype(np.int16)
    events = []
    for k, constant in enumerate((0, 98, 328, 3277, -3277)):
        (tmp_path / str(k)).mkdir()
        events.append(board(tmp_path / str(k), pcm + np.int16(constant), rate, settings={"threshold": 0.4})["events"])
    assert events[0] and events[0][0]["t"] == 0 and events[1:] == [events[0]] * 4


def test_events_at_a_rounded_rate_are_the_references(tmp_path):
    """A driver that gives 15,625 samples for 16,000: 2.3 per cent lower, and what it says counts in times."""
    pcm = sounds(15625)
    result = board(tmp_path, pcm, 15625, settings={"hop": 1.25, "refractory": 1.0})
    assert result["t"] == pytest.approx(len(pcm) / 15625, abs=1e-3)
    assert_same(result["events"], listening.listen(load_graph(TEN), pcm, 15625, {"hop": 1.25, "refractory": 1.0}))


def test_ten_minutes_lose_nothing_and_grow_nothing(tmp_path):
    status = board(tmp_path, sounds(16000), 16000, minutes=10, seconds=WINDOW_SECONDS, held=3200)
    heap = status["heap"]
    assert status["lost"] == status["overruns"] == 0 and not [e for e in status["events"] if e["event"] == "warning"]
    assert status["t"] >= 600 and len(heap) == 10
    assert max(heap[1:]) - heap[0] <= 1024
    assert status["windows"] == 599 and status["skipped"] == 0  # one every second


def test_a_board_five_times_as_slow_says_what_it_lost(tmp_path):
    status = board(tmp_path, sounds(16000), 16000, minutes=10, seconds=5 * WINDOW_SECONDS, held=3200)
    warned = [e for e in status["events"] if e["event"] == "warning"]
    assert {e["label"] for e in warned} == {"overrun"}
    # a window takes 2.5 s, half a second more than one is kept: of windows at every second one in three is heard, a second lost
    assert status["windows"] == pytest.approx(200, abs=2) and status["skipped"] == pytest.approx(400, abs=4)
    assert status["lost"] == pytest.approx(8000 * status["windows"], abs=8000 * 2)
    assert max(status["heap"][1:]) - status["heap"][0] <= 1024


def test_a_driver_that_overflows_is_counted(tmp_path):
    """A step of the model takes 5 ms, which is 80 samples; the driver keeps 50."""
    result = board(tmp_path, sounds(16000), 16000, minutes=1, seconds=WINDOW_SECONDS, held=50)
    assert result["overruns"] > 0 and "overrun" in {e["label"] for e in result["events"]}


def test_inspect_counts_the_ring(capsys):
    from l3host.cli import main

    assert main(["inspect", TEN, "--json", "--heap", "150k"]) == 0
    board = json.loads(capsys.readouterr().out)["boards"]["heap"]
    listening = board["listening"]
    assert board["fits"] and not listening["fits"]
    assert listening["heap_needed"] - board["heap_needed"] > 16384 + CAPTURE
    assert listening["missing"] == listening["heap_needed"] - board["heap_free"]


@pytest.mark.parametrize("name", ["two-seconds-16k", "two-seconds", "sea", "mel256"])
def test_the_reference_takes_the_boards_hop_and_as_many_windows(name):
    graph = Graph(frontend(name), [])
    graph.labels, graph.thresholds = ["a"], [0.5]
    for rate in (graph.frontend.sample_rate, 7813):
        for hop in np.arange(0.02, 2.5, 0.07).round(3).tolist():
            rules = listening.rules_of(graph, {"hop": hop}, rate)
            board = possible_hop(graph.frontend, samples(hop, rate))
            assert (rules.hop, rules.smooth) == (board, hearings(graph.frontend.window, board)), hop


def test_random_scores_give_the_references_events():
    rng = np.random.default_rng(5)
    labels, n_events = ["a", "b"], 0
    for _ in range(300):
        n, of, smooth = int(rng.integers(1, 40)), int(rng.integers(1, 5)), int(rng.integers(1, 4))
        rules = listening.Rules(
            hop=int(rng.integers(50, 150)), window=100, thresholds=np.float32(rng.uniform(0.3, 0.7, 2)), smooth=smooth,
            votes=int(rng.integers(1, of + 1)), of=of, refractory=int(rng.integers(0, 500)),
        )  # fmt: skip
        scores, levels = rng.random((n, 2)).astype(np.float32), rng.uniform(-60, 0, n).astype(np.float32)
        expected = listening.events(labels, 1, rules, scores.astype(float), levels)
        detector = Detector(rules.thresholds, rules.window, smooth, rules.votes, of, rules.refractory)
        result = [e for k in range(n) for e in detector.feed(list(map(float, scores[k])), k * rules.hop, float(levels[k]))]
        result += detector.finish()
        n_events += len(result)
        assert [(kind, labels[i], at) for kind, i, _, _, at in result] == [(e["event"], e["label"], e["t"]) for e in expected]
        for (_, _, score, level, _), e in zip(result, expected, strict=True):
            assert score == pytest.approx(e["score"], abs=1e-6) and level == pytest.approx(e["level"], abs=1e-5)
    assert n_events > 1000
