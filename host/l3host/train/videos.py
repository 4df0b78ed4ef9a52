"""Video files as input of the AVC nets: frames in small steps, and sound at the audio network's rate. No TensorFlow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l3host.datasets import refuse
from l3host.errors import L3Error
from l3host.files import replace
from l3host.sound import audio, hearing

FPS = 4  # frames kept of each second
MARGIN = 8 / 7  # L3 scales the smaller side to 256 and crops 224 of it


class Recording(NamedTuple):
    """frames: (F, height, width, 3) uint8, number k shown at k / FPS seconds of the sound, which is (N,) int16 at `rate` Hz."""

    key: str  # tells recordings apart: follows from the file's contents
    rate: int
    sound: np.ndarray
    frames: np.ndarray


def load(
    paths: Sequence[str],
    cache: Path,
    rate: int,
    side: int,
    on_progress: Callable[[int], None] | None = None,
    skip_bad: bool = False,
) -> tuple[list[Recording], list[str]]:
    """Return (recordings, the files left out and why), for a video network of side x side pixels.

    Kept in `cache`, read from there on.

    on_progress is called with files done. Raises L3Error where PyAV is absent; for files that cannot be read, have no picture or
    no sound, or repeat another one, naming the first few, unless skip_bad; and for fewer than 2 recordings: a pair that does not
    belong together takes two.
    """
    cache.mkdir(parents=True, exist_ok=True)
    recordings, bad = [], []
    names: dict[str, str] = {}  # the first path of each key
    for path in paths:
        try:
            one = recording(path, cache, rate, side)
            if names.setdefault(one.key, path) != path:
                raise L3Error(f"{path} (the same as {names[one.key]})")
            recordings.append(one)
        except L3Error as e:
            bad.append(str(e))
        if on_progress:
            on_progress(1)
    if not skip_bad:
        refuse(bad, len(paths))
    check(recordings, f" (left out: {', '.join(bad)})" if bad else "")
    return recordings, bad


def check(recordings: Sequence[Recording], why: str = "") -> None:
    """Raise L3Error for fewer than 2 recordings."""
    if len(recordings) < 2:
        raise L3Error(f"{len(recordings)} usable videos: correspondence needs the sound of another one, give at least 2{why}")


def recording(path: str, cache: Path, rate: int, side: int) -> Recording:
    """Return one file, from the cache if it is there. Raises L3Error as load does."""
    try:
        contents = Path(path).read_bytes()
    except OSError as e:
        raise L3Error(f"{path} ({e.strerror})") from None
    key = hashlib.sha256(contents).hexdigest()[:16]
    files = [cache / f"{key}-{rate}.sound.npy", cache / f"{key}-{side}.frames.npy"]
    if not all(file.exists() for file in files):
        for file, values in zip(files, decode(path, rate, side), strict=True):
            with replace(file) as temporary, open(temporary, "wb") as stream:
                np.save(stream, values)
    return Recording(key, rate, *(np.load(file, mmap_mode="r") for file in files))


def decode(path: str, rate: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sound and frames of a file, as in Recording. Raises L3Error."""
    try:
        import av
    except ImportError:
        raise L3Error("reading videos needs PyAV: pip install 'l3mote[train]'") from None
    try:
        with av.open(path) as file:
            if not file.streams.video:
                raise L3Error(f"{path} (no picture)")
            if not file.streams.audio:
                raise L3Error(f"{path} (no sound)")
            start, samples, own_rate = _sound(file)
        with av.open(path) as file:
            frames = _frames(file, start, side)
    except av.FFmpegError as e:
        raise L3Error(f"{path} ({e.strerror or e})") from None
    if not frames:
        raise L3Error(f"{path} (no picture)")
    if not samples.any():
        raise L3Error(f"{path} (no sound)")
    with audio.naming(path):
        sound = hearing.hear(samples, own_rate, rate, path)
    return sound, np.stack(frames[: -(-len(sound) * FPS // rate)])  # none is shown without sound


def _sound(file) -> tuple[float, np.ndarray, int]:
    """Return when the sound starts (s), its samples (N, channels) and their rate."""
    import av

    to_float = av.AudioResampler(format="fltp")  # only the sample format: our own filter converts the rate
    blocks: list[np.ndarray] = [np.zeros((1, 0), np.float32)]
    start, rate = None, 0
    for frame in file.decode(audio=0):
        if start is None:
            start, rate, blocks = frame.time or 0.0, frame.sample_rate, []
        blocks += [part.to_ndarray() for part in to_float.resample(frame)]
    return start or 0.0, np.concatenate(blocks, axis=1).T, rate


def _frames(file, start: float, side: int) -> list[np.ndarray]:
    """Return a frame for each 1 / FPS seconds from `start` on: the first that is shown then or later."""
    frames: list[np.ndarray] = []
    for frame in file.decode(video=0):
        if (frame.time or 0.0) - start < len(frames) / FPS:
            continue
        scale = side * MARGIN / min(frame.width, frame.height)
        small = frame.reformat(width=round(frame.width * scale), height=round(frame.height * scale), format="rgb24").to_ndarray()
        while len(frames) / FPS <= (frame.time or 0.0) - start:
            frames.append(small)
    return frames
