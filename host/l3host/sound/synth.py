"""Synthetic sounds for the demo: no clip of a data set may ship, so these are made from noise, clicks and tones."""

from __future__ import annotations

import numpy as np

RATE = 16000


def _noise(rng: np.random.Generator, seconds: float) -> np.ndarray:
    return rng.normal(size=int(seconds * RATE))


def _shape(noise: np.ndarray, low: float, high: float) -> np.ndarray:
    """Band-limit noise to low..high Hz, with unit peak."""
    spectrum = np.fft.rfft(noise)
    freqs = np.fft.rfftfreq(len(noise), 1 / RATE)
    spectrum[(freqs < low) | (freqs > high)] = 0
    out = np.fft.irfft(spectrum, len(noise))
    return out / np.abs(out).max()


def clock_tick(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Return two clicks a second, tick and tock.

    A knock of noise that rings in the case at about 2 and 3 kHz, over near silence.
    """
    out = 2e-5 * _noise(rng, seconds)
    n = int(0.06 * RATE)
    t = np.arange(n) / RATE
    for i, start in enumerate(np.arange(0.1, seconds - 0.1, 0.5)):
        ring = sum(np.sin(2 * np.pi * f * t) * np.exp(-t / 0.006) for f in (1900 + 150 * (i % 2), 2900, 3600))
        knock = rng.normal(size=n) * np.exp(-t / 0.0015)
        at = int(start * RATE)
        out[at : at + n] += 0.12 * ring + 0.25 * knock
    return out


def rain(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Return steady high noise with many small drops."""
    out = 0.12 * _shape(_noise(rng, seconds), 500, 7900)
    n = int(0.004 * RATE)
    for at in rng.integers(0, len(out) - n, int(300 * seconds)):
        out[at : at + n] += rng.uniform(0.02, 0.12) * np.hanning(n) * rng.normal(size=n)
    return out


def helicopter(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Return low noise beaten 13 times a second by the rotor."""
    t = np.arange(int(seconds * RATE)) / RATE
    beat = (0.5 + 0.5 * np.cos(2 * np.pi * 13 * t)) ** 4
    return 0.8 * _shape(_noise(rng, seconds), 20, 500) * (0.2 + beat) + 0.05 * _shape(_noise(rng, seconds), 300, 3000) * beat


def chainsaw(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Return a motor's harmonics around 110 Hz with rough noise."""
    t = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(110 + 6 * np.sin(2 * np.pi * 0.7 * t)) / RATE
    tone = sum(np.sin(k * phase) / k**0.6 for k in range(1, 30))
    return 0.3 * tone / np.abs(tone).max() + 0.25 * _shape(_noise(rng, seconds), 800, 7000)


SOUNDS = {f.__name__: f for f in (clock_tick, rain, helicopter, chainsaw)}


def crackle(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Return a few short wide bursts of very different loudness in silence."""
    out = 1e-3 * _noise(rng, seconds)
    n = int(0.01 * RATE)
    for at in rng.integers(0, len(out) - n, int(12 * seconds)):
        out[at : at + n] += rng.uniform(0.02, 0.9) ** 2 * rng.normal(size=n) * np.exp(-np.arange(n) / (0.002 * RATE))
    return out


def white_noise(rng: np.random.Generator, seconds: float) -> np.ndarray:
    return 0.2 * _noise(rng, seconds)


def pink_noise(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Return noise with the same power in each octave."""
    spectrum = np.fft.rfft(_noise(rng, seconds))
    out = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), int(seconds * RATE))
    return 0.7 * out / np.abs(out).max()


def sweep(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Return a tone that rises from 100 Hz to 7 kHz."""
    t = np.arange(int(seconds * RATE)) / RATE
    return 0.7 * np.sin(2 * np.pi * 100 * seconds / np.log(70) * (70 ** (t / seconds) - 1))


# What fixed-point scales are calibrated on when no recordings are given: the demo's sounds and what else is extreme.
CALIBRATION = {**SOUNDS, **{f.__name__: f for f in (crackle, white_noise, pink_noise, sweep)}}


def sound(name: str, seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    """Return a named sound, float64 in [-1, 1] at RATE Hz: what is louder is clipped, as a recorder clips."""
    return np.clip(CALIBRATION[name](np.random.default_rng(seed), seconds), -1, 1)
