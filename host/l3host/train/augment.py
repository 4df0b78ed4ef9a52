"""Augmentation in NumPy: every random number comes from the generator that is passed in, so an epoch can be repeated."""

from collections.abc import Iterator, Sequence

import numpy as np

from l3mote.format import Frontend

SPEED = 0.1  # relative change, uniform
NOISE_PROBABILITY, NOISE_SNR = 0.3, (10.0, 50.0)  # dB below the window's level
AUDIBLE = 1e-4  # of full scale, RMS: three steps of 16 bits
TRIES, ANYWHERE = 20, 0.1  # places drawn for an audible window; probability that the first place is used as it is
MASKS, MASK_WIDTH = 2, 10  # SpecAugment (Park et al., 2019): number of each kind, largest width in bands or frames


def draw(clip: np.ndarray, window: int, rng: np.random.Generator) -> np.ndarray:
    """Return one window (window,) float32 at a random place of an int16 clip, played up to 10 % faster or slower."""
    rate = rng.uniform(1 - SPEED, 1 + SPEED)
    length = int(window * rate) + 1
    start = rng.integers(max(1, len(clip) - length + 1))
    part = clip[start : start + length] / np.float32(32768)
    out = np.interp(np.arange(window) * rate, np.arange(len(part)), part, right=0.0).astype(np.float32)
    if rng.random() < NOISE_PROBABILITY:
        snr = rng.uniform(*NOISE_SNR)
        out += rng.standard_normal(window, np.float32) * (rms(out) * np.float32(10 ** (-snr / 20)))
    return out


def audible(clip: np.ndarray, window: int, rng: np.random.Generator) -> np.ndarray:
    """Return draw() at the first of TRIES places where something is audible; now and then at just any place."""
    for _ in range(1 if rng.random() < ANYWHERE else TRIES):
        drawn = draw(clip, window, rng)
        if rms(drawn) >= AUDIBLE:
            break
    return drawn


def rms(window: np.ndarray) -> np.float32:
    """Return the root mean square of a window: 0 only for digital silence."""
    return np.sqrt(np.mean(window**2))


def mix(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """Return two windows added so that a has `share` of the loudness: Tokozume et al., between-class learning, ICLR 2018, eq. 2.

    The gain of either follows from the ratio of their levels; neither may be silent.
    """
    p = np.float32(1 / (1 + rms(a) / rms(b) * (1 - share) / share))
    return (p * a + (1 - p) * b) / np.sqrt(p**2 + (1 - p) ** 2)


def mask(bands: int, frames: int, rng: np.random.Generator, number: int = MASKS) -> np.ndarray:
    """Return a SpecAugment mask (bands, frames), true where the plane is to be hidden. number: of each kind."""
    hidden = np.zeros((bands, frames), bool)
    for _ in range(number):
        for axis, size in ((hidden, bands), (hidden.T, frames)):
            width = rng.integers(min(MASK_WIDTH, size // 2) + 1)
            start = rng.integers(size - width + 1)
            axis[start : start + width] = True
    return hidden


def batches(
    clips: Sequence[np.ndarray], targets: np.ndarray, fe: Frontend, windows: int, size: int, mixing: float, rng
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield one epoch, `windows` of each clip in random order: (waveforms (size, window), masks (size, bands, frames, 1), targets).

    targets: one-hot or smoothed rows (clips, labels); a silent window has all labels alike, so that in a clip's mean it favours
    none. mixing: the probability that an audible window is mixed with one of any clip.
    An incomplete last batch is dropped, unless it is the only one.
    """
    order = rng.permutation(np.repeat(np.arange(len(clips)), windows))
    size = min(size, len(order))
    for at in range(0, len(order) - size + 1, size):
        chosen = order[at : at + size]
        waves = np.stack([audible(clips[i], fe.window, rng) for i in chosen])
        silent = np.array([rms(wave) < AUDIBLE for wave in waves])
        wanted = np.where(silent[:, None], np.float32(1 / targets.shape[1]), targets[chosen])
        for row in np.flatnonzero(~silent & (rng.random(size) < mixing)):
            other, share = rng.integers(len(clips)), rng.uniform(0.5, 1)
            second = audible(clips[other], fe.window, rng)
            if rms(second) >= AUDIBLE:  # silence has no share in a mix
                waves[row] = mix(waves[row], second, share)
                wanted[row] = share * wanted[row] + (1 - share) * targets[other]
        masks = np.stack([mask(fe.bands, fe.frames, rng) for _ in chosen])
        yield waves, masks[..., None], wanted
