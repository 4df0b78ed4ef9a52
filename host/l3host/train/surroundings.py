"""What lies between a sound and a network that hears it: a room, a microphone, a level. Random, from the generator passed in."""

import numpy as np

ROOM_PROBABILITY = 0.2
REVERBERATION = (0.1, 0.6)  # seconds until the sound has fallen by 60 dB
DIRECT = (0.0, 12.0)  # dB by which what comes straight is louder than the room's answer
TILT = 3.0  # dB, standard deviation of a microphone's response at each octave
LOWEST = (20.0, 300.0)  # Hz, where its high pass has fallen by 3 dB
GAIN = (-30.0, 0.0)  # dB of full scale, of the loudest sample
OFFSET = 2  # steps of 16 bits at most


def filtered(wave: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """The window (N,) float32 as a random microphone picks it up, now and then in a random room."""
    size = 1 << (2 * len(wave) - 1).bit_length()  # no echo wraps round
    response = microphone(np.fft.rfftfreq(size, 1 / rate), rng)
    if rng.random() < ROOM_PROBABILITY:
        response = response * np.fft.rfft(room(len(wave), rate, rng), size)
    return np.fft.irfft(np.fft.rfft(wave, size) * response, size)[: len(wave)].astype(np.float32)


def microphone(hertz: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gains at these frequencies: a smooth random curve over octaves, times a first-order high pass."""
    octaves = np.log2(np.maximum(hertz, 1.0) / 62.5)
    knots = np.arange(8)  # 62.5 Hz to 8 kHz
    decibels = np.interp(octaves, knots, TILT * rng.standard_normal(len(knots)))
    corner = np.exp(rng.uniform(*np.log(LOWEST)))
    return 10 ** (decibels / 20) * hertz / np.hypot(hertz, corner)


def room(length: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """An impulse response: the direct sound, then noise that decays."""
    seconds = rng.uniform(*REVERBERATION)
    tail = rng.standard_normal(min(length, int(seconds * rate)))
    tail *= 10 ** (-3 * np.arange(len(tail)) / (seconds * rate))
    tail *= 10 ** (-rng.uniform(*DIRECT) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def recorded(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The window at a random level, with what is left of an offset, in steps of 16 bits; float32 in [-1, 1]."""
    loudest = np.abs(wave).max()
    gain = 10 ** (rng.uniform(*GAIN) / 20) / loudest if loudest else 1.0
    steps = np.round(wave * (gain * 32768)) + rng.integers(-OFFSET, OFFSET + 1)
    return np.clip(steps / 32768, -1, 1 - 1 / 32768).astype(np.float32)
