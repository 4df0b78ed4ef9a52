"""Makes tests/device/small.l3m, the model of the device tests: random weights, odd sizes, many encodings, a head of two layers.

python tests/kit/make_small.py; test_device.py checks that the file in the repository is what this makes.
"""

from pathlib import Path

import numpy as np

from l3host.graph.network import Conv, Dense, Graph
from l3host.l3m.writer import to_bytes
from l3host.reference import fixed_point
from l3host.sound import synth
from l3host.sound.audio import to_pcm
from l3host.sound.resampling import resample
from l3host.sound.windows import windows_of
from l3mote import format as fmt

PATH = Path(__file__).parents[1] / "device" / "small.l3m"
ENCODINGS = [fmt.ALL, fmt.PALETTE | fmt.ALL, fmt.NIBBLE_GAPS, fmt.ALL, fmt.PALETTE | fmt.BITMAP, fmt.ALL, fmt.BYTE_GAPS, fmt.ALL]
# filters, pool, density of each convolution
CONVS = [(4, (1, 1), 1), (5, (2, 2), 1), (6, (1, 1), 0.2), (8, (2, 2), 1), (8, (1, 1), 0.3), (12, (6, 3), 1)]


def small() -> Graph:
    rng = np.random.default_rng(20)
    frontend = fmt.Frontend(8000, 1900, 950, 256, 128, 25, fmt.SCALE_MEL, fmt.PADDING_SAME, 0.0, 4000.0, 1e-10, 80.0, 0.02, 0.4)
    layers, channels = [], 1
    for i, (filters, pool, density) in enumerate(CONVS, 1):
        kernel = rng.normal(size=(3, 3, channels, filters)) * np.sqrt(2 / (9 * channels * density))
        kernel *= rng.random(kernel.shape) < density
        layers.append(Conv(f"conv{i}", kernel, 0.1 * rng.normal(size=filters), "relu", pool))
        channels = filters
    sparse = rng.normal(size=(12, 10)) * (rng.random((12, 10)) < 0.3)
    layers.append(Dense("dense1", sparse, 0.1 * rng.normal(size=10), "relu"))
    layers.append(Dense("dense2", rng.normal(size=(10, 3)), np.zeros(3), "softmax"))
    graph = Graph(frontend, layers, ["one", "two", "three"], provenance={"source": "random weights of tests/make_small.py"})
    graph.fixed = fixed_point.calibrate(graph, calibration(frontend))
    return graph


def data() -> bytes:
    return to_bytes(small(), ENCODINGS)


def calibration(frontend: fmt.Frontend) -> np.ndarray:
    signals = [resample(synth.sound(name), synth.RATE, frontend.sample_rate) for name in synth.CALIBRATION]
    return np.concatenate([windows_of(to_pcm(s), frontend.window, frontend.window, center=False) for s in signals])


if __name__ == "__main__":
    PATH.write_bytes(data())
