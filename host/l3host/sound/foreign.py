"""Files that libsndfile does not know (a phone's .m4a, .3gp, .webm), read through PyAV where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

SUFFIXES = (".m4a", ".aac", ".mp4", ".wma", ".amr", ".3gp", ".webm", ".mka", ".caf", ".opus", ".alac")


class ForeignFile:
    """The first sound of a file, with what audio.py takes of a SoundFile: samplerate, channels, frames, read(), seek(0), a context.

    Raises RuntimeError for what cannot be decoded, ImportError without PyAV.
    """

    def __init__(self, path: str):
        import av

        self.av, self.path = av, path
        self.file: Any = None
        self.seek(0)

    def __enter__(self) -> ForeignFile:
        return self

    def __exit__(self, *_) -> None:
        self.file.close()

    def seek(self, at: int) -> None:
        """Go back to the beginning."""
        assert at == 0, "a foreign file is read from its beginning on"
        if self.file:
            self.file.close()
        try:
            self.file = self.av.open(self.path)
        except (self.av.FFmpegError, ValueError) as e:
            raise RuntimeError(f"PyAV: {e}") from None
        if not self.file.streams.audio:
            self.file.close()
            raise RuntimeError("there is no sound in it")
        self.stream = self.file.streams.audio[0]
        self.samplerate, self.channels = self.stream.rate, self.stream.channels
        self.frames = round(float((self.stream.duration or 0) * (self.stream.time_base or 0)) * self.samplerate)
        self.decoded, self.left = self._decoded(), np.zeros((0, self.channels))

    def read(self, n: int, always_2d: bool = True) -> np.ndarray:
        """Return the next samples (at most n, channels), float64, full scale 1; none at the end."""
        parts, have = [self.left], len(self.left)
        with suppress(StopIteration):
            while have < n:
                parts.append(next(self.decoded))
                have += len(parts[-1])
        samples = np.concatenate(parts)
        self.left = samples[n:]
        return samples[:n]

    def _decoded(self) -> Iterator[np.ndarray]:
        """Yield samples (any number, channels) as they are decoded: 16 bits are k / 32768, as libsndfile has them."""
        try:
            for frame in self.file.decode(self.stream):
                samples = frame.to_ndarray()
                if not frame.format.is_planar:
                    samples = samples.reshape(-1, self.channels).T
                if np.issubdtype(samples.dtype, np.integer):
                    samples = samples / -float(np.iinfo(samples.dtype).min)
                yield samples.T.astype(np.float64)
        except self.av.FFmpegError as e:
            raise RuntimeError(f"PyAV: {e}") from None
