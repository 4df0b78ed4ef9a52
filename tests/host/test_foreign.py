"""Recordings that libsndfile does not know, as phones make them: read by PyAV where it is installed, else named with the remedy."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import soundfile
from support import require

from l3host import datasets
from l3host.cli import main
from l3host.errors import L3Error
from l3host.sound import audio

RATE = 44100
rng = np.random.default_rng(3)
PCM = (rng.normal(size=(RATE * 3, 2)) * 3000).astype(np.int16)


def write(path, codec, pcm=PCM):
    """The samples in a file, by PyAV's encoder of that name."""
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm.reshape(1, -1)), format="s16", layout="stereo")
        frame.rate = RATE
        resampler = av.AudioResampler(format=stream.format, layout="stereo", rate=RATE, frame_size=stream.frame_size or None)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return str(path)


@pytest.fixture(autouse=True)
def pyav():
    require(importlib.util.find_spec("av"), "PyAV is missing: pip install 'l3mote[audio]'")


def test_lossless_sound_in_an_m4a_is_read_to_the_bit(tmp_path, monkeypatch):
    path = write(tmp_path / "phone.m4a", "alac")
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(path)
    samples, rate = audio.read(path)
    assert rate == RATE and np.array_equal(samples, PCM / 32768)
    assert audio.seconds(path) == pytest.approx(3)
    soundfile.write(tmp_path / "same.wav", PCM, RATE)
    monkeypatch.setattr(audio, "BLOCK", 1000)  # its frames have 4,096
    assert np.array_equal(audio.load(path, 8000), audio.load(str(tmp_path / "same.wav"), 8000))


def test_what_a_phone_records_is_its_sound(tmp_path):
    """AAC loses something, and the tone stays."""
    t = np.arange(RATE * 2) / RATE
    tone = (16000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
    samples, _ = audio.read(write(tmp_path / "tone.m4a", "aac", np.stack([tone, tone], axis=1)))
    middle = samples[RATE // 2 : RATE // 2 + RATE, 0]
    spectrum = np.abs(np.fft.rfft(middle)) / (len(middle) / 2)
    assert spectrum.argmax() == 440 and spectrum.max() == pytest.approx(16000 / 32768, rel=0.01)


def test_it_is_classified(tmp_path, capsys):
    path = write(tmp_path / "phone.m4a", "alac")
    assert main(["classify", "esc10", path, "--json"]) == 0
    soundfile.write(tmp_path / "same.wav", PCM, RATE)
    events = json.loads(capsys.readouterr().out)
    assert main(["classify", "esc10", str(tmp_path / "same.wav"), "--json"]) == 0
    same = json.loads(capsys.readouterr().out)
    assert [{**row, "file": ""} for row in events] == [{**row, "file": ""} for row in same]


def test_a_folder_of_them_is_a_data_set(tmp_path):
    for n in range(4):
        folder = tmp_path / ("dog" if n < 2 else "rain")
        folder.mkdir(exist_ok=True)
        write(folder / f"{n}.m4a", "aac", PCM[n * 1000 :][: RATE // 2])
    assert len(datasets.load(str(tmp_path)).clips) == 4


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x18ftypM4A ", b"\0" * 5000, b"RIFF"])
def test_a_damaged_file_is_one_line(data, tmp_path):
    path = tmp_path / "bad.m4a"
    path.write_bytes(data)
    with pytest.raises(L3Error, match="cannot read .*bad.m4a as audio: ") as e:
        audio.read(str(path))
    assert "\n" not in str(e.value)


def test_a_film_without_sound_is_named(tmp_path):
    import av

    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        file.mux(stream.encode(None))
    with pytest.raises(L3Error, match="there is no sound in it"):
        audio.read(str(path))


def test_without_pyav_the_remedy_is_named(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "phone.m4a", "aac")
    monkeypatch.setitem(sys.modules, "av", None)
    assert main(["classify", "esc10", path]) == 1
    err = capsys.readouterr().err
    assert "PyAV reads it (pip install 'l3mote[audio]'), or convert it: ffmpeg -i " in err and "phone.wav" in err
    for label in ("dog", "rain"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.m4a").write_bytes((tmp_path / "phone.m4a").read_bytes() + label.encode())
    with pytest.raises(L3Error, match=r"2 of 2 clips cannot be used: .*pip install 'l3mote\[audio\]'"):
        datasets.load(str(tmp_path))
