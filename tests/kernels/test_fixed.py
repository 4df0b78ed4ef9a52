"""Fixed point: the bounds that make it safe, its accuracy, and the viper kernels that must give the same bits."""

import json
import shutil
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import shapes
from integers import SCRIPT, in_device_order, sounds
from make_small import small
from support import require, shared

from l3host.emulate import runtimes
from l3host.errors import L3Error
from l3host.graph.half import rounded
from l3host.graph.network import FRONTENDS, frontend
from l3host.l3m.load import load_graph
from l3host.l3m.writer import to_bytes
from l3host.package.library import SOURCE
from l3host.reference import fixed_mel, fixed_point, floats
from l3host.sound import synth
from l3host.sound.audio import load, to_pcm
from l3host.sound.resampling import resample
from l3host.sound.windows import windows_of
from l3mote.format import FormatError
from l3mote.reader import Reader
from l3mote.tolerances import FIXED_COSINE
from l3mote.verify import verify

INT32 = 2**31
AUDIBLE = 33  # 60 dB below full scale


@pytest.fixture(scope="module")
def esc10():
    graph = rounded(load_graph("esc10"))
    graph.fixed = fixed_point.calibrate(graph, sounds(graph))
    return graph


def test_no_sum_can_overflow(esc10):
    limit, exponent = 2**esc10.fixed.input_bits, esc10.fixed.input_exponent
    for layer, scale in zip(esc10.layers, esc10.fixed.layers, strict=True):
        w = np.abs(fixed_point.to_integer(fixed_point.matrix(layer), scale.shifts))
        b = np.abs(fixed_point.to_integer(layer.bias, scale.shifts + exponent))
        shift = exponent + scale.shifts - scale.exponent
        assert w.max() <= 32767 and shift.min() >= 0 and shift.max() <= 30
        assert (limit * w.sum(axis=0) + b + (1 << shift >> 1)).max() < INT32
        limit, exponent = 2**scale.bits, scale.exponent


def test_rounding_is_half_up():
    assert fixed_point.shift_round(np.array([3, -3, 5, -5, 6]), np.int64(1)).tolist() == [2, -1, 3, -2, 3]
    assert fixed_point.to_integer(np.array([0.5, -0.5, 1.25]), np.int64(0)).tolist() == [1, 0, 1]


def test_an_emptied_filter_is_bounded_by_its_bias_alone():
    assert fixed_point.filter_shift(np.zeros(9), 1.0, 2**15, 10) == 20  # bias 2^30 and rounding 2^29 stay below 2^31


def test_a_filter_gets_the_largest_shift_that_fits():
    """By trying all from above."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        w = rng.normal(0, 10 ** rng.uniform(-6, 2), rng.integers(1, 600)) * (rng.random() < rng.random())
        bias, limit, exponent = rng.normal() * 10 ** rng.uniform(-5, 2), 2 ** int(rng.integers(8, 16)), int(rng.integers(-5, 12))

        def fits(shift, w=w, bias=bias, limit=limit, exponent=exponent):
            whole, offset = np.floor(w * 2.0**shift + 0.5), np.floor(bias * 2.0 ** (shift + exponent) + 0.5)
            return np.abs(whole).max() < 2**15 and limit * np.abs(whole).sum() + abs(offset) + 2**29 < INT32

        assert fixed_point.filter_shift(w, bias, limit, exponent) == next(shift for shift in range(30, -31, -1) if fits(shift))


@pytest.mark.parametrize("name", FRONTENDS)
def test_every_value_of_the_front_end_fits_32_bits(name):
    fe = frontend(name)
    t = fixed_mel.tables(fe)
    n = np.arange(fe.n_fft)
    square, tone = 32767 * np.sign(np.sin(n)), np.round(32767 * np.cos(n * np.pi / 2))
    worst = np.stack([np.full(fe.n_fft, -32768), 32767 * (-1) ** n, square, tone])
    x, _ = fixed_mel.normalised(fe, worst.astype(np.int64) * t.hann[np.minimum(n, fe.n_fft - n)])
    assert np.abs(x).max() <= 2**27 // (fe.n_fft // 2)
    re, im = fixed_mel.dft(t, fe.n_fft, x)
    exact = np.fft.rfft(x)
    assert max(np.abs(re).max(), np.abs(im).max()) < INT32 // 4
    assert np.abs(re + 1j * im - exact).max() < 1e-5 * np.abs(exact).max()


def test_log2_within_a_thousandth():
    x = np.concatenate([np.arange(1, 5000), np.random.default_rng(0).integers(1, 2**31, 5000)])
    ours = fixed_mel.log2(fixed_mel.tables(frontend("sea")), x) / 2**16
    assert np.abs(ours - np.log2(x)).max() < 1e-3


def decibels(fe, pcm):
    """The integer log-mel of windows (N, window) in dB, as reference.log_mel's: (N, bands, frames)."""
    level = fixed_mel.levels(fe, fixed_mel.tables(fe), pcm) / 2**fixed_mel.LEVEL_BITS * 5 * np.log10(2)
    return np.maximum(level - level.max(axis=(1, 2), keepdims=True), -fe.dynamic_range).transpose(0, 2, 1)


def test_log_mel_of_broadband_sounds_and_of_quiet_ones():
    fe = frontend("sea")
    rng = np.random.default_rng(0)
    for level in (8, 300, 12000):
        pcm = np.round(rng.normal(size=(1, fe.window)) * level).clip(-32768, 32767).astype(np.int16)
        assert np.abs(decibels(fe, pcm) - floats.log_mel(fe, pcm / 32768)).max() < 0.005  # dB


@pytest.mark.parametrize("rest, step", [(0, 8000), (1, 8000), (-1, 5590), (1, 4571), (-32768, 8000), (700, 5560)])
def test_a_fade_out_that_ends_at_rest_has_nothing_but_its_level(rest, step):
    """Noise, then a constant, which from `step` on is 0: frames of the constant alone, and some with the step at their edge."""
    fe = frontend("sea")
    pcm = np.full((1, fe.window), rest, np.int16)
    pcm[0, :2000] = np.random.default_rng(0).integers(-100, 101, 2000)
    pcm[0, step:] = 0
    difference = np.abs(decibels(fe, pcm) - floats.log_mel(fe, pcm / 32768))
    assert np.median(difference) < 0.01 and difference.max() < 1.5  # dB


def test_the_floor_is_the_references():
    fe = frontend("sea")
    pcm = np.zeros((1, fe.window), np.int16)
    pcm[0, 100] = 1  # 80 dB below it lies under the floor of 1e-10
    expected = floats.log_mel(fe, pcm / 32768)
    assert expected.min() > -79
    assert np.abs(decibels(fe, pcm) - expected).max() < 0.05


def test_silence_is_a_flat_plane(esc10):
    plane = fixed_mel.plane(esc10.frontend, esc10.fixed.tables, esc10.fixed.scale, np.zeros((1, 8000), np.int16))
    expected = np.round(esc10.frontend.norm_shift * 2.0**esc10.fixed.input_exponent)
    assert np.abs(plane - expected).max() <= 1


def accuracy(graph, pcm):
    """(smallest cosine of the embeddings, share of windows with the same best class)."""
    ours, exact = fixed_point.run(graph, graph.fixed, pcm), floats.run(graph, pcm / 32768)
    a, b = ours.embedding, exact.embedding
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return cosine.min(), (ours.output.argmax(axis=1) == exact.output.argmax(axis=1)).mean()


def test_accuracy_on_real_clips_not_used_for_calibration(esc10):
    clips = sorted(shared("audio/esc10").glob("*.ogg"))
    pcm = np.concatenate([windows_of(to_pcm(load(str(c), 8000)), 8000, 4000, center=False) for c in clips])
    pcm = pcm[np.abs(pcm.astype(int)).max(axis=1) >= AUDIBLE]
    cosine, same = accuracy(esc10, pcm)
    print(f"esc10: smallest cosine {cosine:.6f}, same class {same:.3f} of {len(pcm)} windows")
    assert cosine >= FIXED_COSINE and same >= 0.99


def test_scales_survive_the_file(esc10, tmp_path):
    path = tmp_path / "m.l3m"
    path.write_bytes(to_bytes(esc10))
    again = load_graph(str(path))
    pcm = sounds(esc10)[:2]
    first, second = fixed_point.run(esc10, esc10.fixed, pcm), fixed_point.run(again, again.fixed, pcm)
    for a, b in zip(first.outputs, second.outputs, strict=True):
        assert (a == b).all()


def board(graph, pcm, kernel, folder):
    """Every layer's integers on the device package in the unix port."""
    try:
        runtime = runtimes.find("unix")
    except L3Error as e:
        require(False, str(e))
    folder.mkdir()
    (folder / "model.l3m").write_bytes(to_bytes(graph))
    pcm.astype("<i2").tofile(folder / "audio.pcm")
    (folder / "job.json").write_text(json.dumps({"kernel": kernel, "heap": None}))
    done = runtimes.execute(runtime, SCRIPT, SOURCE.parent, folder)
    assert done.returncode == 0, done.stderr + done.stdout
    return np.fromfile(folder / "integers.i16", "<i2")


@pytest.mark.parametrize("sound", ["rain", "clock_tick"])
@pytest.mark.parametrize("name", ["esc10", "small"])
def test_viper_gives_the_references_bits(name, sound, tmp_path):
    graph = rounded(small()) if name == "small" else rounded(load_graph("esc10"))
    graph.fixed = fixed_point.calibrate(graph, sounds(graph))
    fe = graph.frontend
    pcm = to_pcm(resample(synth.sound(sound), synth.RATE, fe.sample_rate))[: fe.window]
    ours = board(graph, pcm, "viper", tmp_path / "job")
    expected = in_device_order(graph, fixed_point.run(graph, graph.fixed, pcm[None]))
    assert len(ours) == len(expected)
    assert (ours == expected).all()
    shutil.rmtree(tmp_path / "job")


@pytest.mark.parametrize("last, fits", [(255, True), (256, False)])
def test_a_band_whose_sum_could_leave_31_bits_is_refused(last, fits, esc10):
    """256 * 65535 + 256 = 2^24, times 32767 / 256: 2^31. Viper's logarithm then shifted by a negative number, out of its table."""
    bands = len(esc10.fixed.tables.count)
    counts, weights = np.zeros(bands, np.int64), np.append(np.full(256, 65535), last)
    counts[0] = len(weights)
    tables = replace(esc10.fixed.tables, first=np.zeros(bands, np.int64), count=counts, weights=weights)
    reader = Reader(BytesIO(to_bytes(replace(esc10, fixed=replace(esc10.fixed, tables=tables)))))
    if fits:
        verify(reader)
    else:
        with pytest.raises(FormatError, match="the weights of band 0 add up to 16777216, at most 16777215 fit"):
            verify(reader)


@pytest.mark.parametrize("more, fits", [(0, True), (1, False)])
def test_a_shift_is_the_largest_at_which_a_filter_s_sum_fits(more, fits):
    """calibrate() takes the largest, so verify() refuses the next; kernels did, a window later."""
    graph = shapes.graph_of("dense")
    graph.fixed.layers[1].shifts[2] += more
    reader = Reader(BytesIO(to_bytes(graph)))
    if fits:
        verify(reader)
    else:
        with pytest.raises(FormatError, match=r"^FIXED at byte \d+: a filter of layer 1 has a shift of -?\d+, for which"):
            verify(reader)
