"""Band-limited resampling (J. O. Smith) as the published pipeline does it, as matrix products on blocks of a signal.

An output is a dot product of the samples around its instant with a windowed sinc. Instants repeat: after `down` samples and `up`
outputs they fall between samples as before. So a matrix of taps gives a group of neighbouring outputs at once, in every repetition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from math import ceil, gcd

import numpy as np

from l3host.errors import L3Error

# resampy 0.2.2's 'kaiser_best': a windowed sinc of 64 zero crossings each side.
# Another filter moves SEA's embeddings by several per cent.
ZERO_CROSSINGS = 64
ROLLOFF = 0.9475937167399596
KAISER_BETA = 14.769656459379492
TABLE = 512  # entries of its table a zero crossing: the step between taps is a whole number of them

GROUP = 40  # outputs of one matrix: more share more samples, but more of its taps are zeros
OUTPUTS = 8192  # of a block
MATRIX_BYTES = 1 << 27  # of a filter's matrices kept; odd rates (44,101 Hz) have hundreds


def resample(signal: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Return the signal (N,), float64, at `target` Hz: int(N * target / rate) samples. Raises L3Error as resampled does."""
    return signal if rate == target else np.concatenate(list(resampled([signal], rate, target)))


def resampled(blocks: Iterable[np.ndarray], rate: int, target: int) -> Iterator[np.ndarray]:
    """Resample a signal that comes in blocks. Where they are cut changes no bit.

    Raises L3Error for a signal of which not one sample remains, and for rates more than TABLE to 1.
    """
    if rate == target:
        yield from blocks
        return
    bank = filters(rate, target)
    rest, taken, made = np.zeros(bank.reach), 0, 0  # outside a signal is silence
    for block in blocks:
        taken += len(block)
        rest = np.concatenate([rest, block])
        while len(rest) >= bank.needs:
            yield bank.outputs(rest)
            rest, made = rest[bank.advance :], made + bank.makes
    length = int(taken * target / rate)
    if not length:
        raise L3Error("audio is too short to resample: not one sample remains")
    while made < length:
        rest = np.pad(rest, (0, max(0, bank.needs - len(rest))))
        yield bank.outputs(rest)[: length - made]
        rest, made = rest[bank.advance :], made + bank.makes


def gain(rate: int, target: int) -> float:
    """Return a bound on the samples of a resampled signal whose largest sample is 1."""
    return 1.0 if rate == target else filters(rate, target).gain


@lru_cache(maxsize=2)  # a folder's files mostly have one rate
def filters(rate: int, target: int) -> Filters:
    return Filters(rate, target)


class Filters:
    """The taps between two rates. A block is `needs` samples, gives `makes` outputs, and the next begins `advance` samples later.

    reach: samples on each side of an output's instant.
    """

    def __init__(self, rate: int, target: int):
        up, down = target // gcd(rate, target), rate // gcd(rate, target)
        self.scale = min(1.0, target / rate)  # below 1 the filter also is the anti-alias filter
        self.step = int(self.scale * TABLE) / TABLE
        if not self.step:
            raise L3Error(f"cannot resample {rate} Hz to {target} Hz: more than {TABLE} to 1")
        self.reach = ceil(ZERO_CROSSINGS / self.step)
        repeats = ceil(GROUP / up)
        self.instants = [divmod(i * down, up) for i in range(repeats * up)]  # (sample before it, fraction of `up` after that)
        self.up, self.down = up, repeats * down
        self.rows = max(1, OUTPUTS // len(self.instants))
        self.groups = range(0, len(self.instants), GROUP)
        self.makes, self.advance = self.rows * len(self.instants), self.rows * self.down
        self.needs = (self.rows - 1) * self.down + self.instants[-1][0] + 1 + 2 * self.reach
        matrix_bytes = 8 * GROUP * (2 * self.reach + ceil(GROUP * down / up))
        self.matrix: Callable[[int], np.ndarray] = lru_cache(max(1, MATRIX_BYTES // matrix_bytes))(self._matrix)

    def outputs(self, samples: np.ndarray) -> np.ndarray:
        """The outputs (makes,) of a block, given its samples, of which the first lies `reach` before the first output's instant."""
        out = np.empty((self.rows, len(self.instants)))
        for group in self.groups:
            taps = self.matrix(group)
            first = self.instants[group][0] + 1
            views = np.lib.stride_tricks.sliding_window_view(samples[first:], len(taps))[:: self.down][: self.rows]
            out[:, group : group + GROUP] = np.ascontiguousarray(views) @ taps
        return out.reshape(-1)

    @cached_property
    def gain(self) -> float:
        return max(np.abs(self.matrix(group)).sum(axis=0).max() for group in self.groups)

    def _matrix(self, group: int) -> np.ndarray:
        """Return the taps (samples, outputs) of the outputs from `group` on; the samples begin with the first output's."""
        instants = self.instants[group : group + GROUP]
        begin = instants[0][0]
        matrix = np.zeros((instants[-1][0] - begin + 2 * self.reach, len(instants)))
        for column, (sample, fraction) in enumerate(instants):
            matrix[sample - begin : sample - begin + 2 * self.reach, column] = self.taps(fraction / self.up)
        return matrix

    def taps(self, fraction: float) -> np.ndarray:
        """Return the taps (2 * reach,) of an output that lies this fraction of a sample after one."""
        steps = np.arange(self.reach) * self.step
        past = self.scale * fraction + steps  # distances of the samples at and before the output's instant
        future = self.scale * (1 - fraction) + steps
        return sinc_window(np.concatenate([past[::-1], future])) * self.scale


def sinc_window(distance: np.ndarray) -> np.ndarray:
    """Return the Kaiser-windowed sinc at distances (in zero crossings); 0 beyond ZERO_CROSSINGS."""
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0, 1 - (distance / ZERO_CROSSINGS) ** 2))) / np.i0(KAISER_BETA)
    return np.where(distance < ZERO_CROSSINGS, ROLLOFF * np.sinc(ROLLOFF * distance) * window, 0)
