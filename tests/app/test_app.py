"""The noise monitor: as its example runs it in MicroPython, and its duty cycles and mishaps in CPython."""

import errno
import itertools
import json
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
from make_small import PATH as SMALL
from microphone import RATE, Microphone, sound
from support import ROOT, require
from ten import TEN

from l3host.l3m.load import load_graph
from l3host.programs import venv_tool
from l3host.reference import fixed_point, listening
from l3mote import app, mic, mqtt_heap, pace, settings
from l3mote.log import Log, unseal

MODEL = Path(TEN)
EXAMPLES = ROOT / "device" / "examples"


def micropython(folder, *command):
    path = venv_tool("micropython")
    require(path, "MicroPython is not installed: run make setup")
    command = [path, "-X", "heapsize=400k", *map(str, command)]
    environment = {"MICROPYPATH": f"{ROOT / 'device'}:.frozen"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path):
    """What deploying leaves on a board, with a WAV file for a microphone."""
    shutil.copy(MODEL, tmp_path / "model.l3m")
    shutil.copy(EXAMPLES / "noise_monitor.py", tmp_path / "main.py")
    soundfile.write(tmp_path / "clip.wav", sound(), RATE, subtype="PCM_16")
    write(tmp_path, mic="wav", wav="clip.wav", threshold=1.0, **{"threshold.chainsaw": 0.5}, level_every=2)
    return tmp_path


def write(folder, **values):
    (folder / "settings.json").write_text(json.dumps(values))


def records(text):
    result = [unseal(line.encode()) for line in text.splitlines()]
    assert None not in result, text
    return result


def expected(pcm, label, threshold):
    """(start, its score, end, greatest score) of each run of windows whose score reaches the threshold, by the reference.

    A score is the mean of a window and the one before, as every moment is heard by two.
    """
    graph = load_graph(str(MODEL))
    fe, pcm = graph.frontend, listening.without_offset(pcm, RATE)
    starts = range(0, len(pcm) - fe.window + 1, fe.hop)
    output = fixed_point.run(graph, graph.fixed, np.stack([pcm[s : s + fe.window] for s in starts])).output
    alone = output[:, graph.labels.index(label)]
    scores = (alone + [alone[0], *alone[:-1]]) / 2
    result, first = [], None
    for i, score in enumerate([*scores, 0]):
        if first is None and score >= threshold:
            first = i
        elif first is not None and score < threshold:
            run = scores[first:i]
            end = starts[i - 1] + fe.window
            result.append((starts[first] / RATE, run[0], end / RATE, run.max()))
            first = None
    return result


def test_the_clock_is_set_before_anything_else(monkeypatch, capsys):
    asked = []
    monkeypatch.setitem(sys.modules, "machine", types.SimpleNamespace(freq=asked.append))
    source = Microphone(sound()[:RATE])
    app.listen(str(SMALL), settings.check({"mic": "callback", "log": "", "freq": 200}), source)
    assert asked == [200_000_000] and records(capsys.readouterr().out)[0]["event"] == "status"


def test_a_clock_that_the_board_cannot_set_is_named_and_it_listens_at_its_own(folder):
    write(folder, mic="wav", wav="clip.wav", freq=200)
    first, second, *_ = records(micropython(folder, "main.py").stdout)  # the unix port's machine has no freq
    assert (first["event"], second["label"]) == ("warning", "listening")
    assert first["label"].startswith("the clock stays as it is: ")


@pytest.mark.parametrize("ms", [1, 1000])
def test_a_board_whose_log_mel_takes_longer_than_its_sound_says_so_in_one_line(ms, monkeypatch, capsys):
    """By a clock that goes on by so many milliseconds for four frames, which are 128 samples at 8 kHz each: 64 ms."""
    monkeypatch.setattr(pace, "ticks_ms", itertools.count(0, ms).__next__)
    source = Microphone(sound()[:RATE])
    source.live = True
    app.listen(str(SMALL), settings.check({"mic": "callback", "log": ""}), source)
    warned = [r["label"] for r in records(capsys.readouterr().out) if r["event"] == "warning" and "slow" in r["label"]]
    assert len(warned) == (ms == 1000) and all("takes 15.6 s for the log-mel of 1 s of sound" in line for line in warned)


def test_the_example_hears_what_the_reference_hears(folder):
    done = micropython(folder, "main.py")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = records(done.stdout)
    assert lines[0]["event"] == lines[-1]["event"] == "status"
    assert (lines[0]["label"], lines[-1]["label"]) == ("listening", "end of the recording")
    assert lines[0]["kernel"] in ("native", "viper") and lines[0]["free"] > 8192 and lines[0]["heap"] > 50_000
    events = [r for r in lines if r["event"] in ("start", "end")]
    reference = expected(sound(), "chainsaw", 0.5)
    assert len(reference) == 1 and 2 <= reference[0][0] <= 4 and 6 <= reference[0][2] <= 8
    assert [(r["event"], r["label"]) for r in events] == [("start", "chainsaw"), ("end", "chainsaw")]
    result = (events[0]["t"], events[0]["score"], events[1]["t"], events[1]["score"])
    assert result == pytest.approx(reference[0], abs=1e-4)
    levels = [r for r in lines if r["event"] == "level"]
    assert [r["t"] for r in levels] == [2, 4, 6, 8, 10, 12]
    assert levels[2]["level"] > levels[0]["level"] + 30  # only the third has nothing but the chainsaw
    assert lines[-1]["windows"] == 12 and lines[-1]["lost"] == lines[-1]["skipped"] == 0
    logged = [line for line, _ in Log(str(folder / "events"), 65536).lines()]
    assert logged == [line for line, r in zip(done.stdout.splitlines(), lines, strict=True) if r["event"] != "level"]


def test_classify_wav(folder):
    done = micropython(folder, EXAMPLES / "classify_wav.py", "model.l3m", "clip.wav")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'label': 'chainsaw'" in done.stdout and done.stdout.count("\n") >= 2


def test_code_for_circuitpython_is_the_same_app():
    main, code = ((EXAMPLES / name).read_text().split('"""')[2] for name in ("noise_monitor.py", "code.py"))
    assert main == code


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"wav": "nowhere.wav"}, "cannot start: OSError: "),
        ({"wav": "model.l3m"}, "cannot start: SoundError: model.l3m: not a WAV file"),
        ({"wav": "clip.wav", "threshold.cat": 0.5}, "cannot start: SettingsError: setting threshold.cat: the model has no label "),
        (
            {"wav": "clip.wav", "hop": 0.3},
            "cannot start: SettingsError: setting hop is 0.3: a board holds no more windows of ",
        ),
    ],
)
def test_what_does_not_start_is_reported_and_logged(values, message, folder):
    write(folder, mic="wav", **values)
    done = micropython(folder, "main.py")
    assert done.returncode == 1 and "Traceback" in done.stdout + done.stderr
    (line,) = records(done.stdout.splitlines()[0])
    assert line["event"] == "warning" and line["label"].startswith(message)
    assert [record for _, record in Log(str(folder / "events"), 65536).lines()] == [line]


READ_ONLY = """\
import os, vfs
class Flash:
    image = bytearray(512 * 128)
    def readblocks(self, block, buffer, offset=0):
        at = block * 512 + offset
        buffer[:] = self.image[at : at + len(buffer)]
    def writeblocks(self, block, buffer, offset=0):
        at = block * 512 + offset
        self.image[at : at + len(buffer)] = buffer
    def ioctl(self, op, argument):
        return {4: 128, 5: 512}.get(op, 0)
os.VfsFat.mkfs(Flash())
vfs.mount(os.VfsFat(Flash()), "/drive", readonly=True)
"""


def test_a_drive_that_code_cannot_write_is_reported_once_and_the_app_goes_on(folder):
    write(folder, mic="wav", wav="clip.wav", log="/drive/events")
    (folder / "main.py").write_text(READ_ONLY + (EXAMPLES / "noise_monitor.py").read_text())
    done = micropython(folder, "main.py")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = records(done.stdout)
    assert [r["label"] for r in lines if r["event"] == "warning" and "log" in r["label"]] == [
        "log: the flash is read-only for code: a computer has it mounted as a drive (boot.py can give it to code)"
    ]
    assert lines[-1]["label"] == "end of the recording" and lines[-1]["windows"] == 12


# -- duty cycles and mishaps: a source and a sleep of ours


@pytest.fixture
def listened(tmp_path, capsys):
    """Runs the app on a source; returns its lines and what it slept."""

    def run(source, path=MODEL, **values):
        slept = []
        every = settings.check({"mic": "callback", "log": str(tmp_path / "events"), **values})
        app.listen(str(path), every, source, sleep=slept.append)
        return records(capsys.readouterr().out), slept

    return run


def test_every_listens_for_an_answer_and_sleeps(listened):
    lines, slept = listened(Microphone(np.tile(sound(), 2)), mode="every", every=30, smooth=1, votes=2, of=3)
    # three windows take 4 of the 26 seconds, up to 1 more until they begin, and none goes across a sleep
    assert 5 <= len(slept) <= 6 and set(slept) == {30.0}
    assert 3 * len(slept) <= lines[-1]["windows"] < 3 * len(slept) + 3


def test_a_sound_that_lasts_is_one_event_across_sleeps(listened):
    """An answer takes three windows: the means of two of them vote."""
    lines, slept = listened(Microphone(np.tile(sound(), 2)), mode="every", votes=2, threshold=0.0, silence=-120)
    assert len(slept) > 3 and lines[-1]["windows"] >= 3 * len(slept)
    starts = [line["label"] for line in lines if line["event"] == "start"]
    assert len(starts) == len(set(starts)) == 10 == len([line for line in lines if line["event"] == "end"])


@pytest.mark.parametrize("platform, taken", [("rp2", mqtt_heap.TLS), ("linux", mqtt_heap.TLS), ("esp32", 0), ("Espressif", 0)])
def test_tls_takes_heap_where_the_firmware_has_no_other_memory(platform, taken, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    for mqtt_tls, expected in (("ca.crt", taken), ("", 0)):
        assert mqtt_heap.needed({"mqtt_tls": mqtt_tls}) == mqtt_heap.MQTT + expected


def test_wake_runs_the_network_on_loud_windows_only(listened):
    quiet, _ = listened(Microphone(sound()), mode="wake", wake_level=0, threshold=0.9)
    assert quiet[-1]["windows"] == 0 and quiet[-1]["lost"] == 0
    lines, _ = listened(Microphone(sound()), mode="wake", wake_level=-40, votes=2, **{"threshold.chainsaw": 0.5}, threshold=1)
    events = [(r["event"], r["label"]) for r in lines if r["event"] in ("start", "end")]
    assert events == [("start", "chainsaw"), ("end", "chainsaw")]
    # five windows touch the chainsaw; the end takes one without votes
    assert 6 <= lines[-1]["windows"] <= 7
    assert lines[-1]["lost"] == lines[-1]["skipped"] == 0


def test_errors_are_warnings_and_listening_goes_on(listened, monkeypatch):
    pauses = []
    monkeypatch.setattr(app.time, "sleep", lambda seconds: pauses.append(seconds) if seconds >= 1 else None)
    errors = {5: OSError(errno.EIO), 6: RuntimeError("loose wire"), 30: MemoryError("heap")}
    lines, _ = listened(Microphone(sound(), errors), SMALL)
    warnings = [r["label"] for r in lines if r["event"] == "warning" and r["label"].startswith("listening stops")]
    assert warnings == [
        f"listening stops for 1 s: OSError: {errno.EIO}",
        "listening stops for 2 s: RuntimeError: loose wire",
        "listening stops for 1 s: MemoryError: heap",
    ]
    assert pauses == [1, 2, 1]
    assert lines[-1]["label"] == "end of the recording" and lines[-1]["windows"] >= 6


def test_a_microphone_that_does_not_open_again_is_tried_again(listened, monkeypatch):
    pauses, first, last = [], Microphone(sound(), {5: OSError(errno.EIO)}), Microphone(sound())
    opened = iter([first, OSError(errno.ENODEV), OSError(errno.ENODEV), last])

    def open_source(_, ibuf):
        source = next(opened)
        if isinstance(source, OSError):
            raise source
        return source

    monkeypatch.setattr(mic, "open_source", open_source)
    monkeypatch.setattr(app.time, "sleep", pauses.append)
    lines, _ = listened(None, SMALL)
    warnings = [r["label"] for r in lines if r["event"] == "warning" and r["label"].startswith("listening stops")]
    expected = ((1, errno.EIO), (2, errno.ENODEV), (4, errno.ENODEV))
    assert warnings == [f"listening stops for {seconds} s: OSError: {number}" for seconds, number in expected]
    assert pauses == [1, 2, 4] and first.closed and lines[-1]["label"] == "end of the recording"


def test_a_keyboard_interrupt_ends_it(listened):
    with pytest.raises(KeyboardInterrupt):
        listened(Microphone(sound(), {3: KeyboardInterrupt()}), SMALL)


def test_a_folder_without_settings_is_refused(tmp_path):
    with pytest.raises(OSError):
        app.noise_monitor(str(tmp_path))
    Path(tmp_path / "settings.json").write_text('{"hopp": 1}')
    with pytest.raises(settings.SettingsError, match="settings.json: unknown setting"):
        app.noise_monitor(str(tmp_path))
