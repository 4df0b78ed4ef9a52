"""Audio in: files through soundfile, mono by mean, resampled as the published pipeline does. What networks hear: hearing.py."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import gcd, inf
from pathlib import Path

import numpy as np

from l3host.errors import L3Error

# resampy 0.2.2's 'kaiser_best': a windowed sinc of 64 zero crossings each side.
# Another filter moves SEA's embeddings by several per cent.
ZERO_CROSSINGS = 64
ROLLOFF = 0.9475937167399596
KAISER_BETA = 14.769656459379492
BLOCK = 1 << 18  # samples decoded at a time
RATES = (1000, 768000)  # Hz of files; beyond, a header is wrong
LOUDEST = 2.0**31  # floats may be in units of 16 or 32 bits' integers; beyond, they are not sound
CANCELLED = 1e-3  # of the channels' power left in their mean: 30 dB less
TABLE = 512  # entries of its table a zero crossing: the step between taps is a whole number of them


def read(path: str) -> tuple[np.ndarray, int]:
    """Samples (N, channels) float64, full scale 1, and the rate in Hz, of any file that libsndfile knows. Raises L3Error."""
    if Path(path).is_dir():
        raise L3Error(f"{path} is a directory, not an audio file")
    if not Path(path).exists():
        raise L3Error(f"no such audio file: {path}")
    if not Path(path).is_file():
        raise L3Error(f"{path} is not a regular file: its sound has no end that we know")
    try:
        samples, rate = decoded(os.fsencode(path))
        if not len(samples) and (file := finished(Path(path).read_bytes())):
            samples, rate = decoded(file)
    except UNREADABLE as e:
        raise L3Error(f"cannot read {path} as audio: {why(e)}") from None
    if not len(samples):
        raise L3Error(f"{path} has no samples")
    if not RATES[0] <= rate <= RATES[1]:
        raise L3Error(f"{path} says that it has {rate} Hz: audio from {RATES[0]} to {RATES[1]} Hz is read")
    return samples, rate


def rate_of(path: str) -> int:
    """The rate in Hz that a file's header says. Raises L3Error."""
    import soundfile

    try:
        return soundfile.info(path).samplerate
    except UNREADABLE as e:
        raise L3Error(f"cannot read {path} as audio: {why(e)}") from None


# what soundfile raises: of libsndfile; TypeError where a file has no header (.raw); ValueError and MemoryError for a length that
# cannot be (FLAC that was written to a pipe), EOFError
UNREADABLE = (OSError, RuntimeError, TypeError, ValueError, MemoryError, EOFError)


def why(error: Exception) -> str:
    """One of UNREADABLE in words."""
    if isinstance(error, TypeError):
        return "it has no header that says its rate and format, write a WAV file"
    if isinstance(error, (ValueError, MemoryError)):
        return "its header says no length that can be, convert it to WAV"
    return str(getattr(error, "error_string", error))


def decoded(file: bytes | io.BytesIO) -> tuple[np.ndarray, int]:
    """Samples, as far as there are any, whatever the header says of their number; and the rate."""
    import soundfile

    with soundfile.SoundFile(file) as sound:
        blocks = [sound.read(BLOCK, always_2d=True)]
        while len(blocks[-1]) == BLOCK:
            blocks.append(sound.read(BLOCK, always_2d=True))
        return np.concatenate(blocks), sound.samplerate


def finished(wav: bytes) -> io.BytesIO | None:
    """A WAV file whose writer never noted its length (the power went), with the length in it; None for any other file."""
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        return None
    at, end = 12, 8 + struct.unpack_from("<I", wav, 4)[0]
    while at + 8 < len(wav):
        name, size = struct.unpack_from("<4sI", wav, at)
        at += 8
        if name == b"data":
            noted = size or at < end <= 0xFFFFFFFF  # as l3mote.wav.Wav has it
            length = struct.pack("<I", len(wav) - at)
            return None if noted else io.BytesIO(wav[:4] + struct.pack("<I", len(wav) - 8) + wav[8 : at - 4] + length + wav[at:])
        at += size + (size & 1)
    return None


def mono(samples: np.ndarray, rate: int) -> np.ndarray:
    """The mean of the channels, float64, full scale 1. samples: (N,) or (N, channels), signed integers or floats.

    Raises L3Error for empty, non-finite or badly shaped audio; warns of silence, and of channels that cancel each other.
    """
    samples = np.asarray(samples)
    if samples.dtype.kind not in "if":
        raise L3Error(f"audio samples must be signed integers or floats, not {samples.dtype}")
    if samples.ndim not in (1, 2):
        raise L3Error(f"audio must have 1 or 2 dimensions (samples, channels), not {samples.ndim}")
    if not samples.size:
        raise L3Error("audio is empty")
    if np.issubdtype(samples.dtype, np.integer):
        samples = samples / -float(np.iinfo(samples.dtype).min)
    if not np.isfinite(samples).all():
        raise L3Error("audio has NaN or infinite samples")
    if np.abs(samples).max() > LOUDEST:
        raise L3Error(f"audio has samples of {np.abs(samples).max():.3g}, where full scale is 1: the file is damaged")
    if not 1 <= rate < inf:
        raise L3Error(f"sample rate must be a positive number of Hz, not {rate}")
    mean = (samples.mean(axis=1) if samples.ndim == 2 else samples).astype(np.float64)
    if not samples.any():
        warnings.warn("audio is all zeros", stacklevel=4)
    elif np.square(mean).mean() < CANCELLED * np.square(samples, dtype=np.float64).mean():
        left = "quieter by 30 dB and more" if mean.any() else "all zeros"
        warnings.warn(f"the channels cancel each other, their mean is {left}: keep one of them", stacklevel=4)
    return mean


def prepare(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """mono at the target rate, as the published pipeline has it."""
    return resample(mono(samples, rate), int(rate), target)


def named(path: str, message: Exception | str) -> str:
    return str(message) if path in str(message) else f"{path}: {message}"


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Errors and warnings about audio, raised in the block, say which file they are about."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        except L3Error as e:
            raise L3Error(named(path, e)) from None
    for warning in caught:
        warnings.warn(named(path, warning.message), warning.category, stacklevel=3)


def load(path: str, target: int) -> np.ndarray:
    """read and prepare: a file as a mono signal at the target rate."""
    with naming(path):
        return prepare(*read(path), target)


def resample(signal: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Band-limited resampling (J. O. Smith) by a rational ratio: one dot product of taps for each output phase."""
    if rate == target:
        return signal
    up, down = target // gcd(rate, target), rate // gcd(rate, target)
    scale = min(1.0, target / rate)  # below 1 the filter also is the anti-alias filter
    length = int(len(signal) * target / rate)
    if not length:
        raise L3Error("audio is too short to resample: not one sample remains")
    step = int(scale * TABLE) / TABLE
    if not step:
        raise L3Error(f"cannot resample {rate} Hz to {target} Hz: more than {TABLE} to 1")
    reach = int(np.ceil(ZERO_CROSSINGS / step))
    padded = np.pad(signal, (reach, reach + down))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach)
    steps = np.arange(reach) * step
    out = np.empty(length)
    for phase in range(min(up, length)):
        first, fraction = divmod(phase * down, up)
        past = scale * fraction / up + steps  # distances of the samples at and before the output's instant
        future = scale * (1 - fraction / up) + steps
        taps = sinc_window(np.concatenate([past[::-1], future])) * scale
        out[phase::up] = windows[first + 1 :: down][: len(range(phase, length, up))] @ taps
    return out


def sinc_window(distance: np.ndarray) -> np.ndarray:
    """Kaiser-windowed sinc at distances (in zero crossings); 0 beyond ZERO_CROSSINGS."""
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0, 1 - (distance / ZERO_CROSSINGS) ** 2))) / np.i0(KAISER_BETA)
    return np.where(distance < ZERO_CROSSINGS, ROLLOFF * np.sinc(ROLLOFF * distance) * window, 0)


def to_pcm(signal: np.ndarray) -> np.ndarray:
    """int16 samples, as a board's microphone gives them; louder than full scale is clipped.

    Halves are rounded down, as l3mote.wav.Wav rounds the mean of two channels.
    """
    return np.clip(np.ceil(signal * 32768 - 0.5), -32768, 32767).astype(np.int16)
