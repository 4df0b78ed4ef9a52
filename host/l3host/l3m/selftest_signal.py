"""The self-test's signal on the host: NumPy's own implementation of FORMAT.md's generator."""

import numpy as np

SEED = 12345


def signal(samples: int, seed: int) -> np.ndarray:
    """Return the signal of kind 1, int16 (samples,)."""
    out = np.empty(samples, np.int16)
    x = seed
    for n in range(samples):
        x ^= x << 7 & 0xFFFF
        x ^= x >> 9
        x ^= x << 8 & 0xFFFF
        out[n] = (x - 32768) >> (n // 1000 % 4)
    return out
