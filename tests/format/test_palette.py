"""k-means palettes: against a second implementation and an exact one, and what rounded, calibrate and the writer make of them."""

import models
import numpy as np
import pytest

from l3host.errors import L3Error
from l3host.graph import palette
from l3host.graph.half import rounded, to_half
from l3host.graph.network import Graph
from l3host.l3m import writer
from l3host.l3m.load import load_graph
from l3host.reference import fixed_point
from l3mote import format as fmt
from l3mote.model import Model
from l3mote.reader import Reader
from l3mote.verify import verify


def weights(seed=0, n=4000, density=0.2):
    rng = np.random.default_rng(seed)
    w = to_half(rng.normal(size=(n // 50, 50)) * 0.1)[0]
    w[np.abs(w) < np.quantile(np.abs(w), 1 - density)] = 0
    return w


def error(w, levels):
    return ((w.astype(float) - levels[np.abs(w.astype(float)[..., None] - levels).argmin(-1)]) ** 2).sum()


def test_zero_stays_zero_and_every_weight_takes_its_nearest_level():
    w = weights()
    levels, indices = palette.quantise(w)
    assert levels.dtype == np.float16 and len(levels) == palette.LEVELS and (np.diff(levels) > 0).all() and (levels != 0).all()
    assert ((indices == -1) == (w == 0)).all()
    restored = palette.restore(levels, indices)
    assert restored.dtype == np.float32 and ((restored == 0) == (w == 0)).all()
    used = w[w != 0].astype(float)
    distance = np.abs(used[:, None] - levels.astype(float))
    np.testing.assert_allclose(np.abs(used - restored[w != 0]), distance.min(axis=1), atol=1e-12)


def test_few_levels_are_as_good_as_the_exact_optimum():
    """Dynamic programming over all partitions of the sorted values, for a size at which that is quick."""
    w = weights(1)
    values = np.sort(w[w != 0].astype(float))
    n, k = len(values), 64
    first, second = np.concatenate([[0], values.cumsum()]), np.concatenate([[0], (values**2).cumsum()])
    i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    with np.errstate(all="ignore"):
        cost = np.where(j > i, second[j] - second[i] - (first[j] - first[i]) ** 2 / (j - i), np.inf)
    best = cost[0]
    for _ in range(k - 1):
        best = (best[:, None] + cost).min(axis=0)
    ours = error(w[w != 0], palette.quantise(w, k)[0].astype(float))
    print(f"error {ours / best[n]:.3f} of the optimum")
    assert best[n] * 0.99 < ours < 1.25 * best[n]


def test_heavy_tails_keep_their_precision():
    """One outlier must not cost the rest its levels, as it would with equal steps between least and largest."""
    w = weights(2, 20000)
    levels = palette.quantise(w)[0].astype(float)
    plain = np.sqrt(error(w[w != 0], levels) / (w.astype(float) ** 2).sum())
    w[0, 0] = 10
    levels = palette.quantise(w)[0].astype(float)
    rest = w[(w != 0) & (w < 10)]
    assert plain < 0.005 and np.sqrt(error(rest, levels) / (rest.astype(float) ** 2).sum()) < 1.2 * plain


def test_few_values_are_kept_exactly():
    rng = np.random.default_rng(3)
    w = np.append(rng.choice(to_half(rng.normal(size=255))[0], 2000), np.float16(0))
    levels, indices = palette.quantise(w)
    assert (palette.restore(levels, indices) == w).all()


def test_no_level_is_zero_or_subnormal():
    """Though the mean of -0.001 and 0.001 is."""
    levels, indices = palette.quantise(to_half(np.array([-1e-3, 1e-3, 1.0]))[0], 2)
    assert levels.tolist() == [palette.TINY, 1.0] and indices.tolist() == [0, 0, 1]


def graph(seed=0) -> Graph:
    """A first layer too small for a palette, a sparse one, a dense head that is worth it."""
    rng = np.random.default_rng(seed)
    layers = [models.conv(rng, "conv1", 1, 16), models.conv(rng, "conv2", 16, 64, 0.15, (4, 2)), models.dense(rng, "head", 64, 20)]
    return Graph(models.frontend(), layers)


def loaded(data, folder):
    path = folder / "model.l3m"
    path.write_bytes(data)
    return load_graph(str(path))


def test_palettes_only_where_they_are_smaller_and_asked_for(tmp_path):
    g = graph()
    encodings = {}
    for name in writer.ENCODINGS:
        data = writer.to_bytes(g, name)
        reader = Reader(models.stream(data))
        verify(reader)
        encodings[name] = [layer.palette for layer in reader.layers]
        exact = rounded(g, name)
        for a, b in zip(loaded(data, tmp_path).layers, exact.layers, strict=True):
            np.testing.assert_array_equal(a.kernel, b.kernel)
    assert encodings == {"auto": [False] * 3, "f16": [False] * 3, "palette": [False, True, True]}
    assert len(writer.to_bytes(g, "palette")) < len(writer.to_bytes(g)) == len(writer.to_bytes(g, "f16"))


def test_a_palette_is_kept_by_what_loses_nothing(tmp_path):
    data = writer.to_bytes(graph(), "palette")
    again = loaded(data, tmp_path)
    assert writer.to_bytes(again) == writer.to_bytes(again, "palette") == data
    assert not any(layer.palette for layer in Reader(models.stream(writer.to_bytes(again, "f16"))).layers)


def test_the_self_test_and_the_fixed_check_are_of_the_palettes_weights(tmp_path):
    g = rounded(graph(), "palette")
    pcm = np.random.default_rng(0).integers(-9000, 9000, (4, g.frontend.window)).astype(np.int16)
    g.fixed = fixed_point.calibrate(g, pcm)
    data = writer.to_bytes(g, "palette")
    assert data == writer.to_bytes(loaded(data, tmp_path))
    for kernel in models.FLOAT_KERNELS:
        assert Model(models.stream(data), kernel=kernel).selftest()[0]


def test_scales_of_other_weights_are_refused():
    g = graph()
    pcm = np.random.default_rng(0).integers(-9000, 9000, (4, g.frontend.window)).astype(np.int16)
    g.fixed = fixed_point.calibrate(g, pcm)
    writer.to_bytes(g)
    assert rounded(g).fixed is g.fixed and rounded(g, "palette").fixed is None
    with pytest.raises(L3Error, match="scales were measured without palettes: convert with --encoding palette --calibrate"):
        writer.to_bytes(g, "palette")


def test_unknown_encoding():
    with pytest.raises(L3Error, match="unknown encoding 'int8': choose from auto, f16, palette"):
        writer.to_bytes(graph(), "int8")


def test_a_layer_worth_a_palette():
    for n, worth in ((524, False), (525, True)):
        assert palette.worth_it(np.append(np.ones(n), np.zeros(99))) == worth
    assert palette.LEAST == fmt.PALETTE_BYTES + fmt.CHUNK_BYTES
