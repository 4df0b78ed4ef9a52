"""l3mote record: known samples through an emulated Pico come out as WAVs, bit for bit; what is lost or silent is not saved."""

import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from deployed import PICO, put
from support import runtime_of

from l3host import cli
from l3host.cli import record
from l3host.deploy import payload, recording, steps
from l3host.deploy.links import connected
from l3host.deploy.recording import Block, Clips
from l3host.emulate import rp2040
from l3host.emulate.rp2040.serial_port import board
from l3host.errors import L3Error
from l3host.reference import listening
from l3mote import start


def known(seconds, rate, seed=0):
    """Noise that swells, with an offset; int16."""
    n = int(seconds * rate)
    return (3000 * np.random.default_rng(seed).standard_normal(n) * np.linspace(0, 1, n) + 200).astype(np.int16)


def listening_board(samples, rate, **settings):
    """A file system with a version that hears a WAV of these samples."""
    fs = rp2040.file_system()
    files = payload.build(PICO, "esc10", ("native",), "noise_monitor", {"mic": "wav", "wav": "/known.wav", **settings}, True)
    for path, data in files.files.items():
        put(fs, f"/l3/{files.version}/{path}", data)
    put(fs, start.slot_path("/l3", 0), start.slot_line(1, files.version))
    put(fs, steps.STARTER, b"")
    wav = io.BytesIO()
    soundfile.write(wav, samples, rate, format="WAV", subtype="PCM_16")
    put(fs, "/known.wav", wav.getvalue())
    return rp2040.dump(fs)


def test_known_samples_come_back_bit_for_bit(tmp_path, capsys):
    """At the source's rate without its offset, at half of it decimated too, as the reference has it."""
    runtime_of("rp2040")
    samples = known(1.7, 16000)
    with board(listening_board(samples, 16000)) as there:
        arguments = ["record", "--port", there.port, "--label", "dog", "--clip", "1", "-o", str(tmp_path), "--json"]
        assert cli.main(arguments) == 0, capsys.readouterr().err
        result = json.loads(capsys.readouterr().out)
        assert (result["rate"], result["dropped"], result["lost"], len(result["files"])) == (16000, 0, 0, 2)
        actual = [soundfile.read(path, dtype="int16") for path in result["files"]]
        assert [rate for _, rate in actual] == [16000, 16000] and len(actual[0][0]) == 16000
        expected = listening.without_offset(samples, 16000)
        np.testing.assert_array_equal(np.concatenate([clip for clip, _ in actual]), expected)
        assert cli.main([*arguments, "--rate", "8000", "--clip", "5"]) == 0, capsys.readouterr().err
        (path,) = json.loads(capsys.readouterr().out)["files"]
        half, rate = soundfile.read(path, dtype="int16")
        assert rate == 8000
        assert len(half) - len(samples) // 2 in (0, 1)  # the filter's end
        np.testing.assert_array_equal(half[: len(samples) // 2], listening.decimate(expected, 2))
        with connected(there.port) as link:  # stopped amid the sound, the board is at its prompt
            version = link.exec("import os; print(os.listdir('/l3')[0])").split()[0]
            rate, sound = recording.open_stream(link, f"/l3/{version}", None, None)
            first = next(item for item in sound if item)
            sound.close()
            link.reset()
            assert rate == 16000 and len(first.samples) == 512 and link.exec("print(6 * 7)").strip() == "42"
    assert sorted(p.parent.name for p in tmp_path.rglob("*.wav")) == ["dog"] * 3


# -- clips


def block(samples, lost=0):
    return Block(np.array(samples, np.int16), lost, -40.0)


def test_clips_are_cut_by_length_and_by_label(tmp_path):
    clips = Clips(tmp_path, 1000, 1.0)
    clips.switch("dog")
    for at in range(0, 2500, 500):
        clips.add(block(np.arange(at, at + 500)))
    clips.switch("_other")
    clips.add(block(np.arange(600)))
    clips.close()
    result = [(path.parent.name, soundfile.read(path, dtype="int16")[0]) for path in clips.saved]
    assert [name for name, _ in result] == ["dog", "dog", "dog", "_other"]
    np.testing.assert_array_equal(np.concatenate([samples for _, samples in result[:3]]), np.arange(2500))
    np.testing.assert_array_equal(result[3][1], np.arange(600))


def test_clips_of_the_same_millisecond_are_all_kept(tmp_path, monkeypatch):
    class Stopped:
        now = staticmethod(lambda: datetime(2026, 11, 30, 12, 0, 0, 5000, UTC))

    monkeypatch.setattr(recording, "datetime", Stopped)
    paths = [recording.write(tmp_path, np.arange(500 + i, dtype=np.int16), 1000, " dog") for i in range(3)]
    assert [path.name for path in paths] == [f"2026-11-30-120000-005{more} dog.wav" for more in ("", "-2", "-3")]
    assert [len(soundfile.read(path)[0]) for path in paths] == [500, 501, 502]


def test_a_clip_with_lost_samples_is_not_saved_and_the_next_is(tmp_path):
    clips = Clips(tmp_path, 1000, 1.0)
    clips.switch("dog")
    clips.add(block(np.arange(1000)))
    clips.add(block(np.arange(500)))
    clips.add(block(np.arange(500), lost=7))
    clips.add(block(np.arange(1000), lost=7))
    assert len(clips.saved) == 2 and clips.dropped == 1 and clips.lost == 7


def test_silence_is_no_recording(tmp_path):
    clips = Clips(tmp_path, 1000, 1.0)
    clips.switch("dog")
    with pytest.raises(L3Error, match="the microphone gives silence"):
        clips.add(block(np.full(1000, -1)))
    assert not list(tmp_path.rglob("*.wav"))


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from l3host.deploy.recording import write
from l3host.errors import L3Error
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))  # bytes of a file: a disk that is full amid the second clip
try:
    write(Path(sys.argv[1]), np.arange(1000, dtype=np.int16), 8000)
    write(Path(sys.argv[1]), np.arange(10_000, dtype=np.int16), 8000)
except L3Error as e:
    print(e)
"""


def test_a_full_disk_is_one_line_and_leaves_the_clips_before(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("cannot write ") and done.stdout.endswith("clips saved before stay\n"), done.stderr
    (kept,) = tmp_path.iterdir()
    assert len(soundfile.read(kept)[0]) == 1000


class Said:
    """A link that gives these lines."""

    port = "somewhere"

    def __init__(self, *lines):
        self.stream = lambda code: iter(lines)


LINE = b"512 0 -40.5 " + b"AAAB" * 3 + b"\n"  # 9 bytes are not whole samples


def test_what_a_board_says_is_checked():
    with pytest.raises(L3Error, match="printed no block of sound: b'Traceback"):
        list(recording.streamed(Said(b"Traceback\n"), "/l3/x", None, None))
    with pytest.raises(L3Error, match="printed no block of sound"):
        list(recording.streamed(Said(b"8000 True\n", LINE), "/l3/x", None, None))
    for rate in (b"0", b"-8000", b"999999999999", b"9" * 5000):  # clips of no samples, or that are never full
        with pytest.raises(L3Error, match="printed no block of sound"):
            list(recording.streamed(Said(rate + b" True\n"), "/l3/x", None, None))
    for level in (b"nan", b"inf", b"-1e9"):
        with pytest.raises(L3Error, match="printed no block of sound"):
            list(recording.streamed(Said(b"8000 True\n", b"2 0 " + level + b" AQACAA==\n"), "/l3/x", None, None))
    with pytest.raises(L3Error, match="goes on after the 2 s that were asked for"):
        list(recording.streamed(Said(b"8000 True\n", *[b"2 0 -40.5 AQACAA==\n"] * 20_000), "/l3/x", None, 2))
    with pytest.raises(L3Error, match="no sound from the board on somewhere for 20 s"):
        list(recording.streamed(Said(b"8000 True\n", *[b""] * 50), "/l3/x", None, None))
    good = [b"8000 True\n", b"2 0 -40.5 AQACAA==\n", b"", b"5 0 -40.5 AwAEAA==\n"]
    rate, first, nothing, second = recording.streamed(Said(*good), "/l3/x", None, None)
    assert rate == 8000 and nothing is None and first.samples.tolist() == [1, 2]
    assert second.samples.tolist() == [3, 4] and second.lost == 1  # sample 3 of 5 never came


def test_the_meter_of_a_recording_fits_80_columns():
    clips = SimpleNamespace(label="a label of some length", saved=[None] * 1234, lost=123456)
    assert len(record.meter(clips, -120.0)) < 80
    assert record.meter(clips, -40.0).count("█") == record.BAR // 2


def test_what_record_refuses(capsys):
    assert cli.main(["record", "--port", "/dev/null", "--label", "a/b"]) == 1
    assert "label 'a/b': it names a folder" in capsys.readouterr().err
    assert cli.main(["record", "--port", "/dev/null", "--label", "a", "--clip", "0"]) == 1
    assert "--clip is 0.5 to 3600 seconds" in capsys.readouterr().err
