"""Audio in, block by block: files by soundfile (or PyAV), mono by mean, resampled as published. What networks hear: hearing.py."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from l3host.errors import L3Error
from l3host.sound import foreign
from l3host.sound.foreign import ForeignFile
from l3host.sound.resampling import resampled

if TYPE_CHECKING:
    from soundfile import SoundFile

BLOCK = 1 << 16  # samples decoded at a time, and summed: another number is another rounding of a mean
RATES = (1000, 768000)  # Hz of files; beyond, a header is wrong
LOUDEST = 2.0**31  # floats may be in units of 16 or 32 bits' integers; beyond, they are not sound
REMEDY = "PyAV reads it (pip install 'l3mote[audio]')"
CANCELLED = 1e-3  # of the channels' power left in their mean: 30 dB less


class Recording(NamedTuple):
    """Sound in blocks, which can be iterated any number of times."""

    blocks: Iterable[np.ndarray]  # (n, channels) or (n,), each but the last of BLOCK samples
    rate: int  # Hz
    name: str = ""  # of its file, for warnings


class FileBlocks:
    """The samples (n, channels) float64 of a file, full scale 1; each iteration decodes the file again."""

    def __init__(self, path: str):
        self.path = path

    def __iter__(self) -> Iterator[np.ndarray]:
        try:
            with opened(self.path) as sound:
                while len(block := sound.read(BLOCK, always_2d=True)):
                    yield block
        except UNREADABLE as e:
            raise L3Error(f"cannot read {self.path} as audio: {why(e)}") from None


def recording(path: str) -> Recording:
    """A file that libsndfile knows. Raises L3Error, for damage further on when its blocks are gone through."""
    if Path(path).is_dir():
        raise L3Error(f"{path} is a directory, not an audio file")
    if not Path(path).exists():
        raise L3Error(f"no such audio file: {path}")
    if not Path(path).is_file():
        raise L3Error(f"{path} is not a regular file: it may have no end")
    try:
        with opened(path) as sound:
            rate, empty = sound.samplerate, not len(sound.read(1))
    except UNREADABLE as e:
        raise L3Error(f"cannot read {path} as audio: {why(e)}") from None
    if empty:
        raise L3Error(f"{path} has no samples")
    if not RATES[0] <= rate <= RATES[1]:
        raise L3Error(f"{path} says that it has {rate} Hz: audio from {RATES[0]} to {RATES[1]} Hz is read")
    return Recording(FileBlocks(path), rate, path)


def seconds(path: str) -> float:
    """Return the length of a file's sound, as its header has it. Raises L3Error."""
    sound = recording(path)
    with opened(path) as file:
        return file.frames / sound.rate


def read(path: str) -> tuple[np.ndarray, int]:
    """Return samples (N, channels) float64, full scale 1, and the rate in Hz, of any file that libsndfile knows. Raises L3Error."""
    sound = recording(path)
    return np.concatenate(list(sound.blocks)), sound.rate


def of_samples(samples: np.ndarray, rate: int, name: str = "") -> Recording:
    """Return a recording of samples (N,) or (N, channels). Raises L3Error for empty or badly shaped ones."""
    samples = np.asarray(samples)
    if samples.dtype.kind not in "if":
        raise L3Error(f"audio samples must be signed integers or floats, not {samples.dtype}")
    if samples.ndim not in (1, 2):
        raise L3Error(f"audio must have 1 or 2 dimensions (samples, channels), not {samples.ndim}")
    if not samples.size:
        raise L3Error("audio is empty")
    if not 1 <= rate < inf:
        raise L3Error(f"sample rate must be a positive number of Hz, not {rate}")
    return Recording([samples[at : at + BLOCK] for at in range(0, len(samples), BLOCK)], int(rate), name)


def rate_of(path: str) -> int:
    """Return the rate in Hz that a file's header says. Raises L3Error."""
    try:
        with opened(path) as sound:
            return sound.samplerate
    except UNREADABLE as e:
        raise L3Error(f"cannot read {path} as audio: {why(e)}") from None


# what soundfile raises: of libsndfile; TypeError where a file has no header (.raw); ValueError and MemoryError for a length that
# cannot be (FLAC that was written to a pipe), EOFError
UNREADABLE = (OSError, RuntimeError, TypeError, ValueError, MemoryError, EOFError)


def why(error: Exception) -> str:
    """Return one of UNREADABLE in words."""
    if isinstance(error, TypeError):
        return "it has no header that says its rate and format, write a WAV file"
    if isinstance(error, (ValueError, MemoryError)):
        return "its header gives an impossible length, convert it to WAV"
    return str(getattr(error, "error_string", error))


def opened(path: str) -> SoundFile | ForeignFile:
    """Open a file; one whose writer never noted its length is read to its end. Raises UNREADABLE."""
    import soundfile

    try:
        sound = soundfile.SoundFile(os.fsencode(path))
    except soundfile.LibsndfileError:
        if Path(path).suffix.lower() not in foreign.SUFFIXES:
            raise
        return opened_foreign(path)
    if len(sound.read(1)):
        sound.seek(0)
        return sound
    header = finished(path)
    return soundfile.SoundFile(Overlaid(path, header)) if header else sound


def opened_foreign(path: str) -> ForeignFile:
    """Open a file that libsndfile does not know. Raises RuntimeError, which says how to read it where PyAV is missing."""
    try:
        return foreign.ForeignFile(path)
    except ImportError:
        raise RuntimeError(f"{REMEDY}, or convert it: ffmpeg -i {path} {Path(path).stem}.wav") from None


def finished(path: str) -> bytes | None:
    """Return the header, with the length in it, of a WAV file whose writer never noted it (the power went).

    None for any other file.
    """
    end = os.path.getsize(path)
    with open(path, "rb") as file:
        header = file.read(12)
        if header[:4] != b"RIFF" or header[8:12] != b"WAVE":
            return None
        noted_end = 8 + struct.unpack_from("<I", header, 4)[0]
        while file.tell() + 8 < end:
            chunk = file.read(8)
            name, size = struct.unpack("<4sI", chunk)
            at = file.tell()
            if name == b"data":
                noted = size or at < noted_end <= 0xFFFFFFFF  # as l3mote.wav.Wav has it
                length = struct.pack("<I", min(end - at, 0xFFFFFFFF))
                whole = struct.pack("<I", min(end - 8, 0xFFFFFFFF))
                return None if noted else header[:4] + whole + header[8:] + name + length
            header += chunk + file.read(size + (size & 1))
    return None


class Overlaid(io.FileIO):
    """A file that begins with other bytes than it has."""

    def __init__(self, path: str, first: bytes):
        super().__init__(path)
        self.first = first

    def readinto(self, buffer) -> int:
        at = self.tell()
        n = super().readinto(buffer)
        part = self.first[at : at + n]
        memoryview(buffer).cast("B")[: len(part)] = part
        return n


class Level:
    """What is known of a recording's samples after all its blocks were read."""

    def __init__(self) -> None:
        self.length, self.total, self.loudest = 0, 0.0, 0.0  # samples; their sum and largest magnitude, as mono
        self.power, self.power_of_mean = 0.0, 0.0  # mean squares: of all channels, of their mean

    def add(self, samples: np.ndarray, mean: np.ndarray) -> None:
        self.length += len(mean)
        self.total += mean.sum()
        self.loudest = max(self.loudest, np.abs(mean).max())
        self.power += np.square(samples, dtype=np.float64).mean() * len(mean)
        self.power_of_mean += np.square(mean).sum()

    def warn(self, name: str) -> None:
        """Of silence, and of channels that cancel each other."""
        if not self.power:
            warn(name, "audio is all zeros")
        elif self.power_of_mean < CANCELLED * self.power:
            left = "quieter by 30 dB and more" if self.loudest else "all zeros"
            warn(name, f"the channels cancel each other, their mean is {left}: keep one of them")


class Mono:
    """The mean of a recording's channels in blocks of float64, full scale 1, whenever it is gone through; then level is known.

    blocks: (n,) or (n, channels), signed integers or floats. Raises L3Error for samples that are not finite, or no sound.
    """

    def __init__(self, blocks: Iterable[np.ndarray]):
        self.blocks, self.level = blocks, Level()

    def __iter__(self) -> Iterator[np.ndarray]:
        self.level = Level()
        for samples in self.blocks:
            if np.issubdtype(samples.dtype, np.integer):
                samples = samples / -float(np.iinfo(samples.dtype).min)
            if not np.isfinite(samples).all():
                raise L3Error("audio has NaN or infinite samples")
            if (loudest := np.abs(samples).max()) > LOUDEST:
                raise L3Error(f"audio has samples of {loudest:.3g}, where full scale is 1: the file is damaged")
            mean = (samples.mean(axis=1) if samples.ndim == 2 else samples).astype(np.float64)
            self.level.add(samples, mean)
            yield mean


def prepared(sound: Recording, target: int) -> Iterator[np.ndarray]:
    """Blocks of a recording, mono at the target rate as the published pipeline has it. Raises L3Error; warns as Level does."""
    mono = Mono(sound.blocks)
    yield from resampled(mono, sound.rate, target)
    mono.level.warn(sound.name)


def prepare(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """All of prepared: a signal (N,). samples: (N,) or (N, channels), signed integers or floats."""
    return np.concatenate(list(prepared(of_samples(samples, rate), target)))


def named(name: str, message: Exception | str) -> str:
    return str(message) if name in str(message) else f"{name}: {message}"


def warn(name: str, text: str) -> None:
    """name: of the file that it is about, or ''."""
    warnings.warn(named(name, text), stacklevel=2)


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Errors that are raised in the block say which file they are about."""
    try:
        yield
    except L3Error as e:
        raise L3Error(named(path, e)) from None


def load(path: str, target: int) -> np.ndarray:
    """Return a file as a mono signal at the target rate."""
    with naming(path):
        return np.concatenate(list(prepared(recording(path), target)))


def to_pcm(signal: np.ndarray) -> np.ndarray:
    """Return int16 samples, as a board's microphone gives them; louder than full scale is clipped.

    Halves are rounded down, as l3mote.wav.Wav rounds the mean of two channels.
    """
    return np.clip(np.ceil(signal * 32768 - 0.5), -32768, 32767).astype(np.int16)
