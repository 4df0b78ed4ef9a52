"""host/l3host/sound/audio.py: files of every kind, the published resampling, and the messages about unusable audio."""

import functools
import importlib.util
import os
import warnings

import numpy as np
import pytest
import soundfile
from support import require, shared

from l3host.errors import L3Error
from l3host.sound import audio
from l3host.sound.resampling import KAISER_BETA, ROLLOFF, resample

RATE = 8000


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, n)


def tone(hertz, rate, seconds=1.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.fixture
def write(tmp_path):
    """write(samples, rate, name='x.wav', **options) -> path of a file that soundfile wrote."""

    def do(samples, rate, name="x.wav", **options):
        path = str(tmp_path / name)
        soundfile.write(path, samples, rate, **options)
        return path

    return do


# -- resampling


def published(signal, rate, target, precision):
    """resampy 0.2.2's kaiser_best, whose packaged table later versions replaced, made anew from its parameters."""
    require(importlib.util.find_spec("resampy"), "resampy is not installed")
    import resampy
    import scipy.signal

    window = functools.partial(scipy.signal.windows.kaiser, beta=KAISER_BETA)
    options = {"num_zeros": 64, "precision": precision, "rolloff": ROLLOFF, "window": window}
    return resampy.resample(signal, rate, target, filter="sinc_window", **options)


@pytest.mark.parametrize("rate, target", [(8000, 48000), (22050, 48000), (44100, 48000), (8000, 8001)])
def test_upsampling_is_resampys(rate, target):
    """A table of 2^13 entries a zero crossing leaves 2e-7 of interpolation error in resampy; we evaluate the sinc itself."""
    signal = noise(rate // 2)
    expected = published(signal, rate, target, precision=13)
    assert resample(signal, rate, target) == pytest.approx(expected, abs=3e-8)


@pytest.mark.parametrize("rate, target", [(48000, 8000), (44100, 8000), (96000, 8000), (11025, 8000), (44101, 8000)])
def test_downsampling_is_resampys_at_the_published_precision(rate, target):
    """resampy steps through its table by int(scale * 2^precision) entries: another precision is another filter.

    So only the published 9 agrees (to the interpolation error of 512 entries), which is what SEA's embeddings came from.
    """
    signal = noise(rate // 2)
    ours = resample(signal, rate, target)
    assert ours == pytest.approx(published(signal, rate, target, precision=9), abs=1e-6)


def test_downsampling_by_a_power_of_two_is_exact():
    """scale * 512 is a whole number and every tap an entry of the table: nothing is truncated or interpolated."""
    signal = noise(16000)
    assert resample(signal, 16000, 8000) == pytest.approx(published(signal, 16000, 8000, precision=9), abs=1e-12)


def test_truncated_table_step_is_not_a_detail():
    """Without the truncation (a fine table) 44.1 kHz audio comes out differently by more than 1 % of its level."""
    signal = noise(44100)
    exact = published(signal, 44100, 8000, precision=13)
    assert np.abs(resample(signal, 44100, 8000) - exact).max() > 0.01 * np.abs(exact).max()


@pytest.mark.parametrize("name", ["chirp_1s", "chirp_8k", "chirp_stereo", "silence"])
@pytest.mark.filterwarnings("ignore:.*all zeros")
def test_published_pipeline_on_the_shared_recordings(name):
    path = shared(f"audio/{name}.wav")
    with np.load(shared(f"golden/wav_{name}.npz")) as arrays:
        expected = arrays["audio"]
    signal = audio.load(str(path), RATE)
    assert signal.shape == expected.shape
    assert np.abs(signal - expected).max() < 1e-6  # measured 1.5e-7: the golden arrays are float32


MIDDLE = slice(1000, 7000)  # at the ends the filter sees the silence outside


@pytest.mark.parametrize("rate, gain", [(44100, 1.0096), (48000, 1.0039), (96000, 1.0159), (16000, 1), (4000, 1)])
def test_tone_keeps_its_frequency_and_amplitude(rate, gain):
    """gain: the published filter's own, 512 * 8000 / rate over the same rounded down (its truncated table step)."""
    out = resample(0.5 * tone(1000, rate), rate, RATE)
    assert len(out) == RATE
    assert np.abs(out - gain * 0.5 * tone(1000, RATE))[MIDDLE].max() < 1e-3


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_tone_above_the_new_nyquist_frequency_vanishes(rate):
    out = resample(tone(5000, rate), rate, RATE)
    assert np.abs(out[MIDDLE]).max() < 2e-3


@pytest.mark.parametrize("n, rate, expected", [(48000, 48000, 8000), (44100, 44100, 8000), (100, 44100, 18), (5, 44100, 0)])
def test_length_is_rounded_down(n, rate, expected):
    if not expected:
        with pytest.raises(L3Error, match="too short to resample"):
            resample(np.ones(n), rate, RATE)
    else:
        assert len(resample(np.ones(n), rate, RATE)) == expected


def test_same_rate_is_left_alone():
    signal = noise(100)
    assert resample(signal, RATE, RATE) is signal


def test_absurd_rate_is_refused():
    with pytest.raises(L3Error, match="cannot resample 4200000000 Hz to 8000 Hz"):
        resample(np.ones(10_000_000), 4_200_000_000, RATE)


# -- files

FORMATS = [("PCM_16", 2**-15), ("PCM_24", 2**-23), ("FLOAT", 2**-24), ("DOUBLE", 0), ("PCM_U8", 2**-7), ("ULAW", 0.02)]


@pytest.mark.parametrize("subtype, tolerance", FORMATS)
def test_wav_encodings(write, subtype, tolerance):
    signal = noise(RATE)
    loaded = audio.load(write(signal, RATE, subtype=subtype), RATE)
    assert loaded.dtype == np.float64
    assert np.abs(loaded - signal).max() <= tolerance


def test_flac_is_lossless(write):
    signal = noise(RATE)
    assert np.abs(audio.load(write(signal, RATE, "x.flac", subtype="PCM_24"), RATE) - signal).max() <= 2**-23


@pytest.mark.parametrize("name", ["x.ogg", "x.mp3"])
def test_lossy_formats_sound_alike(write, name):
    signal = 0.5 * tone(440, RATE)
    loaded = audio.load(write(signal, RATE, name), RATE)
    assert np.corrcoef(loaded[:RATE], signal[: len(loaded)])[0, 1] > 0.99


def test_channels_are_averaged(write):
    left, right = noise(RATE), noise(RATE, 1)
    loaded = audio.load(write(np.stack([left, right], axis=1), RATE, subtype="DOUBLE"), RATE)
    assert loaded == pytest.approx((left + right) / 2)


def test_96_khz_stereo_24_bit(write):
    channel = 0.5 * tone(1000, 96000)
    loaded = audio.load(write(np.stack([channel, channel], axis=1), 96000, subtype="PCM_24"), RATE)
    assert np.abs(loaded - 1.0159 * 0.5 * tone(1000, RATE))[MIDDLE].max() < 1e-3


# -- arrays


def test_integers_are_scaled_to_full_scale():
    assert audio.prepare(np.array([-32768, 0, 16384], np.int16), RATE, RATE).tolist() == [-1, 0, 0.5]
    assert audio.prepare(np.array([-(2**31), 2**30], np.int32), RATE, RATE).tolist() == [-1, 0.5]


def test_float32_and_lists_become_float64():
    assert audio.prepare(np.array([0.5], np.float32), RATE, RATE).dtype == np.float64
    assert audio.prepare([0.25, 0.5], RATE, RATE).tolist() == [0.25, 0.5]


def test_one_sample_is_audio():
    assert audio.prepare(np.array([0.5]), RATE, RATE).tolist() == [0.5]
    assert len(audio.prepare(np.array([0.5]), 4000, RATE)) == 2


@pytest.mark.parametrize(
    "samples, reason",
    [
        ([], "audio is empty"),
        (np.zeros((0, 2)), "audio is empty"),
        (np.zeros((100, 2, 2)), "1 or 2 dimensions (samples, channels), not 3"),
        (np.float64(1), "1 or 2 dimensions (samples, channels), not 0"),
        ([0, float("nan")], "NaN or infinite samples"),
        ([0, float("inf")], "NaN or infinite samples"),
        (np.array([128, 129], np.uint8), "signed integers or floats, not uint8"),
        (np.array([1j]), "signed integers or floats, not complex128"),
        (np.array(["a"]), "signed integers or floats, not <U1"),
    ],
)
def test_bad_arrays_are_refused(samples, reason):
    with pytest.raises(L3Error) as e:
        audio.prepare(samples, RATE, RATE)
    assert reason in str(e.value)


@pytest.mark.parametrize("rate", [-8000, 0, 0.5, float("nan"), float("inf")])
def test_bad_rates_are_refused(rate):
    with pytest.raises(L3Error, match="sample rate must be a positive number of Hz, not"):
        audio.prepare(np.ones(10), rate, RATE)


def test_all_zero_audio_is_a_warning():
    with pytest.warns(UserWarning, match="audio is all zeros"):
        assert not audio.prepare(np.zeros(10), RATE, RATE).any()


def test_sound_is_not_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audio.prepare(noise(10), RATE, RATE)


# -- messages about files


def refused(path):
    with pytest.raises(L3Error) as e:
        audio.load(str(path), RATE)
    assert "\n" not in str(e.value)
    assert str(e.value).count(str(path)) == 1  # said, and said once
    return str(e.value)


def test_directory(tmp_path):
    assert refused(tmp_path) == f"{tmp_path} is a directory, not an audio file"


def test_missing_file(tmp_path):
    assert refused(tmp_path / "no.wav") == f"no such audio file: {tmp_path / 'no.wav'}"


@pytest.mark.parametrize("data", [b"", b"not audio at all", b"RIFF\x24\0\0\0WAVEfmt "])
def test_not_audio(tmp_path, data):
    path = tmp_path / "x.wav"
    path.write_bytes(data)
    assert "as audio: " in refused(path)


def test_no_samples(write):
    assert refused(write(np.zeros(0), RATE)).endswith("has no samples")


def test_shared_file_without_samples():
    assert refused(shared("audio/empty.wav")).endswith("has no samples")


def test_too_short_to_resample(write):
    assert refused(write(noise(3), 48000)).endswith(": audio is too short to resample: not one sample remains")


def test_nan_in_a_file(write):
    assert refused(write(np.array([0.0, np.nan]), RATE, subtype="FLOAT")).endswith(": audio has NaN or infinite samples")


def test_warning_names_the_file_once(write):
    path = write(np.zeros(RATE), RATE)
    with pytest.warns(UserWarning) as caught, audio.naming(path):
        audio.load(path, RATE)
    assert [str(w.message) for w in caught] == [f"{path}: audio is all zeros"]


# -- PCM


def test_pcm_is_what_a_microphone_gives():
    pcm = audio.to_pcm(np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 1.4 / 32768]))
    assert pcm.dtype == np.int16
    assert pcm.tolist() == [-32768, -32768, 0, 16384, 32767, 32767, 1]


def test_files_that_say_no_rate_or_no_length_are_one_line(tmp_path):
    path = tmp_path / "mic.raw"
    path.write_bytes(bytes(1000))
    with pytest.raises(L3Error, match="mic.raw as audio: it has no header that says its rate and format, write a WAV file"):
        audio.read(str(path))
    soundfile.write(tmp_path / "whole.flac", noise(8000), RATE)
    data = bytearray((tmp_path / "whole.flac").read_bytes())
    data[21] &= 0xF0  # 36 bits of STREAMINFO, which begins at byte 8: the number of samples, 0 for one that is not known
    data[22:26] = bytes(4)
    (tmp_path / "open.flac").write_bytes(data)
    with pytest.raises(L3Error, match="cannot read .*open.flac as audio: "):
        audio.read(str(tmp_path / "open.flac"))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(L3Error, match="pipe.wav is not a regular file"):
        audio.read(str(tmp_path / "pipe.wav"))
