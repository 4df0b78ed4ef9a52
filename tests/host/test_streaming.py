"""Recordings in blocks: wherever they are cut, the numbers are those of the whole, to the bit."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import tracemalloc
from array import array
from pathlib import Path

import numpy as np
import pyte
import pytest
import soundfile

from l3host import cli, npz, show
from l3host.classify import Classify
from l3host.embed import Embed, get_embedding
from l3host.sound import audio, hearing
from l3host.sound.resampling import ZERO_CROSSINGS, gain, resample, resampled, sinc_window
from l3host.sound.windows import cut, windows_of
from l3mote.kernels import capture

RATE = 8000
RATES = [(44100, 8000), (48000, 8000), (16000, 8000), (11025, 8000), (8000, 48000), (8010, 8000), (44100, 8010)]


def noise(n, seed=0, scale=0.1):
    return np.random.default_rng(seed).normal(0, scale, n)


def pieces(x, seed, count=7):
    return np.split(x, np.sort(np.random.default_rng(seed).integers(0, len(x), count)))


# -- resampling


@pytest.mark.parametrize("rate, target", RATES)
def test_an_output_is_a_dot_product_of_taps_and_samples(rate, target):
    """Output by output, from the definition."""
    x = noise(rate // 4)
    scale = min(1, target / rate)
    step = int(scale * 512) / 512
    reach = int(np.ceil(ZERO_CROSSINGS / step))
    result = resample(x, rate, target)
    for i in [0, 1, len(result) // 2, len(result) - 1, *np.random.default_rng(1).integers(0, len(result), 20)]:
        before, fraction = divmod(i * rate, target)
        samples = np.pad(x, reach)[before + 1 : before + 1 + 2 * reach]
        past, future = scale * fraction / target, scale * (1 - fraction / target)
        steps = np.arange(reach) * step
        taps = scale * sinc_window(np.concatenate([(past + steps)[::-1], future + steps]))
        assert result[i] == pytest.approx((samples * taps[: len(samples)]).sum(), abs=1e-15)


@pytest.mark.parametrize("rate, target", RATES)
@pytest.mark.parametrize("n", [1, 30_011])
def test_where_a_signal_is_cut_changes_no_bit_of_its_resampling(rate, target, n):
    x = noise(max(n, rate // target + 1), n)
    whole = resample(x, rate, target)
    for seed in (1, 2):
        assert (np.concatenate(list(resampled(pieces(x, seed), rate, target))) == whole).all()
    assert len(whole) == int(len(x) * target / rate)


def test_no_sample_exceeds_the_gain():
    assert gain(RATE, RATE) == 1
    most = gain(44100, RATE)
    square = np.sign(noise(44100))
    assert np.abs(resample(square, 44100, RATE)).max() < most < 4


# -- windows


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("length, hop", [(100, 10), (100, 100), (100, 33), (40, 250), (7, 1)])
@pytest.mark.parametrize("n", [1, 99, 100, 101, 999, 1000, 1250])
@pytest.mark.filterwarnings("ignore:audio is shorter")
def test_windows_of_blocks_are_those_of_the_whole(n, length, hop, center):
    x = np.arange(1.0, n + 1)
    whole = windows_of(x, length, hop, center)
    for size in (1, 4, 9):
        result = list(cut(pieces(x, size), length, hop, center, size))
        assert all(len(windows) == size for windows in result[:-1]) and 0 < len(result[-1]) <= size
        assert (np.concatenate(result) == whole).all()


# -- hearing


def test_the_offset_goes_from_blocks_as_the_boards_own_function_takes_it():
    x = np.clip(noise(9000, 3, 9000) + 800, -32768, 32767).astype(np.int16)
    x[5000:6000] = 32767
    for rate in (8000, 16000, 48000):
        board = array("h", x.tobytes())
        capture.remove_offset(board, capture.offset_memory(rate), (0, len(board)))
        assert (hearing.without_offset(x, rate) == np.array(board)).all()
        for seed in (1, 2):
            assert (np.concatenate(list(hearing.offset_removed(pieces(x, seed), rate))) == np.array(board)).all()


@pytest.fixture
def recording(tmp_path, monkeypatch):
    """A stereo file at 44.1 kHz, louder than full scale after some seconds, with an offset."""
    monkeypatch.chdir(tmp_path)
    left, right = noise(44100 * 9, 4), noise(44100 * 9, 5)
    left[44100 * 7 :] *= 20
    soundfile.write("x.wav", np.stack([left + 0.02, right + 0.01], axis=1), 44100, subtype="FLOAT")
    return "x.wav"


@pytest.mark.filterwarnings("ignore:.*louder than full scale")
def test_a_recording_too_long_to_be_kept_is_heard_like_a_short_one(recording, monkeypatch):
    short = hearing.load(recording, RATE)
    decoded = []
    monkeypatch.setattr(hearing, "KEPT", 10_000)
    monkeypatch.setattr(audio, "opened", lambda path, opened=audio.opened: decoded.append(path) or opened(path))
    assert (hearing.load(recording, RATE) == short).all()
    assert len(decoded) == 4  # its rate, its mean, its loudest sample, itself
    x, _ = soundfile.read(recording)
    mean = x.mean(axis=1)
    rest = np.round(mean.mean() * 32768) / 32768
    signal = resample(mean - rest, 44100, RATE) + rest
    expected = array("h", audio.to_pcm(signal / np.abs(signal).max()).tobytes())
    capture.remove_offset(expected, capture.offset_memory(RATE), (0, len(expected)))
    assert (short == np.array(expected)).all()


@pytest.mark.filterwarnings("ignore:.*louder than full scale")
def test_scores_and_embeddings_of_blocks_are_those_of_the_whole(recording, monkeypatch, tmp_path):
    whole = Classify("esc10")(recording, lambda n: None).scores
    samples, rate = soundfile.read(recording)
    expected, times = get_embedding(samples, rate, "esc10")
    monkeypatch.setattr(hearing, "KEPT", 10_000)
    monkeypatch.setattr(audio, "BLOCK", 1 << 12)
    assert (Classify("esc10", threads=1)(recording, lambda n: None).scores == whole).all()
    _, out, shape = Embed("esc10", True, 0.1)((recording, Path("x.npz")), lambda n: None)
    with np.load(out) as arrays:
        assert (arrays["embedding"] == expected).all() and (arrays["timestamps"] == times).all()
        assert arrays["embedding"].dtype == np.float32 and shape == expected.shape


def test_json_of_hours_is_printed_piece_by_piece(capsys, monkeypatch):
    rows = [{"start": i / 3, "scores": {"dog": 0.5, "rain, \u00e4": 1.0}} for i in range(5000)]
    show.print_json(rows)
    assert capsys.readouterr().out == json.dumps(rows, indent=1) + "\n"
    with open(os.devnull, "w") as nowhere:
        monkeypatch.setattr(sys, "stdout", nowhere)
        tracemalloc.start()
        show.print_json(rows)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 500_000  # the whole text and its parts are 5 MB


def test_an_npz_in_blocks_is_numpys(tmp_path):
    blocks = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((1, 3), np.float32)]
    assert npz.write(tmp_path / "x.npz", "a", iter(blocks), lambda n: {"b": np.arange(n)}) == (3, 3)
    with np.load(tmp_path / "x.npz") as arrays:
        assert arrays["a"].tolist() == [[0, 1, 2], [3, 4, 5], [1, 1, 1]] and arrays["a"].dtype == np.float32
        assert arrays["b"].tolist() == [0, 1, 2]


def test_nothing_is_left_of_an_npz_whose_sound_breaks_off(recording, tmp_path):
    data = Path(recording).read_bytes()
    at = len(data) - 8000
    Path("broken.wav").write_bytes(data[:at] + np.float32(np.nan).tobytes() * 100 + data[at + 400 :])
    assert cli.main(["embed", "esc10", "broken.wav"]) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.wav", "x.wav"]


# -- many files


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """Names of ten short files; the fourth is not audio."""
    monkeypatch.chdir(tmp_path)
    names = [f"{i}.wav" for i in range(10)]
    for i, name in enumerate(names):
        soundfile.write(name, noise(RATE * 2, i), RATE)
    Path(names[3]).write_bytes(b"no sound")
    return names


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_bad_file_stops_no_other_and_is_the_exit_status(clips, capsys, jobs):
    assert cli.main(["classify", "esc10", *clips, "--jobs", jobs]) == 1
    out, err = capsys.readouterr()
    heads = [line.partition(":")[0] for line in out.splitlines() if ".wav: " in line]
    assert heads == [name for name in clips if name != "3.wav"]
    assert err.count("\n") == 1 and "cannot read 3.wav as audio" in err


def test_a_terminal_shows_what_a_pipe_gets_and_one_line_of_progress_below_it(clips):
    soundfile.write(clips[5], noise(RATE), RATE)  # it is warned of
    command = [sys.executable, "-m", "l3host.cli", "classify", "esc10", *clips, "--jobs", "1"]
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 120, 0, 0))
    with subprocess.Popen(command, stdout=writer, stderr=writer) as process:
        os.close(writer)
        printed = b""
        try:
            while part := os.read(reader, 4096):
                printed += part
        except OSError:  # the other end is closed
            pass
    screen = pyte.Screen(120, 200)
    pyte.ByteStream(screen).feed(printed)
    piped = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    shown = [line.rstrip() for line in screen.display]
    assert process.returncode == piped.returncode == 1
    assert sorted(filter(None, shown)) == sorted(filter(None, map(str.rstrip, piped.stdout.splitlines())))
    assert len([line for line in shown if ".wav" in line]) == 11
    assert b"9 of 10 files (1 failed), 0.00 h of sound, " in printed and b" x real time, 0:00:0" in printed
