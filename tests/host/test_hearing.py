"""What networks hear of recordings: offset, loudness, 16 bits; the same in every command and on the board."""

import json
import struct
import warnings
from array import array
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal as scipy_signal
from ten import TEN

from l3host import cli
from l3host.datasets import Clip, Dataset, clips
from l3host.embed import get_embedding, run_windows
from l3host.errors import L3Error
from l3host.evaluate import embeddings
from l3host.l3m.load import load_graph
from l3host.pipeline import sounds
from l3host.reference import listening
from l3host.sound import audio, hearing, synth
from l3host.sound.resampling import resample
from l3host.sound.windows import windows_of
from l3mote.wav import Wav

RATE = 8000


def noise(n, seed=0, scale=3000):
    return np.clip(np.round(np.random.default_rng(seed).normal(size=n) * scale), -28000, 28000).astype(int)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """write(name, samples, rate, subtype) -> path, in a folder of the test's own where it also runs."""
    monkeypatch.chdir(tmp_path)

    def do(name, samples, rate=RATE, subtype="PCM_16"):
        soundfile.write(name, samples.astype(np.int16) if subtype == "PCM_16" else samples, rate, subtype=subtype)
        return name

    return do


@pytest.fixture
def l3mote(capsys):
    """l3mote('classify', ...) -> (its JSON, stderr)."""

    def run(*arguments):
        assert cli.main([*arguments, "--json"]) == 0
        out, err = capsys.readouterr()
        return json.loads(out), err

    return run


# -- the offset


@pytest.mark.parametrize("constant", [1, 98, 3277, -3277])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_constant_changes_no_sample(rate, constant):
    x = noise(rate, 1)
    assert (hearing.hear((x + constant).astype(np.int16), rate, RATE) == hearing.hear(x.astype(np.int16), rate, RATE)).all()


@pytest.mark.parametrize("constant", [-0.1, 0.003, 0.01, 0.1])
def test_a_constant_changes_no_answer(write, l3mote, constant):
    """0.003 of full scale halved the score of a quiet sound, 0.01 made it unheard."""
    quiet = 0.01 * synth.sound("rain")
    files = [write("a.wav", quiet, synth.RATE, "FLOAT"), write("b.wav", quiet + constant, synth.RATE, "FLOAT")]
    (a, b), err = l3mote("classify", TEN, *files)
    assert not err and a["label"] == b["label"] == "rain"
    assert list(a["scores"].values()) == pytest.approx(list(b["scores"].values()), abs=0.01)


def test_the_listening_app_does_not_know_of_a_recordings_constant(write, l3mote):
    """Its own capture takes the constant off: the recording comes to it as a driver would give it."""
    quiet, events = 0.01 * resample(synth.sound("rain", 5.0), synth.RATE, 44100), []
    for constant in (0, 0.1):
        samples, err = l3mote("listen", TEN, write("x.wav", quiet + constant, 44100, "PCM_24"), "--runtime", "unix")
        assert not err
        events.append([(e["event"], e["label"], e["t"]) for e in samples["events"] if e["event"] in ("start", "end")])
    assert ("start", "rain", 0) in events[0] and events[1] == events[0]


def test_what_is_heard_is_the_sound_through_scipys_high_pass():
    x = noise(2 * RATE, 2) + 500
    result = hearing.hear(x.astype(np.int16), RATE, RATE)
    ideal = scipy_signal.lfilter([255 / 256, -255 / 256], [1, -255 / 256], x - 500.0)
    assert np.abs(result - ideal)[RATE:].max() <= 1.1


# -- sixteen bits


def test_files_of_all_kinds_are_heard_in_sixteen_bits(write):
    x = noise(RATE, 3)
    samples = [hearing.load(write(f"{s}.wav", x / 32768, subtype=s), RATE) for s in ("PCM_24", "FLOAT", "DOUBLE")]
    for other in samples:
        assert other.dtype == np.int16 and (other == hearing.load(write("x.wav", x), RATE)).all()


def test_two_channels_are_heard_as_the_board_reads_them(write):
    x = noise(2 * RATE, 4).reshape(-1, 2)
    path = write("x.wav", x)
    source, buffer = Wav(path), array("h", bytes(4 * RATE))
    assert source.readinto(buffer) == RATE
    source.close()
    assert (hearing.load_pcm(path, RATE) == np.array(buffer[:RATE])).all()
    assert (hearing.load(path, RATE) == listening.without_offset(np.array(buffer[:RATE]), RATE)).all()


@pytest.mark.parametrize("runtime", ["unix", "cpython"])
def test_near_digital_silence_host_and_board_agree(write, l3mote, runtime):
    rng = np.random.default_rng(5)
    path = write("quiet.wav", rng.normal(size=6 * RATE) * 1.2 / 32768, subtype="FLOAT")
    board, _ = l3mote("emulate", TEN, path, "--runtime", runtime)
    (host,), _ = l3mote("classify", TEN, path)
    scores = np.array(board["scores"])
    assert list(host["scores"].values()) == pytest.approx(scores.mean(axis=0), abs=5e-3)
    assert host["label"] == board["labels"][0] == list(host["scores"])[scores.mean(axis=0).argmax()]


# -- full scale


def test_sound_beyond_full_scale_is_scaled_as_a_whole_with_one_line(write, l3mote):
    x = noise(2 * RATE, 6) / 32768
    path = write("loud.wav", 40 * x, subtype="FLOAT")
    with pytest.warns(UserWarning, match=f"{path}: louder than full scale .*scaled down"):
        pcm = hearing.load_pcm(path, RATE)
    assert np.abs(pcm - x / np.abs(x).max() * 32768).max() <= 1
    assert np.sum(np.abs(pcm.astype(int)) >= 32767) == 1  # its largest
    outputs = [l3mote("classify", TEN, path), l3mote("emulate", TEN, path, "--runtime", "unix")]
    outputs.append(l3mote("listen", TEN, path, "--runtime", "unix"))
    for _, err in outputs:
        assert err.count("\n") == 1 and "louder than full scale" in err
    host, board = outputs[0][0][0], outputs[1][0]
    assert list(host["scores"].values()) == pytest.approx(np.mean(board["scores"], axis=0), abs=5e-3)


def test_samples_as_whole_numbers_in_a_float_file_are_heard(write):
    x = noise(RATE, 7)
    with pytest.warns(UserWarning, match="louder"):
        loud = hearing.load_pcm(write("x.wav", x.astype(float), subtype="FLOAT"), RATE)
    assert np.corrcoef(loud, x)[0, 1] > 0.99999


def test_a_low_pass_that_makes_it_louder_is_not_a_warning():
    square = np.where(np.arange(44100) // 40 % 2, 32767, -32768).astype(np.int16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pcm = hearing.pcm(square, 44100, RATE)
    assert np.sum(np.abs(pcm.astype(int)) >= 32767) <= 2  # scaled, not clipped


# -- one definition


def test_every_user_hears_the_same(write, l3mote, tmp_path):
    path = write("x.wav", (noise(3 * 16000, 8) * np.linspace(0, 3, 48000) + 900).clip(-30000, 30000), 16000)
    samples = hearing.load(path, RATE)
    x, _ = soundfile.read(path)
    by_hand = np.round(resample(x - x.mean(), 16000, RATE) * 32768).astype(np.int16)
    assert np.abs(samples - listening.without_offset(by_hand, RATE)).max() <= 1
    clips.prepare(tmp_path / "clips.npz", [path], RATE)  # of train
    assert (clips.read(tmp_path / "clips.npz")[0] == samples).all()
    assert (sounds.clips([path], RATE, tmp_path / "run")[0] == samples).all()
    graph = load_graph(TEN)
    fe, given = graph.frontend, []
    dataset = Dataset("one", [Clip(path, (0,), 1)], ["a"])
    embeddings.of_clips(dataset, lambda windows: given.append(windows) or np.zeros((len(windows), 1)), fe, hop=2)
    assert given[0].dtype == np.float32 and (given[0] * 32768 == windows_of(samples, fe.window, 2 * RATE, False)).all()
    (row,), _ = l3mote("classify", TEN, path)
    wanted = run_windows(graph, windows_of(samples, fe.window, fe.hop, False)).output.mean(axis=0)
    assert list(row["scores"].values()) == pytest.approx(wanted, abs=1e-6)


def test_embeddings_keep_the_published_semantics(write):
    graph = load_graph(TEN)
    x = noise(4 * RATE, 9) / 10000 + 0.2
    result, _ = get_embedding(x, RATE, graph, center=False, hop_size=2)
    assert result == pytest.approx(run_windows(graph, windows_of(x, graph.frontend.window, 2 * RATE, False)).embedding, abs=1e-6)


# -- bad files


def test_channels_that_cancel_each_other_are_a_warning(write):
    x = noise(RATE, 10)
    for other, what in ((-x, "all zeros"), (-x + noise(RATE, 11, 20), "quieter by 30 dB")):
        with pytest.warns(UserWarning, match=f"channels cancel each other, their mean is {what}.*: keep one of them"):
            hearing.load(write("x.wav", np.stack([x, other], 1)), RATE)


@pytest.mark.parametrize("riff", ["as an empty file", 0, 0xFFFFFFFF])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_wav_whose_writer_lost_power_is_read_to_its_end(write, riff, subtype):
    path = write("x.wav", noise(RATE, 12) / 32768 if subtype == "PCM_24" else noise(RATE, 12), subtype=subtype)
    whole, data = hearing.load(path, RATE), bytearray(Path(path).read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = bytes(4)
    data[4:8] = struct.pack("<I", at - 4 if riff == "as an empty file" else riff)
    Path(path).write_bytes(data)
    assert (hearing.load(path, RATE) == whole).all()


@pytest.mark.parametrize("command", ["classify", "embed"])
@pytest.mark.parametrize(
    "samples, rate, subtype, reason",
    [
        ([3e38, 0], 8000, "FLOAT", "samples of 3e+38, where full scale is 1"),
        ([1e308, -1e308], 8000, "DOUBLE", "samples of 1e+308, where full scale is 1"),
        ([0, np.inf], 8000, "FLOAT", "NaN or infinite"),
        ([0.1, 0.2], 1, "FLOAT", "says that it has 1 Hz: audio from 1000 to 768000 Hz is read"),
        ([0.1, 0.2], 999983, "FLOAT", "says that it has 999983 Hz"),
    ],
)
def test_what_is_not_sound_is_one_line(write, capsys, command, samples, rate, subtype, reason):
    path = write("x.wav", np.array(samples * 4000), rate, subtype)
    assert cli.main([command, TEN, path]) == 1
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and path in err and reason in err


def test_a_file_that_claims_more_than_memory_holds_is_one_line(write):
    path = write("x.flac", noise(RATE))
    data = bytearray(Path(path).read_bytes())
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4  # 2^36 samples
    Path(path).write_bytes(data)
    with pytest.raises(L3Error, match="cannot read x.flac as audio"):
        audio.read(path)
