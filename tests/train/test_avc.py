"""Audio-visual correspondence: clips made here, whose colour goes with their pitch, are read by PyAV and learnt."""

import colorsys
import importlib.util

import numpy as np
import pytest
from films import SECONDS, SIDE, WIDTH, frame_at, pitch, random_hues, write_clip
from support import require

from l3host.errors import L3Error
from l3host.graph.network import frontend
from l3host.train.settings import Avc

AUDIO, VIDEO = (8, 8) + 6 * (16,), (8, 8, 16, 16)  # pitch is a place on the plane: it takes all three pools to tell


@pytest.fixture(autouse=True)
def libraries():
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")
    require(importlib.util.find_spec("av"), "PyAV is not installed")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """(120 to learn from, 200 unseen)."""
    from l3host.train import videos

    folder, rng = tmp_path_factory.mktemp("videos"), np.random.default_rng(0)
    paths = [write_clip(folder / f"{i}.mkv", hue, rng) for i, hue in enumerate(random_hues(320, rng))]
    result, bad = videos.load(paths, folder / "cache", 8000, SIDE)
    assert not bad
    return result[:120], result[120:]


# -- reading


def test_a_video_is_read_as_it_was_written(tmp_path):
    from l3host.train import videos

    path = write_clip(tmp_path / "a.mkv", 0.3, np.random.default_rng(3), channels=2)
    read = videos.recording(path, tmp_path, 8000, SIDE)
    assert read.sound.dtype == np.int16 and len(read.sound) == SECONDS * 8000
    spectrum = np.abs(np.fft.rfft(read.sound * np.hanning(len(read.sound))))
    assert spectrum.argmax() / SECONDS == pytest.approx(pitch(0.3), abs=2)
    assert read.frames.shape == (6, 37, 49, 3) and read.frames.dtype == np.uint8
    phase = np.random.default_rng(3).uniform(0, 2 * np.pi)
    for number, frame in enumerate(read.frames):
        expected = frame_at(number / videos.FPS, 0.3, phase)
        disc = np.ptp(frame.astype(int), axis=2) > 100  # coloured, not grey
        wanted = np.ptp(expected.astype(int), axis=2) > 100
        assert disc.mean() == pytest.approx(wanted.mean(), rel=0.15)
        assert disc.nonzero()[1].mean() / 49 == pytest.approx(wanted.nonzero()[1].mean() / WIDTH, abs=0.03)
        hue = colorsys.rgb_to_hsv(*frame[disc].mean(axis=0) / 255)[0]
        assert hue == pytest.approx(0.3, abs=0.03)
    times = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.npy")}
    assert len(times) == 2 and videos.recording(path, tmp_path, 8000, SIDE).key == read.key
    assert times == {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.npy")}


def test_bad_videos_are_listed_and_skipped_on_request(tmp_path):
    from l3host.train import videos

    rng = np.random.default_rng(0)
    good = [write_clip(tmp_path / f"{i}.mkv", 0.2, rng) for i in range(2)]
    mute = write_clip(tmp_path / "mute.mkv", 0.2, rng, channels=0)
    silent = write_clip(tmp_path / "silent.mkv", 0.2, rng, silent=True)
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(b"not a video" * 100)
    copy = tmp_path / "copy.mkv"
    copy.write_bytes((tmp_path / "0.mkv").read_bytes())
    bad = [mute, silent, str(broken), str(tmp_path / "absent.mkv"), str(copy)]
    with pytest.raises(L3Error, match=r"5 of 7 .*mute.mkv \(no sound\), .*silent.mkv \(no sound\), .*broken.mkv .* and 2 more"):
        videos.load(good + bad, tmp_path / "cache", 8000, SIDE)
    messages = []
    result, left_out = videos.load(good + bad, tmp_path / "cache", 8000, SIDE, messages.append, skip_bad=True)
    assert len(result) == 2 and len(messages) == 7
    assert [line.split(" ")[0] for line in left_out] == bad
    assert left_out[-1].endswith(f"(the same as {good[0]})")
    with pytest.raises(L3Error, match=r"1 usable videos: .*at least 2 \(left out: .*mute.mkv"):
        videos.load([good[0], mute], tmp_path / "cache", 8000, SIDE, skip_bad=True)


def test_no_frame_is_kept_that_has_no_sound(tmp_path):
    from l3host.train import videos

    path = write_clip(tmp_path / "a.mkv", 0.3, np.random.default_rng(3), audible=0.7)
    sound, frames = videos.decode(path, 8000, SIDE)
    assert len(sound) == 5600 and len(frames) == 3  # at 0, 0.25 and 0.5 s


def test_no_pyav_is_one_clear_error(tmp_path, monkeypatch):
    import sys

    from l3host.train import videos

    path = write_clip(tmp_path / "a.mkv", 0.3, np.random.default_rng(3))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(L3Error, match=r"PyAV: pip install 'l3mote\[train\]'"):
        videos.decode(path, 8000, SIDE)


# -- pairs


def counting(number, rate=4000):
    """Recordings of 2 s: number i has sound that counts its samples from 10000 i; the colour of a frame says i and its place."""
    from l3host.train import videos

    colours = np.array([[(160, 20 * (k + 1), 40 * (i + 1)) for k in range(8)] for i in range(number)], np.uint8)
    return [
        videos.Recording(str(i), rate, np.arange(8000, dtype=np.int16) + 10000 * i, np.tile(colour[:, None, None], (1, 20, 30, 1)))
        for i, colour in enumerate(colours)
    ]


def test_pairs_are_of_one_recording_or_of_two():
    from l3host.train import avc

    first, *rest = avc.pairs(counting(3), 4000, 16, 400, 100, np.random.default_rng(0))
    assert len(rest) == 3
    kinds, starts = set(), set()
    for wave, frame, truth in zip(*first, strict=True):
        assert frame.shape == (16, 16, 3) and frame.min() >= -1 and frame.max() <= 1
        red, green, blue = (frame[0, 0].astype(float) + 1) * 127.5
        place, seen = round(8 * green / red) - 1, round(4 * blue / red) - 1
        audible, start = divmod(round(wave[0] * 32768), 10000)
        assert 0 <= start <= 4000 and round(wave[-1] * 32768) == 10000 * audible + start + 3999
        assert (seen == audible) == bool(truth)
        assert not truth or start == np.clip(1000 * place - 2000, 0, 4000)  # a frame every 1000 samples, in the window's middle
        kinds.add((seen, audible))
        starts.add(start)
    assert first[2].mean() == 0.5 and len(kinds) == 9 and len(starts) > 20  # a negative's is anywhere


def test_frames_are_cropped_flipped_and_shaded():
    from l3host.train import avc

    frame = np.arange(20, dtype=np.uint8)[None, :, None].repeat(10, 0).repeat(3, 2) * 10
    result = [(avc.augmented(frame, 8, np.random.default_rng(i)) + 1) * 127.5 for i in range(200)]
    firsts = np.array([f[0, 1, 0] - f[0, 0, 0] for f in result])  # 10 a column, one way or the other
    assert 70 < (firsts > 0).sum() < 130
    assert np.abs(firsts).min() == pytest.approx(9, abs=0.2) and np.abs(firsts).max() == pytest.approx(11, abs=0.2)
    assert {round(f[0].min() / abs(d)) for f, d in zip(result, firsts, strict=True)} == set(range(13))


# -- learning


@pytest.mark.parametrize("seed", [1, 2])
def test_avc_learns_which_colour_goes_with_which_pitch(recordings, tmp_path, seed):
    from l3host.networks import build
    from l3host.networks.backend import keras
    from l3host.train import avc, recover

    keras.utils.set_random_seed(seed)
    audio, video = build.audio(frontend("sea"), AUDIO), build.video(VIDEO, SIDE)
    settings = Avc(epochs=6, seed=seed, batch=32, learning_rate=0.005, pairs=640, train_video=True)
    net = recover.avc(audio, video, recordings[0], settings, tmp_path, lambda *_: None)
    assert avc.accuracy(net, recordings[1], 400, seed) >= 0.75  # 0.9 is the most: a fifth of the wrong sounds would fit as well


def test_fine_tuning_leaves_the_video_network_and_zeros_alone_and_resumes(tmp_path):
    from l3host.compress import prune
    from l3host.networks import build
    from l3host.networks.backend import keras
    from l3host.train import recover

    def train(folder, progress, recordings=None, **change):
        keras.utils.set_random_seed(3)
        audio, video = build.audio(frontend("sea"), (4, 4, 8)), build.video((4, 4), 16)
        prune.zero(audio, 60)
        before = [net.get_weights() for net in (audio, video)]
        settings = Avc(**{"epochs": 2, "batch": 4, "pairs": 8, "learning_rate": 0.01} | change)
        net = recover.avc(audio, video, recordings or counting(3, 8000), settings, folder, progress)
        return net, before

    class Stop(Exception):
        pass

    def stop(epochs, loss):
        raise Stop

    whole, (audio_before, video_before) = train(tmp_path / "whole", lambda *_: None)
    for now, first in zip(whole.get_layer("video").get_weights(), video_before, strict=True):
        np.testing.assert_array_equal(now, first)
    for now, first in zip(whole.get_layer("audio").get_weights(), audio_before, strict=True):
        assert not np.array_equal(now, first)
        assert first.ndim != 4 or np.array_equal(now != 0, first != 0)
    with pytest.raises(Stop):
        train(tmp_path / "stopped", stop)
    resumed, _ = train(tmp_path / "stopped", lambda *_: None)
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(L3Error, match=r"another training \(other recordings, train_video\)"):
        train(tmp_path / "whole", stop, counting(2, 8000), train_video=True)
    with pytest.raises(L3Error, match="1 usable videos: .* give at least 2"):
        train(tmp_path / "new", stop, counting(1, 8000))
    with pytest.raises(L3Error, match="sound at 4000 Hz for a network at 8000 Hz: load the videos at its rate"):
        train(tmp_path / "new", stop, counting(2, 4000))
