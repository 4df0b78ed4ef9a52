"""Sound levels against IEC 61672-1's own tables: A-weighting, tone bursts; and against sums done by hand."""

import csv
import importlib.util
import json
import os
import pty
import subprocess
import sys
import threading
import tty
from array import array

import numpy as np
import pytest
import soundfile
from support import require

from l3host.cli import main
from l3host.errors import L3Error
from l3host.sound import audio
from l3host.sound.levels import calibration, measure, of_windows
from l3mote import ring

RATE = 48000
A = {  # nominal frequency: dB (IEC 61672-1:2013, table 3)
    10: -70.4, 12.5: -63.4, 16: -56.7, 20: -50.5, 25: -44.7, 31.5: -39.4, 40: -34.6, 50: -30.2, 63: -26.2, 80: -22.5, 100: -19.1,
    125: -16.1, 160: -13.4, 200: -10.9, 250: -8.6, 315: -6.6, 400: -4.8, 500: -3.2, 630: -1.9, 800: -0.8, 1000: 0.0, 1250: 0.6,
    1600: 1.0, 2000: 1.2, 2500: 1.3, 3150: 1.2, 4000: 1.0, 5000: 0.5, 6300: -0.1, 8000: -1.1, 10000: -2.5, 12500: -4.3,
    16000: -6.6, 20000: -9.3,
}  # fmt: skip
BURSTS = {  # ms of a 4 kHz burst: its LAFmax, its LASmax less the level of the tone that goes on (table 4)
    1000: (0.0, -2.0), 500: (-0.1, -4.1), 200: (-1.0, -7.4), 100: (-2.6, -10.2), 50: (-4.8, -13.1), 20: (-8.3, -17.0),
    10: (-11.1, -20.0), 5: (-14.1, -23.0), 2: (-18.0, -27.0), 1: (-21.0, None),
}  # fmt: skip


def sine(hertz, seconds=4.0, peak=0.5, rate=RATE):
    return peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def levels_of(samples, rate=RATE, offset=0.0):
    return measure(audio.of_samples(samples, rate, "it"), offset)


def test_the_table_is_what_the_standards_expression_gives():
    """Annex E, from the pole frequencies 20.6, 107.7, 737.9 and 12,194 Hz, at the exact middles of the third octaves."""

    def gain(f):
        return 12194**2 * f**4 / ((f**2 + 20.6**2) * ((f**2 + 107.7**2) * (f**2 + 737.9**2)) ** 0.5 * (f**2 + 12194**2))

    by_expression = [round(20 * np.log10(gain(1000 * 10 ** (k / 10)) / gain(1000)), 1) + 0.0 for k in range(-20, 14)]
    assert by_expression == list(A.values())


@pytest.mark.parametrize("k, nominal", enumerate(A, -20))
def test_a_weighting_is_the_standards(k, nominal):
    measured = levels_of(sine(1000 * 10 ** (k / 10)))
    steady = measured.weighted[200:-200]
    assert measured.leq(steady) - 20 * np.log10(0.5) == pytest.approx(A[nominal], abs=0.15)  # it is rounded to 0.1
    assert measured.leq(measured.plain[200:-200]) == pytest.approx(20 * np.log10(0.5), abs=0.05)


def test_windows_have_a_weighted_levels_of_their_own():
    rate, hertz = 16000, [100, 315, 1000, 4000, 6300]
    pcm = np.stack([np.round(32767 * sine(f, 2, rate=rate)).astype(np.int16) for f in hertz])
    assert of_windows(pcm, rate) == pytest.approx([20 * np.log10(0.5) + A[f] for f in hertz], abs=0.06)
    assert of_windows(np.zeros((1, rate), np.int16), rate) == [-200]


@pytest.mark.parametrize("ms", BURSTS)
def test_fast_and_slow_answer_a_burst_as_the_standard_says(ms):
    signal = sine(4000, 3, 0.5)
    whole = levels_of(sine(4000, 8, 0.5))
    at = RATE
    signal[:at] = 0
    signal[at + ms * RATE // 1000 :] = 0
    burst = levels_of(np.concatenate([signal, np.zeros(RATE)]))
    fast, slow = BURSTS[ms]
    assert burst.laf.max() - whole.laf.max() == pytest.approx(fast, abs=0.3)  # seen every 5 ms; class 1 takes 0.5 to 3.5
    if slow is not None:
        assert burst.las.max() - whole.las.max() == pytest.approx(slow, abs=0.3)


def test_levels_of_a_half_loud_recording_by_hand():
    """A second at -6.02 dB, a second at -26.02: mean power (0.25 + 0.0025) / 2 of a full sine's, -8.99 dB."""
    measured = levels_of(np.concatenate([sine(1000, 4, 0.5), sine(1000, 4, 0.05)]), offset=100)
    row = measured.to_json()
    assert row["LAeq"] == pytest.approx(91.01, abs=0.02) and row["LZeq"] == pytest.approx(91.01, abs=0.02)
    assert row["LAFmax"] == pytest.approx(93.98, abs=0.05)
    assert row["L10"] == pytest.approx(93.98, abs=0.05) and row["L90"] == pytest.approx(73.98, abs=0.1)
    rows = list(measured.over_time(1))
    assert [round(r["LAeq"]) for r in rows] == [94, 94, 94, 94, 74, 74, 74, 74] and rows[5]["t"] == 5.0


def test_a_constant_offset_is_not_sound_and_silence_is_far_below():
    assert levels_of(np.full(RATE, 0.5)).to_json()["LZeq"] < -150
    assert levels_of(sine(1000) + 0.3).to_json()["LZeq"] == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("block", [4801, 100_000])
def test_blocks_leave_no_seam(block, monkeypatch):
    signal = np.random.default_rng(1).normal(size=RATE) * 0.1
    whole = levels_of(signal)
    monkeypatch.setattr(audio, "BLOCK", block)
    parts = levels_of(signal)
    assert np.allclose(parts.laf, whole.laf, atol=1e-9) and np.allclose(parts.weighted, whole.weighted, rtol=1e-9)


def test_third_octaves_hold_their_tones_and_all_power():
    signal = sine(1000, 4, 0.5) + sine(125.9, 4, 0.05)
    measured = levels_of(signal)
    assert measured.thirds[1000] == pytest.approx(-6.02, abs=0.05) and measured.thirds[125] == pytest.approx(-26.02, abs=0.1)
    assert measured.thirds[4000] < -80 and list(measured.thirds) == [float(f) for f in A]
    noise = levels_of(np.random.default_rng(2).normal(size=4 * RATE) * 0.1)
    power = sum(10 ** (level / 10) for hertz, level in noise.thirds.items())
    share = (22387 - 8.9) / 24000  # of white noise, between the outer bands' edges
    assert 10 * np.log10(power) == pytest.approx(noise.to_json()["LZeq"] + 10 * np.log10(share), abs=0.1)


def test_the_board_measures_the_same():
    """The app's meter, in CPython: within 0.25 dB of the analogue weighting, as it promises up to 0.45 of the rate."""
    signal = np.random.default_rng(3).normal(size=8 * 16000)
    spectrum = np.fft.rfft(signal)
    spectrum[np.fft.rfftfreq(len(signal), 1 / 16000) > 6800] = 0
    pcm = (np.fft.irfft(spectrum) * 2000).astype(np.int16)
    from microphone import Microphone

    source = Microphone(pcm, step=512)
    source.rate = 16000
    listened = ring.Ring(source, 8000, array("h", bytes(2 * 2048)), slot=1000, keep=1000)
    while not listened.ended:
        listened.service()
        listened.needed = listened.total  # nobody wants the samples themselves
    _, weighted = listened.meter.level(4, listened.meter.slots)
    assert weighted == pytest.approx(levels_of(pcm, 16000).to_json()["LAeq"], abs=0.25)


# -- the commands


def test_files_are_measured_into_a_table_a_csv_and_a_picture(tmp_path, capsys):
    require(importlib.util.find_spec("matplotlib"), "matplotlib is missing: pip install 'l3mote[report]'")
    soundfile.write(tmp_path / "a.wav", sine(1000), RATE, subtype="FLOAT")
    paths = [tmp_path / "l.csv", tmp_path / "l.png"]
    command = ["levels", str(tmp_path / "a.wav"), "--offset", "100", "--csv", str(paths[0]), "--picture", str(paths[1])]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "Levels (dB SPL)" in out and " 94.0 " in out
    with paths[0].open() as file:
        rows = list(csv.DictReader(file))
    assert [row["t"] for row in rows] == ["0.0", "1.0", "2.0", "3.0"] and rows[2]["LAeq"] == "93.98"
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    assert main(command) == 1 and "--force" in capsys.readouterr().err  # nothing is overwritten


def test_a_calibrator_gives_the_offset_and_what_is_none_is_refused(tmp_path, capsys):
    for name, signal in (
        ("tone", sine(1000, 5, 0.05)),
        ("hum", sine(100, 5, 0.05)),
        ("noise", np.random.default_rng(1).normal(size=RATE)),
    ):
        soundfile.write(tmp_path / f"{name}.wav", signal * 0.2, RATE, subtype="FLOAT")
    assert main(["calibrate-level", str(tmp_path / "tone.wav"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["level_offset"] == pytest.approx(94 + 40, abs=0.05)  # a peak of 0.01 is -40 dB
    for name in ("hum", "noise"):
        assert main(["calibrate-level", str(tmp_path / f"{name}.wav")]) == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and ("not a tone of 1000 Hz" in err or "varies by" in err)
    with pytest.raises(L3Error, match="varies by"):
        calibration(levels_of(sine(1000, 4) * np.linspace(1, 0.5, 4 * RATE)), 94, "it")
    assert main(["levels", str(tmp_path / "nothing.wav")]) == 1


def test_the_levels_of_a_board_over_time(tmp_path):
    """Lines of 60 and 50 dB in turn: their mean power is that of 57.4 dB; the offset makes it 177.4."""
    require(importlib.util.find_spec("serial"), "pyserial is missing: pip install 'l3mote[deploy]'")
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    table = tmp_path / "day.csv"
    command = [sys.executable, "-m", "l3host.cli", "levels", "--port", os.ttyname(theirs), "--seconds", "3", "--offset", "120"]
    process = subprocess.Popen([*command, "--csv", str(table), "--json"], stdout=subprocess.PIPE, text=True)
    t = 0
    while process.poll() is None:
        t += 1
        os.write(ours, b'{"event": "level", "level": %.1f, "dbfs": -9, "t": %d}\n' % (60 - t % 2 * 10, 10 * t))
        os.write(ours, b'{"event": "start", "label": "dog", "level": 99, "t": %d}\n' % (10 * t))
        threading.Event().wait(0.05)
    assert process.returncode == 0
    row = json.loads(process.stdout.read())
    assert row["lines"] > 4 and row["seconds"] == 10 * row["lines"]
    assert row["LAeq"] == pytest.approx(177.4, abs=0.7) and row["Lmax"] == row["L10"] == 180 and row["L90"] == 170
    with table.open() as file:
        assert [line["LAeq"] for line in csv.DictReader(file)].count("180.0") >= row["lines"] // 2
    for end in (ours, theirs):
        os.close(end)


def test_a_board_that_listens_to_the_calibrator_gives_it_too():
    require(importlib.util.find_spec("serial"), "pyserial is missing: pip install 'l3mote[deploy]'")
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    command = [sys.executable, "-m", "l3host.cli", "calibrate-level", "--port", os.ttyname(theirs), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    levels = iter([-50.0, -30.0, *[-26.2, -26.1] * 100])
    while process.poll() is None:
        os.write(ours, b'{"event": "level", "level": 99, "dbfs": %.1f, "t": 1}\n' % next(levels))
        threading.Event().wait(0.1)
    assert process.returncode == 0
    assert json.loads(process.stdout.read())["level_offset"] == pytest.approx(120.15, abs=0.06)
    for end in (ours, theirs):
        os.close(end)
