"""What a network hears of a sound: the one definition behind train, evaluate, classify, emulate, calibration and recipes.

A recording is made mono (the mean of its channels) and brought to the model's rate (resampling.py); if any of it is then beyond
full scale, all of it is scaled down; it is rounded to 16 bits; the offset is taken off. The last step is the board's own, bit for
bit (remove_offset in l3mote/kernels/capture.py), so a recording at the model's rate is heard alike on both.

A board does the same to what its microphone brings, with two differences: the offset goes before the rate is changed, and the
low-pass is the board's (l3mote/ring.py), which limits what it makes louder than full scale.

`embed` and get_embedding alone are the published packages': floats, nothing taken off.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

import numpy as np

from l3host.sound import audio
from l3host.sound.audio import Mono, Recording
from l3host.sound.resampling import gain, resampled
from l3mote.kernels.capture import OFFSET_FRACTION, offset_memory, remove_offset

KEPT = 1 << 22  # samples kept in memory to go through them again; what is longer is decoded and resampled again


def hear(samples: np.ndarray, rate: int, target: int, name: str = "") -> np.ndarray:
    """Return what a network that takes `target` Hz hears: int16 (N,). samples: (N,) or (N, channels), signed integers or floats.

    name: of its file, for warnings. Raises and warns as pcm_blocks does.
    """
    return np.concatenate(list(blocks(audio.of_samples(samples, rate, name), target)))


def load(path: str, target: int) -> np.ndarray:
    """Return hear() of a file. Raises L3Error."""
    with audio.naming(path):
        return np.concatenate(list(blocks(audio.recording(path), target)))


def pcm(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Return all of pcm_blocks(). samples: as hear() takes them."""
    return np.concatenate(list(pcm_blocks(audio.of_samples(samples, rate), target)))


def load_pcm(path: str, target: int) -> np.ndarray:
    """Return pcm() of a file. Raises L3Error."""
    with audio.naming(path):
        return np.concatenate(list(pcm_blocks(audio.recording(path), target)))


def blocks(sound: Recording, target: int) -> Iterator[np.ndarray]:
    """Yield what a network for `target` Hz hears of a recording, in blocks of int16. Raises and warns as pcm_blocks does."""
    return offset_removed(pcm_blocks(sound, target), target)


def pcm_blocks(sound: Recording, target: int) -> Iterator[np.ndarray]:
    """Yield the blocks of int16 samples that a microphone's driver would give at `target` Hz, the offset still in them.

    The mean and the loudest sample are of the whole recording: it is gone through up to three times, in the same blocks.
    Warns of sound beyond full scale, which is scaled down as a whole, and as audio.Level does. Raises L3Error.
    """
    measured = Mono(sound.blocks)
    mono = Again(lambda: measured)
    for _ in mono:
        pass
    level = measured.level
    level.warn(sound.name)
    # the resampler takes what is outside for zeros: without its offset the sound has no step at its ends
    rest = np.round(level.total / level.length * 32768) / 32768
    signal = Again(lambda: (block + rest for block in resampled((block - rest for block in mono), sound.rate, target)))
    peak = 1.0
    if (level.loudest + abs(rest)) * gain(sound.rate, target) + abs(rest) > 1:
        peak = max(1.0, *(np.abs(block).max() for block in signal))
    if level.loudest > 1:
        text = f"louder than full scale (its largest sample is {level.loudest:.4g}): all of it is scaled down"
        audio.warn(sound.name, text)
    for block in signal:
        yield audio.to_pcm(block / peak)


class Again:
    """Blocks that are gone through several times: made anew each time, but kept in memory where they are few."""

    def __init__(self, make: Callable[[], Iterable[np.ndarray]]):
        self.make = make
        self.kept: list[np.ndarray] | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        if self.kept is not None:
            yield from self.kept
            return
        kept: list[np.ndarray] = []
        size = 0
        for block in self.make():
            size += len(block)
            kept = [*kept, block] if size <= KEPT else []
            yield block
        self.kept = kept if size <= KEPT else None


def without_offset(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return int16 samples as the board's capture passes them on."""
    return np.concatenate(list(offset_removed([samples], rate)))


def offset_removed(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """remove_offset of blocks that follow one another. Once its shift is the last one, this is the same in a third of the time."""
    memory = offset_memory(rate)
    last = memory[0]
    for samples in blocks:
        starting = array("h", samples[: max(0, (1 << last) - memory[2])].tobytes())
        remove_offset(starting, memory, (0, len(starting)))
        rest = samples[len(starting) :].astype(np.int64)
        fine = (rest << OFFSET_FRACTION).tolist()
        means = np.fromiter(accumulate(fine, lambda mean, x: mean + ((x - mean) >> last), initial=memory[1]), np.int64)
        memory[1] = means[-1]
        resting = (means[1:] + (1 << (OFFSET_FRACTION - 1))) >> OFFSET_FRACTION
        yield np.concatenate([np.frombuffer(starting, np.int16), np.clip(rest - resting, -32768, 32767).astype(np.int16)])
