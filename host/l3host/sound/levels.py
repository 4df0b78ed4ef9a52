"""Sound levels as IEC 61672-1 defines them, block by block: A-weighted and unweighted, fast and slow, and in third octaves.

0 dB is a sine of full scale, as on the board; an offset (from a calibrator, `l3mote calibrate-level`) makes it dB SPL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from l3host.errors import L3Error
from l3host.sound.audio import Mono, Recording

POLES = (20.598997, 107.65265, 737.86223, 12194.217)  # Hz, of A-weighting (IEC 61672-1, annex E)
FAST, SLOW = 0.125, 1.0  # seconds of the time weightings
SLOT = 0.005  # seconds between two values of F and S
TAPS = 1.0  # seconds of the weighting's impulse response on each side: 10 Hz are right to 0.1 dB
FULL_SCALE = 0.5  # mean square of a sine of full scale
SILENCE = -200.0  # dB, of nothing at all
# nominal middles of the third octaves in Hz: exactly, 1000 * 10^(k / 10) for k from -20 to 13
THIRDS = (
    10, 12.5, 16, 20, 25, 31.5, 40, 50, 63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500,
    3150, 4000, 5000, 6300, 8000, 10000, 12500, 16000, 20000,
)  # fmt: skip
CALIBRATOR = 1000  # Hz
STEADY, PURE = 0.5, 15.0  # dB: how much a calibrator's level may vary, and by how much its tone stands out at least


def decibels(square) -> np.ndarray:
    """Return mean squares of samples of full scale 1 in dB; a full-scale sine has 0."""
    return 10 * np.log10(np.maximum(np.asarray(square) / FULL_SCALE, 10 ** (SILENCE / 10)))


def a_weighting(hertz: np.ndarray) -> np.ndarray:
    """Return the gain of A-weighting, 1 at 1 kHz (IEC 61672-1, annex E)."""

    def raw(f):
        f2 = np.square(np.asarray(f, float))
        low, second, third, high = np.square(POLES)
        return high * f2**2 / ((f2 + low) * np.sqrt((f2 + second) * (f2 + third)) * (f2 + high))

    return raw(hertz) / raw(1000.0)


def of_windows(pcm: np.ndarray, rate: int) -> np.ndarray:
    """Return the A-weighted level in dB of each of int16 windows (N, samples), by itself."""
    n = pcm.shape[1]
    spectra = np.fft.rfft(pcm / np.float32(32768), axis=1) * a_weighting(np.fft.rfftfreq(n, 1 / rate)).astype(np.float32)
    power = np.square(spectra.real) + np.square(spectra.imag)
    return decibels(2 * power.sum(axis=1) / n**2)  # Parseval; half the spectrum, and nothing at 0 Hz


class Weighted:
    """A signal in blocks -> itself A-weighted, without a seam and without delay: overlap-add with a symmetric impulse response."""

    def __init__(self, rate: int):
        half = round(TAPS * rate)
        n = 4 * half
        response = np.fft.irfft(a_weighting(np.fft.rfftfreq(n, 1 / rate)), n)
        window = np.hanning(2 * half + 1)
        self.taps = np.concatenate([response[-half:], response[: half + 1]]) * window
        self.half = half

    def __call__(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        tail, skip = np.zeros(2 * self.half), self.half
        for block in blocks:
            size = len(block) + 2 * self.half
            n = 1 << (size - 1).bit_length()
            whole = np.fft.irfft(np.fft.rfft(block, n) * np.fft.rfft(self.taps, n), n)[:size]
            whole[: len(tail)] += tail
            ready, tail = whole[: len(block)], whole[len(block) :]
            yield ready[skip:]
            skip = max(0, skip - len(ready))
        yield tail[skip : self.half]


def slots(blocks: Iterable[np.ndarray], n: int) -> Iterator[np.ndarray]:
    """Yield blocks as whole slots (k, n); what is left at the end is dropped, as are samples of an unfinished slot."""
    left = np.zeros(0)
    for block in blocks:
        samples = np.concatenate([left, block])
        whole = len(samples) // n * n
        yield samples[:whole].reshape(-1, n)
        left = samples[whole:]


class TimeWeighting:
    """An exponential mean of squares, exact at the end of each slot."""

    def __init__(self, seconds: float, rate: int, n: int):
        self.decay = np.exp(-1 / (seconds * rate))
        self.weights = (1 - self.decay) * self.decay ** np.arange(n)[::-1]
        self.value = 0.0

    def __call__(self, squares: np.ndarray) -> np.ndarray:
        """squares: (slots, n). Returns the mean at each slot's end."""
        added, kept = squares @ self.weights, self.decay ** squares.shape[1]
        means = np.empty(len(added))
        for i, value in enumerate(added):
            self.value = kept * self.value + value
            means[i] = self.value
        return means


@dataclass
class Levels:
    """Levels of a recording in dB (of full scale, plus the offset). LAF and LAS: a value each SLOT seconds."""

    seconds: float
    offset: float
    weighted: np.ndarray  # mean squares of the A-weighted slots
    plain: np.ndarray
    laf: np.ndarray
    las: np.ndarray
    thirds: dict[float, float] = field(default_factory=dict)  # middle in Hz -> level

    def leq(self, squares: np.ndarray) -> float:
        return float(decibels(squares.mean())) + self.offset

    def exceeded(self, per_cent: float) -> float:
        """Return the level that LAF exceeds for this share of the time: L10, L50, L90."""
        return float(np.percentile(self.laf, 100 - per_cent))

    def to_json(self) -> dict:
        summary = {"LAeq": self.leq(self.weighted), "LAFmax": float(self.laf.max()), "LASmax": float(self.las.max())}
        summary |= {f"L{share}": self.exceeded(share) for share in (10, 50, 90)}
        summary["LZeq"] = self.leq(self.plain)
        thirds = {f"{hertz:g}": round(level, 2) for hertz, level in self.thirds.items()}
        return {"seconds": self.seconds, "offset": self.offset, **{k: round(v, 2) for k, v in summary.items()}, "thirds": thirds}

    def over_time(self, every: float) -> Iterator[dict]:
        """Yield the levels of each `every` seconds; the last may be shorter."""
        n = max(1, round(every / SLOT))
        for at in range(0, len(self.laf), n):
            part = slice(at, at + n)
            row = {"t": at * SLOT, "LAeq": self.leq(self.weighted[part]), "LAFmax": self.laf[part].max()}
            row |= {"LAS": self.las[part][-1], "LZeq": self.leq(self.plain[part])}
            yield {name: round(float(value), 2) for name, value in row.items()}


def measure(sound: Recording, offset: float = 0.0) -> Levels:
    """Measure a recording, its constant offset left out. Raises L3Error for one that is shorter than a slot."""
    rate, n = sound.rate, round(SLOT * sound.rate)
    mono = Mono(sound.blocks)
    for _ in mono:
        pass
    mean = mono.level.total / mono.level.length
    fast, slow = TimeWeighting(FAST, rate, n), TimeWeighting(SLOW, rate, n)
    weighted, laf, las = [], [], []
    for part in slots(Weighted(rate)(block - mean for block in mono), n):
        squares = np.square(part)
        weighted.append(squares.mean(axis=1))
        laf.append(fast(squares))
        las.append(slow(squares))
    plain = [np.square(part).mean(axis=1) for part in slots((block - mean for block in mono), n)]
    if not sum(map(len, weighted)):
        raise L3Error(f"{sound.name}: shorter than {SLOT * 1000:g} ms, too short for a level")
    laf_db, las_db = (decibels(np.concatenate(values)) + offset for values in (laf, las))
    seconds = mono.level.length / rate
    return Levels(seconds, offset, np.concatenate(weighted), np.concatenate(plain), laf_db, las_db, thirds(mono, rate, offset))


def thirds(mono: Mono, rate: int, offset: float) -> dict[float, float]:
    """Return the level in each third octave below half the rate (bands of IEC 61260-1, by their power in Hann-windowed spectra)."""
    window = np.hanning(rate)
    total, count = np.zeros(rate // 2 + 1), 0
    for part in slots(iter(mono), rate):
        for second in part:
            total += np.square(np.abs(np.fft.rfft(second * window)))
            count += 1
    if not count:
        return {}
    power = 2 * total / count / (np.square(window).sum() * rate)  # mean square in each Hz
    by_middle = {}
    for k, nominal in enumerate(THIRDS, -20):
        low, high = (1000 * 10 ** ((k + side) / 10) for side in (-0.5, 0.5))
        if high > rate / 2:
            break
        bins = power[round(low) : max(round(low) + 1, round(high))]
        by_middle[float(nominal)] = float(decibels(bins.sum())) + offset
    return by_middle


def calibration(levels: Levels, spl: float, name: str) -> float:
    """Return the offset that makes a recorded calibrator's level `spl` dB. Raises L3Error unless it is a steady tone of 1 kHz."""
    middle = levels.laf[len(levels.laf) // 4 : -len(levels.laf) // 4 or None]
    spread = float(np.ptp(middle))
    if spread > STEADY:
        raise L3Error(f"{name}: its level varies by {spread:.1f} dB, a calibrator's by {STEADY} at most: hold it still, record 5 s")
    others = [level for hertz, level in levels.thirds.items() if not 700 < hertz < 1400]
    if not others or levels.thirds[CALIBRATOR] - max(others) < PURE:
        raise L3Error(f"{name}: not a tone of {CALIBRATOR} Hz, as a calibrator gives it: record at least one second of it alone")
    return round(spl - (float(np.median(middle)) - levels.offset), 2)
