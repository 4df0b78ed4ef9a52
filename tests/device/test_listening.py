"""The Listener: windows, events, warnings, and what happens when the model is slower than the sound."""

from array import array

from helpers import Hears, raises
from where import SMALL

from l3mote import Model
from l3mote.kernels import capture, choose
from l3mote.limits import possible_hop, ring_samples, stored_rows, thresholds
from l3mote.listener import Detector, Faults, Listener, ones
from l3mote.mic import SoundError
from l3mote.model import test_signal as fill_signal
from l3mote.paced import Clock, Paced
from l3mote.plan import CAPTURE, plan

WINDOW, HOP = 1900, 896  # of small.l3m, whose file says 950: seven frames of 128 are possible


def feed(detector, rows, hop=10):
    """Events of windows whose scores are the rows; level k at window k."""
    result = []
    for k, scores in enumerate(rows):
        for event in detector.feed(scores, k * hop, float(k)):
            result.append((k,) + event)
    return result


def test_a_start_and_an_end():
    result = feed(Detector([0.5], 20), [[0.25], [0.5], [0.75], [0.625], [0.25]])
    assert result == [(1, "start", 0, 0.5, 1.0, 10), (4, "end", 0, 0.75, 3.0, 50)]


def test_labels_have_thresholds_of_their_own():
    result = feed(Detector([0.5, 0.25], 20), [[0.25, 0.25], [0.5, 0.125]])
    assert result == [(0, "start", 1, 0.25, 0.0, 0), (1, "start", 0, 0.5, 1.0, 10), (1, "end", 1, 0.25, 0.0, 20)]


def test_silent_labels_never_start_whatever_the_settings_say():
    values = thresholds(["dog", "_other", "cat"], [0.5, 0.25, 0.75], {"threshold": 0.375, "threshold._other": 0.125})
    assert list(values) == [0.375, 2.0, 0.375]
    assert feed(Detector(values, 20), [[0.0, 1.0, 0.0]]) == []


def test_the_mean_of_windows_counts():
    # means of two: 1 (there is only one), .5, .25, .5
    result = feed(Detector([0.5], 20, smooth=2), [[1.0], [0.0], [0.5], [0.5]])
    assert result == [(0, "start", 0, 1.0, 0.0, 0), (2, "end", 0, 1.0, 1.0, 30), (3, "start", 0, 0.5, 3.0, 30)]


def test_after_a_gap_only_new_windows_count():
    detector = Detector([0.5], 20, smooth=2, votes=2, of=2)
    assert [event[1] for event in feed(detector, [[1.0], [1.0], [1.0]])] == ["start"]
    detector.begin()
    # the mean of one window, then of two: what was on goes on if the next two vote for it
    assert detector.feed([0.75], 100, 0.0) == detector.feed([0.5], 110, 0.0) == []
    assert detector.mean(0) == 0.625
    detector.begin()
    assert detector.feed([0.25], 200, 0.0) == [("end", 0, 1.0, 2.0, 130)]  # two votes of two are out of reach


def test_votes_of_windows_count():
    # two of three: it begins with the first window that voted, and ends with the last
    result = feed(Detector([0.5], 20, votes=2, of=3), [[1.0], [0.0], [1.0], [0.0], [0.0], [0.0]])
    assert result == [(2, "start", 0, 1.0, 2.0, 0), (3, "end", 0, 1.0, 2.0, 40)]


def test_no_start_soon_after_an_end():
    rows = [[1.0], [0.0], [1.0], [1.0], [1.0]]
    # ends at 20; with 25 more, a window has to reach 45: the one from 30 to 50 does
    result = feed(Detector([0.5], 20, refractory=25), rows)
    assert [event[:2] + event[5:] for event in result] == [(0, "start", 0), (1, "end", 20), (3, "start", 30)]
    detector = Detector([0.5], 20)
    feed(detector, rows)
    assert detector.finish() == [("end", 0, 1.0, 4.0, 60)] and detector.finish() == []


def test_votes_that_make_no_sense_are_refused():
    for votes, of, smooth in ((0, 1, 1), (3, 2, 1), (1, 1, 0)):
        assert "votes" in raises(SoundError, Detector, [0.5], 20, smooth, votes, of)
    assert ones(0) == 0 and ones(0b1011) == 3


def test_a_warning_comes_again_after_ten_seconds_without_its_fault():
    faults = Faults(10)
    message = [t for t in range(40) if faults.due("clipping", t in (3, 4, 9, 12, 25, 26), t)]
    assert message == [3, 25]


class Scores(Hears):
    """A model whose score of its only label is 1 if the window's first sample is beyond 500, else 0; `count` steps long.

    Its window has 4,000 samples in ten frames, its hop is five of them. seen: the first and the last sample of each window.
    """

    def __init__(self, count=20, window=4000, hop=2000):
        Hears.__init__(self, ["tone"], [0.5], window, hop, 400, lambda pcm, at: (pcm[at], pcm[at + 399]), self.score, count)
        self.seen = []

    def score(self, frames):
        self.seen.append((frames[0][0], frames[-1][1]))
        return [float(abs(frames[0][0]) > 500)]


class Sound:
    """`seconds` of samples at 8 kHz that function(n) makes."""

    rate, live, overruns = 8000, False, 0

    def __init__(self, function, seconds):
        self.function, self.at, self.end = function, 0, int(8000 * seconds)

    def readinto(self, x):
        n = min(len(x), self.end - self.at)
        for i in range(n):
            x[i] = self.function(self.at + i)
        self.at += n
        return n or -1


EVERY = {"smooth": 1, "threshold": 0.9, "silence": -999}  # windows are run, silent ones too


def tone(n):
    """1,000 and -1,000 by turns in seconds 2 and 3, else less than 10 with its number below, so that no two windows are alike."""
    return (1000 if 16000 <= n < 32000 else n // 2000 % 10) * (1 - 2 * (n & 1))


def ends(function, samples):
    """(first, last sample) of every window of 4,000 at a hop of 2,000, of a function's samples without their offset."""
    memory, x, blocks = capture.offset_memory(8000), array("h", bytes(2 * 2000)), []
    for start in range(0, samples, 2000):
        for n in range(2000):
            x[n] = function(start + n)
        capture.remove_offset(x, memory, array("i", [0, 2000]))
        blocks.append((x[0], x[1999]))
    return [(a[0], b[1]) for a, b in zip(blocks, blocks[1:])]


def test_events_of_a_sound():
    model = Scores()
    listener = Listener(model, Sound(tone, 6), EVERY)
    events = list(listener.run())
    assert [(e["event"], e["label"], str(e["t"])) for e in events] == [("start", "tone", "2.000"), ("end", "tone", "4.250")]
    # windows at every hop of 2,000 samples, each whole
    assert model.seen == ends(tone, 48000)
    assert listener.windows == 23 and listener.rows.skipped == listener.lost == 0
    assert set(events[0]) == {"event", "label", "score", "level", "t"} and events[0]["score"] == 1.0


def test_an_offset_of_a_tenth_changes_no_event():
    events = []
    for constant in (0, 98, 3277, -3277):
        listener = Listener(Scores(), Sound(lambda n, constant=constant: tone(n) + constant, 6), {"threshold": 0.9})
        events.append([(e["event"], e["t"].ms, e["score"], e["level"]) for e in listener.run()])
    assert len(events[0]) == 2 and events[1:] == [events[0]] * 3


def test_another_source_may_have_another_offset():
    model = Scores()
    listener = Listener(model, Sound(lambda n: 3000, 0.25), EVERY)
    assert list(listener.run()) == []
    listener.restart(Sound(lambda n: -3000, 1))
    assert list(listener.run()) == [] and model.seen == [(0, 0)] * 3


def test_a_rounded_rate_counts_in_times_and_levels():
    # 15,625 Hz for 16,000: the ring has 7,812.5 a second, the tone of samples 31,250 to 62,499 is in seconds 2 and 3
    source = Sound(lambda n: 0 if n < 31250 or n >= 62500 else 1000 if (n + 1) & 4 else -1000, 0)
    source.rate, source.end = 15625, 6 * 15625
    listener = Listener(Scores(), source, {"threshold": 0.9, "hop": 0.25, "smooth": 1, "refractory": 1.0})
    events = list(listener.run())
    assert listener.ring.factor == 2 and listener.rate == 7813 and listener.hop == 1600 and listener.detector.refractory == 7813
    assert [e["event"] for e in events] == ["start", "end"] and listener.ring.meter.rate == 15625
    # the first window that begins with the tone is number 10, of sample 16,000: 2.048 s; the last number 19, to sample 34,400
    assert [e["t"].ms for e in events] == [2048, 4403] and abs(listener.t.ms - 6000) <= 1


def test_the_windows_that_hear_the_same_moment_are_averaged():
    source = Sound(tone, 1)  # the window has half a second
    smooth = [Listener(Scores(), source, {"hop": hop}).detector.smooth for hop in (0.1, 0.25, 0.3, 0.4, 0.5, 3.0)]
    assert smooth == [5, 2, 2, 1, 1, 1]
    assert Listener(Scores(), source, {"hop": 0.25, "smooth": 1}).detector.smooth == 1
    # the tone is whole in windows from 2 s on; the mean of two is there a window later
    events = list(Listener(Scores(), Sound(tone, 6), {"hop": 0.25, "threshold": 0.9}).run())
    assert [(e["event"], e["t"].ms) for e in events] == [("start", 2250), ("end", 4250)]


def test_a_window_that_does_not_follow_the_last_one_counts_alone():
    listener = Listener(Scores(), Sound(tone, 6), {"hop": 0.25, "silence": -999})
    seen = []
    for left_out in (None, None, listener.pass_over, listener.rows.drop, lambda: listener.restart(Sound(tone, 6)), None):
        while not listener.capture():
            pass
        if left_out:
            left_out()
            while not listener.capture():
                pass
        list(listener.infer())
        seen.append(listener.detector.seen)
    assert seen == [1, 2, 1, 1, 1, 2]


def test_settings_stand_above_the_model():
    source = Sound(tone, 1)
    listener = Listener(Scores(), source, {"hop": 0.1, "threshold.tone": 0.75, "threshold": None, "smooth": None, "refractory": 2})
    assert listener.hop == 800 and list(listener.detector.thresholds) == [0.75] and listener.detector.refractory == 16000
    # 1.001 * 8000 is a little less than 8,008 in some floats
    assert Listener(Scores(), source, {"refractory": 1.001}).detector.refractory == 8008
    assert "no label dog; its labels are tone" in raises(SoundError, Listener, Scores(), source, {"threshold.dog": 0.5})
    silent = Scores()
    silent.labels = []
    assert "no labels" in raises(SoundError, Listener, silent, source)


NOISE = array("h", bytes(2 * 16000))
fill_signal(NOISE, 77)


def paced(seconds_a_window, seconds, held=None, steps=20):
    model, clock = Scores(steps), Clock(seconds_a_window, steps)
    source = Paced(Sound(lambda n: NOISE[n % 16000], seconds), clock, held)
    return model, Listener(model, source, {"threshold": 99}, clock)


def begins(model, seconds):
    """First sample of each window that a model of paced() has seen. Raises ValueError if one is not whole."""
    wanted, result = ends(lambda n: NOISE[n % 16000], int(8000 * seconds)), []
    for pair in model.seen:
        result.append(2000 * wanted.index(pair, result[-1] // 2000 + 1 if result else 0))
    return result


def test_a_model_that_keeps_up_hears_every_window():
    model, listener = paced(0.2, 8)
    assert list(listener.run()) == []
    assert begins(model, 8) == list(range(0, 60001, 2000))
    assert listener.status()["skipped"] == listener.lost == 0


def test_a_model_that_is_a_little_slow_leaves_windows_out_but_no_sample():
    # 0.45 s a window every 0.25 s: the ring makes up for it while it can
    model, listener = paced(0.45, 16)
    events = list(listener.run())
    assert events == [] and listener.lost == 0
    assert listener.rows.skipped > 10 and listener.windows + listener.rows.skipped >= 59
    starts = begins(model, 16)
    assert max([b - a for a, b in zip(starts, starts[1:])]) <= 4000


def test_a_model_that_is_much_too_slow_is_reported():
    # 1.5 s: 12,000 samples pass, and rows of 4,800 are kept
    model, listener = paced(1.5, 20)
    events = list(listener.run())
    assert events[0]["event"] == "warning" and events[0]["label"] == "overrun" and 0 < events[0]["score"] <= listener.lost
    starts = begins(model, 20)
    gaps = [b - a - 4000 for a, b in zip(starts, starts[1:])]
    assert listener.lost == sum([max(0, gap) for gap in gaps]) > 20000
    assert listener.rows.skipped >= listener.lost // 2000
    assert listener.source.overruns == 0


def test_what_a_driver_drops_is_counted():
    # one step of 0.5 s: 4,000 samples wait, the driver keeps 1,000
    model, listener = paced(0.5, 10, 1000, 1)
    events = list(listener.run())
    assert listener.source.overruns > 3000 * (listener.windows - 2)
    assert listener.status()["overruns"] == listener.source.overruns
    assert events[0]["label"] == "overrun"


def test_windows_overlap_by_whole_frames_and_not_more_than_the_rows_that_are_kept():
    fe = Model(SMALL).reader.frontend
    # 15 frames every 128 samples, whose first and last reach beyond the window: 15 + 2 * 2 + 3 rows are kept
    assert stored_rows(fe) == 22 and ring_samples(fe) == 256 + 1024
    # three windows may begin in one: five frames
    for hop, possible in ((1, 640), (767, 640), (768, 768), (950, 896), (1899, 1792), (1900, 1900), (5000, 5000)):
        assert possible_hop(fe, hop) == possible, hop
    listener = Listener(Scores(hop=500), Sound(tone, 2))
    list(listener.run())
    assert listener.hop == 400 and listener.windows == 31 and listener.lost == listener.rows.skipped == 0


def test_a_silent_microphone_and_a_clipping_one_are_warned_of():
    def sound(n):
        return 7 if n < 100000 else 32767 if n % 50 == 0 and n < 110000 else n % 5

    listener = Listener(Scores(), Sound(sound, 20), {"threshold": 99})
    events = list(listener.run())
    assert [(e["event"], e["label"]) for e in events] == [("warning", "silent"), ("warning", "clipping")]
    assert events[0]["t"].ms == 10000 and events[0]["level"] < -60
    assert str(events[1]["t"]) == "12.563" and events[1]["score"] == 10  # a slot has 500 samples


def test_an_error_in_the_model_leaves_the_listener_usable():
    model = Scores()
    good = model.network_steps
    listener = Listener(model, Sound(tone, 6), EVERY)

    def bad():
        yield
        raise MemoryError

    while not listener.capture():
        pass
    model.network_steps = bad
    raises(MemoryError, list, listener.infer())
    model.network_steps = good
    assert [e["t"].ms for e in listener.run()] == [2000, 4250] and listener.windows == 22


def test_a_real_model_says_the_same_as_window_by_window():
    model, whole = Model(SMALL, listening=True), Model(SMALL)
    assert model.pcm is None and "Listener" in raises(ValueError, model.run)
    sizes = dict([(name, size) for name, size in plan(model.reader, None, choose("python"), True).buffers])
    assert sizes["ring"] == 2560 == 2 * len(model.ring) and sizes["capture"] == CAPTURE
    assert sizes["rows"] == 4 * 22 * 25 + 48 and "window" not in sizes
    sound = array("h", bytes(2 * 8000))
    fill_signal(sound, 4321)
    raw = array("h", sound)
    listener = Listener(model, Sound(lambda n: raw[n], 1), {"threshold": 0.0, "smooth": 1})
    events = list(listener.run())
    scores = []
    capture.remove_offset(sound, capture.offset_memory(8000), array("i", [0, 8000]))
    for start in range(0, 8000 - WINDOW + 1, HOP):
        whole.pcm[:] = sound[start : start + WINDOW]
        scores.append(list(whole.run()))
    assert len(events) == 2 * len(model.labels) and listener.windows == len(scores)
    for event in events:
        column = [row[model.labels.index(event["label"])] for row in scores]
        wanted = column[0] if event["event"] == "start" else max(column)
        assert abs(event["score"] - wanted) < 6e-5, (event, wanted)  # it has four decimals
        assert event["t"].ms == (0 if event["event"] == "start" else (HOP * (len(scores) - 1) + WINDOW + 4) // 8)
    assert "listening=True" in raises(SoundError, Listener, whole, Sound(tone, 1))
    model.close()
    whole.close()
