"""host/l3host/reference/floats.py against numbers worked out by hand and definitions written out again, slowly.

SEA's front-end also has golden vectors (test_converters.py). The 48 kHz ones (mel256, mel128, linear) have none: here they
are held against an explicit DFT and loops over HTK triangles, in tests that say "no_golden" in their names.
"""

import math

import numpy as np
import pytest

from l3host.graph.network import Conv, Dense, Graph, frontend
from l3host.reference import floats

# what the published definitions say, as literals: rate, n_fft, hop, bands (0: linear), frames, first sample of the first frame
SEA = ("sea", 8000, 1024, 160, 64, 50, -432)
MEL256 = ("mel256", 48000, 2048, 242, 256, 199, -982)
MEL128 = ("mel128", 48000, 2048, 242, 128, 199, -982)
LINEAR = ("linear", 48000, 512, 242, 0, 197, 0)
NO_GOLDEN = [MEL256, MEL128, LINEAR]


def noise(samples, seed=1):
    return np.random.default_rng(seed).normal(0, 0.1, samples)


# -- layers


def conv(kernel, bias=0.0, **options):
    kernel = np.array(kernel, float).reshape(3, 3, 1, 1)
    return Conv("conv", kernel, np.array([bias]), **options)


def test_conv3x3_by_hand():
    """out[i, j] = x[i - 1, j - 1] + 2 x[i, j] - x[i + 1, j + 1] + 0.5, zeros outside: a correlation, nothing is flipped."""
    x = np.array([[1.0, 2, 3], [4, 5, 6]])
    out = floats.conv3x3(x[None, ..., None], conv([[1, 0, 0], [0, 2, 0], [0, 0, -1]], 0.5))
    assert out[0, ..., 0].tolist() == [[-2.5, -1.5, 6.5], [8.5, 11.5, 14.5]]


def test_kernel_axes_are_band_then_frame():
    x = np.zeros((1, 4, 5, 1))
    x[0, 1, 3, 0] = 1
    out = floats.conv3x3(x, conv([[0, 0, 0], [0, 0, 0], [7, 0, 0]]))  # looks one band up and one frame back
    assert np.argwhere(out).tolist() == [[0, 0, 4, 0]]
    assert out[0, 0, 4, 0] == 7


def test_channels_are_summed_for_each_filter():
    x = np.array([10.0, 100.0]).reshape(1, 1, 1, 2)
    kernel = np.zeros((3, 3, 2, 3))
    kernel[1, 1] = [[1, 2, 3], [4, 5, 6]]
    out = floats.conv3x3(x, Conv("conv", kernel, np.array([0.0, 1, 2])))
    assert out.ravel().tolist() == [410, 521, 632]


def test_max_pool_drops_what_does_not_fill_a_block():
    x = np.arange(35.0).reshape(1, 5, 7, 1)
    out = floats.max_pool(x, (2, 3))
    assert out[0, ..., 0].tolist() == [[9, 12], [23, 26]]


@pytest.mark.parametrize("size, shape", [((2, 2), (2, 3)), ((5, 7), (1, 1)), ((1, 1), (5, 7)), ((3, 4), (1, 1))])
def test_max_pool_shapes_are_floored(size, shape):
    assert floats.max_pool(np.zeros((1, 5, 7, 1)), size).shape[1:3] == shape


def test_activations_by_hand():
    assert floats.activate(np.array([-1.0, 0, 2]), "relu").tolist() == [0, 0, 2]
    assert floats.activate(np.array([-1.0, 2]), "none").tolist() == [-1, 2]
    assert floats.activate(np.array([0, math.log(3), -math.log(3)]), "sigmoid") == pytest.approx([0.5, 0.75, 0.25])
    softmax = floats.activate(np.array([[1.0, 2, 3]]), "softmax")
    assert softmax[0] == pytest.approx([0.09003057, 0.24472847, 0.66524096])


def test_softmax_of_large_values_does_not_overflow():
    assert floats.activate(np.array([[1000.0, 1000.0, -1000.0]]), "softmax")[0].tolist() == [0.5, 0.5, 0]


def test_network_by_hand():
    """Two bands, four frames, two channels; the embedding's order is band, frame, channel."""
    kernel = np.zeros((3, 3, 1, 2))
    kernel[1, 1] = [[1, -1]]
    dense = Dense("dense", np.array([[1.0], [10], [100], [1000], [1e4], [1e5], [1e6], [1e7]]), np.array([0.5]))
    graph = Graph(frontend("sea"), [Conv("conv", kernel, np.zeros(2), "relu", (1, 2)), dense])
    run = floats.network(graph, np.array([[[1.0, 3, -5, -2], [0, 4, 7, 6]]]))
    assert run.outputs[0][0].tolist() == [[[3, 0], [0, 5]], [[4, 0], [7, 0]]]
    assert run.embedding.tolist() == [[3, 0, 0, 5, 4, 0, 7, 0]]
    assert run.output.tolist() == [[3 + 5e3 + 4e4 + 7e6 + 0.5]]
    assert len(run.outputs) == 2


def test_input_batch_norm_stands_before_the_zero_padding():
    graph = Graph(frontend("sea"), [conv(np.ones((3, 3)), activation="none")])
    graph.frontend.norm_scale, graph.frontend.norm_shift = 2.0, 3.0
    run = floats.run(graph, np.zeros((1, 8000)))
    assert np.all(run.plane == 3)
    assert run.outputs[0][0, 0, 0, 0] == 4 * 3  # a corner has four neighbours inside, the padding stays zero
    assert run.outputs[0][0, 1, 1, 0] == 9 * 3


# -- front-end


def dft_power(signal, n_fft, hop, frames, first):
    """|DFT|^2 (bins, frames) of periodic-Hann frames by the defining sum; samples outside the signal are zero."""
    n = np.arange(n_fft)
    hann = np.array([math.sin(math.pi * i / n_fft) ** 2 for i in range(n_fft)])
    rows = []
    for t in range(frames):
        at = first + t * hop + n
        rows.append(np.where((at >= 0) & (at < len(signal)), signal[np.clip(at, 0, len(signal) - 1)], 0) * hann)
    basis = np.exp(-2j * np.pi * (np.outer(np.arange(n_fft // 2 + 1), n) % n_fft) / n_fft)
    return np.abs(basis @ np.array(rows).T) ** 2


def htk_triangle(band, bands, rate, n_fft):
    """Weights of one band at each DFT bin: a triangle of area 1 over three points that are evenly spaced in HTK mel."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    left, centre, right = (700 * (10 ** (top * (band + i) / (bands + 1) / 2595) - 1) for i in range(3))
    weights = []
    for k in range(n_fft // 2 + 1):
        f = k * rate / n_fft
        if left < f <= centre:
            height = (f - left) / (centre - left)
        elif centre < f < right:
            height = (right - f) / (right - centre)
        else:
            height = 0.0
        weights.append(height * 2 / (right - left))
    return weights


def slow_log_mel(signal, rate, n_fft, hop, bands, frames, first):
    power = dft_power(signal, n_fft, hop, frames, first)
    if bands:
        power = np.array([htk_triangle(b, bands, rate, n_fft) for b in range(bands)]) @ power
    db = 10 * np.log10(np.maximum(power**0.5, 1e-10))
    return np.maximum(db - db.max(), -80)


@pytest.mark.parametrize("name, rate, n_fft, hop, bands, frames, first", [SEA])
def test_sea_front_end_is_its_definition_written_out(name, rate, n_fft, hop, bands, frames, first):
    signal = noise(rate)
    plane = floats.log_mel(frontend(name), signal[None])[0]
    assert plane.shape == (64, 50)
    assert plane == pytest.approx(slow_log_mel(signal, rate, n_fft, hop, bands, frames, first), abs=1e-9)


@pytest.mark.parametrize("name, rate, n_fft, hop, bands, frames, first", NO_GOLDEN, ids=[v[0] for v in NO_GOLDEN])
def test_no_golden_front_end_is_its_definition_written_out(name, rate, n_fft, hop, bands, frames, first):
    signal = noise(rate)
    plane = floats.log_mel(frontend(name), signal[None])[0]
    assert plane.shape == (bands or 257, frames)
    assert plane == pytest.approx(slow_log_mel(signal, rate, n_fft, hop, bands, frames, first), abs=1e-9)


@pytest.mark.parametrize("name, rate, n_fft, hop, bands, frames, first", [SEA, *NO_GOLDEN], ids=str)
def test_frames_start_where_tensorflow_puts_them(name, rate, n_fft, hop, bands, frames, first):
    """The samples count up from 1, so a frame's values say where it stands; 0 is padding."""
    cut = floats.frames(frontend(name), np.arange(1.0, rate + 1)[None])[0]
    assert cut.shape == (frames, n_fft)
    padding = -first
    assert not cut[0, :padding].any()
    assert cut[0, padding] == 1
    last = first + (frames - 1) * hop
    assert cut[-1, 0] == last + 1
    inside = min(n_fft, rate - last)
    assert cut[-1, inside - 1] == last + inside
    assert not cut[-1, inside:].any()


def test_impulse_by_hand_no_golden_linear():
    """An impulse at sample 1000 is at place 274 of frame 3 (Hann 0.98785) and 32 of frame 4 (0.03806), flat over the bins."""
    signal = np.zeros((1, 48000))
    signal[0, 1000] = 1
    plane = floats.log_mel(frontend("linear"), signal)[0]
    assert np.abs(plane[:, 3]).max() < 1e-9
    assert plane[:, 4] == pytest.approx(np.full(257, -14.142), abs=1e-3)  # 10 log10(0.03806 / 0.98785)
    assert np.all(np.delete(plane, (3, 4), axis=1) == -80)


@pytest.mark.parametrize("name, band", [("sea", 20), ("mel256", 60), ("mel128", 30)])
def test_tone_is_loudest_in_the_band_that_is_centred_on_it(name, band):
    fe = frontend(name)
    top = 2595 * math.log10(1 + fe.fmax / 700)
    hertz = 700 * (10 ** (top * (band + 1) / (fe.bands + 1) / 2595) - 1)
    tone = np.sin(2 * np.pi * hertz * np.arange(fe.window) / fe.sample_rate)
    plane = floats.log_mel(fe, tone[None])[0]
    assert plane[:, fe.frames // 2].argmax() == band


@pytest.mark.parametrize("name", ["sea", "mel256", "mel128", "linear"])
def test_silence_gives_an_all_zero_plane(name):
    fe = frontend(name)
    plane = floats.log_mel(fe, np.zeros((2, fe.window)))
    assert plane.shape == (2, fe.bands, fe.frames)
    assert not plane.any()


@pytest.mark.parametrize("name", ["sea", "mel256", "mel128", "linear"])
def test_the_loudest_is_0_db_and_80_db_below_is_clipped(name):
    fe = frontend(name)
    signal = noise(fe.window)
    signal[: fe.window // 2] *= 1e-9
    plane = floats.log_mel(fe, signal[None])
    assert plane.max() == 0
    assert plane.min() == -80
    assert np.isfinite(plane).all()


def test_each_window_has_its_own_maximum():
    fe = frontend("sea")
    pair = np.stack([noise(8000), 0.001 * noise(8000, seed=2)])
    both = floats.log_mel(fe, pair)
    assert both.max(axis=(1, 2)).tolist() == [0, 0]
    assert both[1] == pytest.approx(floats.log_mel(fe, pair[1:])[0], abs=1e-12)


# -- precision


@pytest.mark.parametrize("name", ["sea", "mel256", "mel128", "linear"])
def test_float32_log_mel_is_close_to_float64(name):
    fe = frontend(name)
    window = noise(fe.window)[None]
    single = floats.log_mel(fe, window, np.float32)
    assert single.dtype == np.float32
    assert np.abs(single - floats.log_mel(fe, window)).max() < (0.05 if name == "linear" else 1e-3)


def test_float32_network_is_close_to_float64():
    rng = np.random.default_rng(3)
    layers = [
        Conv("conv1", rng.normal(0, 0.3, (3, 3, 1, 8)), rng.normal(size=8), "relu", (2, 2)),
        Conv("conv2", rng.normal(0, 0.1, (3, 3, 8, 16)), rng.normal(size=16), "relu", (32, 25)),
        Dense("dense", rng.normal(0, 0.1, (16, 4)), rng.normal(size=4)),
    ]
    graph = Graph(frontend("sea"), layers)
    plane = floats.log_mel(graph.frontend, noise(8000)[None])
    double, single = floats.network(graph, plane), floats.network(graph, plane.astype(np.float32))
    for a, b in zip(double.outputs, single.outputs, strict=True):
        assert b.dtype == np.float32
        assert np.abs(a - b).max() < 1e-5 * np.abs(a).max()
