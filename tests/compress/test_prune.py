"""Pruning: the papers' plans, the masks, zeros that survive training, batch norm statistics, the sensitivity study."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from support import require

from l3host.compress import masks, plans
from l3host.errors import L3Error
from l3host.graph.l3 import L3_FILTERS
from l3host.graph.network import frontend
from l3host.reference import floats

L3_SHAPES = [(3, 3, i, o) for i, o in zip((1, *L3_FILTERS), L3_FILTERS, strict=False)]
SMALL = (4, 4, 6, 6, 8, 8, 10, 10)
PLAN = (0, 85, 85, 85, 75, 95, 98, 98)  # EdgeL3


def random_kernels(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return {f"conv{i}": rng.standard_normal(shape).astype(np.float32) for i, shape in enumerate(shapes, 1)}


# -- the papers' tables


@pytest.mark.parametrize("name", plans.TABLE_II)
def test_table_2s_plans_give_its_reductions(name):
    sizes = [np.prod(shape) for shape in L3_SHAPES]
    assert np.average(plans.TABLE_II[name], weights=sizes) == pytest.approx(float(name), abs=0.04)


def test_edgel3s_plan_leaves_its_values():
    kept = masks.masks(random_kernels(L3_SHAPES), plans.find("95.45"))
    values = sum(int(mask.sum()) for mask in kept.values())
    assert values == 213_281
    assert values * 4 / 2**20 == pytest.approx(0.814, abs=0.0005)  # the paper's MB


def test_plans_by_name():
    assert plans.find("95.45") == PLAN
    assert plans.find("97") == plans.find("97.00") == (0, 93, 94, 96, 97, 95.97, 98, 97)
    with pytest.raises(L3Error, match=r"unknown pruning plan '96': choose from 53.49, .*, 95.45, 97.00, 98.00, 99.00"):
        plans.find("96")


def test_tables_3_and_4_by_name():
    ours = [plans.depth(name).reduction for name in ("conv7", "conv6", "conv5")]
    assert ours == pytest.approx([50.38, 75.57, 88.17], abs=0.005)
    assert [plans.width(name).reduction for name in plans.TABLE_IV] == pytest.approx([74.39, 86.99, 91.71], abs=0.005)
    assert plans.depth("conv6").printed == 72.34 and plans.width("43.14").filters == (64, 48, 64, 64, 128, 128, 256, 256)
    with pytest.raises(L3Error, match="unknown depth 'conv4': choose from conv7, conv6, conv5"):
        plans.depth("conv4")
    with pytest.raises(L3Error, match="unknown width '50': choose from 43.14, 64.54, 69.89"):
        plans.width("50")


def test_plans_and_masks_need_no_tensorflow():
    code = (
        "import sys, l3host.compress.plans, l3host.compress.masks; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- masks


def test_a_plan_zeroes_the_smallest_of_each_layer():
    kernels = {"conv1": np.float32([3, -1, 2, 0.5]), "conv2": np.float32([[0.1, -0.4], [0.2, 0.3]])}
    kept = masks.masks(kernels, [25, 50])
    assert kept["conv1"].tolist() == [True, True, True, False]
    assert kept["conv2"].tolist() == [[False, True], [False, True]]


def test_one_threshold_for_the_whole_network():
    kernels = {"conv1": np.float32([3, -1, 2, 0.5]), "conv2": np.float32([[0.1, -4], [0.2, 0.3]])}
    kept = masks.masks(kernels, 50)
    assert kept["conv1"].tolist() == [True, True, True, False]
    assert kept["conv2"].tolist() == [[False, True], [False, False]]


def test_zeros_never_come_back_and_equals_are_counted_exactly():
    ones = np.ones((3, 3, 4, 4), np.float32)
    assert masks.masks({"conv1": ones}, [30])["conv1"].sum() == 144 - 43
    ones[0] = 0
    assert not masks.masks({"conv1": ones}, [0])["conv1"][0].any()


def test_bad_targets():
    kernels = random_kernels([(3, 3, 1, 4), (3, 3, 4, 4)])
    with pytest.raises(L3Error, match="plan of 3 percentages for 2 convolutions"):
        masks.masks(kernels, [10, 20, 30])
    with pytest.raises(L3Error, match="layer conv2: sparsity of -1 %: it must be between 0 and 100"):
        masks.masks(kernels, [0, -1])
    with pytest.raises(L3Error, match="sparsity of 101 %"):
        masks.masks(kernels, 101)
    with pytest.raises(L3Error, match="sparsity of nan %"):
        masks.masks(kernels, float("nan"))
    with pytest.raises(L3Error, match="layer conv2 would be empty at 0/99.9 %: prune less"):
        masks.masks(kernels, [0, 99.9])
    kernels["conv1"] *= 1e-3
    with pytest.raises(L3Error, match="layer conv1 would be empty at 50 % of all weights"):
        masks.masks(kernels, 50)


def test_cubic_schedule():
    """s_t / s_f of Zhu & Gupta's equation 1, by hand: 1 - (1 - 1/4)^3 = 37/64 and so on."""
    assert [masks.cubic(step, 100, 500) for step in (0, 100, 200, 300, 400, 500, 900)] == [0, 0, 37 / 64, 7 / 8, 63 / 64, 1, 1]
    assert masks.fraction([0, 80], 0.5) == [0, 40] and masks.fraction(90, 0.5) == 45


# -- networks


@pytest.fixture
def model():
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")
    from l3host.networks import build
    from l3host.networks.backend import keras

    keras.utils.set_random_seed(0)
    return build.audio(frontend("sea"), SMALL)


def noise(n=4, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.uniform(-1, 1, (n, 8000)) * np.hanning(8000) ** rng.integers(0, 5, (n, 1))).astype(np.float32)


def percents(model):
    from l3host.compress import prune

    return list(masks.sparsities(prune.kernels(model)).values())


def test_pruned_weights_survive_training_with_weight_decay(model):
    from l3host.compress import prune
    from l3host.networks.backend import keras

    prune.hold(model)
    model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.1), "mse")
    model.fit(noise(), np.ones((4, 10)), epochs=1, verbose=0)  # compiled and with moments before anything is pruned
    plan = [20, 40, 50, 60, 30, 70, 80, 90]
    prune.prune(model, plan)
    before = prune.kernels(model)
    model.fit(noise(), np.ones((4, 10)), epochs=3, verbose=0)
    after = prune.kernels(model)
    for name, kernel in before.items():
        np.testing.assert_array_equal(after[name] != 0, kernel != 0)
        assert not np.array_equal(after[name], kernel)
    percents_before = percents(model)
    assert percents_before == pytest.approx(plan, abs=2)
    prune.prune(model, 85)  # the compiled step sees the new masks
    pruned = percents(model)
    assert pruned != percents_before
    model.fit(noise(), np.ones((4, 10)), epochs=1, verbose=0)
    assert percents(model) == pruned


def test_a_loaded_network_keeps_its_zeros(model, tmp_path):
    from l3host.compress import prune
    from l3host.networks import weights
    from l3host.networks.backend import keras, tf

    prune.prune(model, 70)
    model.save(tmp_path / "pruned.keras")
    loaded = weights.load(str(tmp_path / "pruned.keras"))
    prune.hold(loaded)
    optimizer = keras.optimizers.Adam(0.01)

    @tf.function
    def step(waves):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(loaded(waves, training=True) ** 2)
        optimizer.apply(tape.gradient(loss, loaded.trainable_variables), loaded.trainable_variables)

    for _ in range(3):
        step(noise())
    for a, b in zip(prune.kernels(loaded).values(), prune.kernels(model).values(), strict=True):
        np.testing.assert_array_equal(a != 0, b != 0)
        assert not np.array_equal(a, b)


def test_gradual_pruning_follows_the_schedule_and_can_go_on_where_it_stopped(model):
    from l3host.compress import prune

    plan = (0, 50, 50, 50, 50, 50, 50, 80)
    schedule = prune.Gradual(model, plan, 10, 50, 10)
    seen = {}
    for number in range(60):
        if number == 35:
            schedule = prune.Gradual(model, plan, 10, 50, 10)
        schedule.step(number)
        seen[number] = percents(model)[-1]
    expected = {10: 0, 19: 0, 20: 80 * 37 / 64, 30: 70, 39: 70, 40: 80 * 63 / 64, 49: 80 * 63 / 64, 50: 80, 59: 80}
    assert {number: seen[number] for number in expected} == pytest.approx(expected, abs=0.1)


def test_zeros_of_a_training_resumed_after_the_pruning_stay(model):
    """The schedule is made of the dense network, as a resumed training makes it before it reads its checkpoint."""
    from l3host.compress import prune

    schedule = prune.Gradual(model, 50.0, 0, 10, 1)
    prune.zero(model, 50.0)
    pruned = [kernel != 0 for kernel in prune.kernels(model).values()]
    schedule.step(11)
    model.compile(optimizer="adam", loss="mse")
    model.fit(noise(), np.ones((4, model.output_shape[1])), epochs=1, verbose=0)
    for kernel, kept in zip(prune.kernels(model).values(), pruned, strict=True):
        np.testing.assert_array_equal(kernel != 0, kept)


def test_bad_schedules_are_refused_before_training(model):
    from l3host.compress import prune

    with pytest.raises(L3Error, match="every 0 steps"):
        prune.Gradual(model, 50, 0, 10, 0)
    with pytest.raises(L3Error, match="from step 10 to 10"):
        prune.Gradual(model, 50, 10, 10, 1)
    with pytest.raises(L3Error, match="layer conv1 would be empty"):
        prune.Gradual(model, [100, 0, 0, 0, 0, 0, 0, 0], 0, 10, 1)
    assert percents(model) == [0] * 8


# -- batch norm


def test_statistics_are_those_of_the_inputs(model):
    """Against NumPy, layer by layer; the batches are uneven and differ in level."""
    from l3host.compress import batchnorm

    waves = noise(7, seed=3)
    for i, width in enumerate(SMALL, 1):
        model.get_layer(f"bn{i}").gamma.assign(np.linspace(0.5, 2, width))
        model.get_layer(f"bn{i}").beta.assign(np.linspace(-1, 1, width))
    batchnorm.reestimate(model, waves, batch=3)

    def normalised(x, name):
        gamma, beta, mean, variance = model.get_layer(name).get_weights()
        np.testing.assert_allclose(mean, x.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(variance, x.var(axis=(0, 1, 2)), rtol=2e-3)
        return (x - x.mean(axis=(0, 1, 2))) / np.sqrt(x.var(axis=(0, 1, 2)) + 1e-3) * gamma + beta

    x = normalised(floats.log_mel(frontend("sea"), waves)[..., None], "mel_bn")
    for i in range(1, 9):
        kernel, bias = model.get_layer(f"conv{i}").get_weights()
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        x = np.maximum(normalised(np.einsum("nhwcij,ijco->nhwo", patches, kernel) + bias, f"bn{i}"), 0)
        if i in (2, 4, 6):
            rows, cols = x.shape[1] // 2, x.shape[2] // 2
            x = x[:, : 2 * rows, : 2 * cols].reshape(len(x), rows, 2, cols, 2, -1).max(axis=(2, 4))
    np.testing.assert_allclose(model(waves), x.max(axis=(1, 2)), rtol=1e-2, atol=1e-3)


def test_statistics_inside_an_avc_net_and_of_nothing(model):
    from l3host.compress import batchnorm
    from l3host.networks import build

    net = build.avc(model, build.video((2,) * 8))
    batchnorm.reestimate(net.get_layer("audio"), noise())
    plane = floats.log_mel(frontend("sea"), noise())
    assert model.get_layer("mel_bn").moving_mean.numpy() == pytest.approx(plane.mean(), rel=1e-3)
    with pytest.raises(L3Error, match="at least one window"):
        batchnorm.reestimate(model, noise()[:0])


# -- sensitivity


def test_sensitivity_prunes_one_layer_at_a_time(model, tmp_path):
    from l3host.compress import sensitivity

    before = model.get_weights()
    seen = []

    def evaluate(model):
        seen.append(percents(model))
        model.get_layer("bn1").moving_mean.assign_add(np.ones(4))  # stands for a re-estimation
        return model.get_layer("bn1").moving_mean.numpy()[0]

    rows = list(sensitivity.study(model, evaluate, done=[("conv3", 50)]))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert len(rows) == len(seen) == 1 + 5 + 7 * 10 - 1
    assert rows[0] == {"layer": "dense", "percent": 0, "value": 1.0} and seen[0] == [0] * 8
    assert [row["percent"] for row in rows if row["layer"] == "conv1"] == [20, 30, 40, 50, 60]
    for row, percents_seen in zip(rows[1:], seen[1:], strict=True):
        expected = [row["percent"] if f"conv{i}" == row["layer"] else 0 for i in range(1, 9)]
        assert percents_seen == pytest.approx(expected, abs=100 / 36 / 2 + 1e-6)  # conv1 has 36 weights
        assert row["value"] == 1.0  # every trial starts from the same weights
    assert ("conv3", 50) not in {(row["layer"], row["percent"]) for row in rows}
    sensitivity.draw(json.loads(json.dumps(rows)), tmp_path / "curves.png", "accuracy")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_study_leaves_the_network_as_it_was(model):
    from l3host.compress import sensitivity

    before = model.get_weights()

    def evaluate(model):
        if any(percents(model)):
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        list(sensitivity.study(model, evaluate))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


# -- palettes


def shaken(model):
    rng = np.random.default_rng(5)
    model.set_weights([np.abs(w + 0.3 * rng.standard_normal(w.shape)) if w.ndim == 1 else w for w in model.get_weights()])
    return model


@pytest.mark.parametrize("final_norm", [True, False])
def test_folding_changes_nothing_but_the_form(model, final_norm):
    from l3host.compress import palette_tuning
    from l3host.networks import build

    model = build.embedding(shaken(model), final_norm)
    folded = palette_tuning.fold(model)
    expected = model(noise()).numpy()
    np.testing.assert_allclose(folded(noise(), training=True), expected, atol=1e-4 * np.abs(expected).max())
    assert [v.name for v in folded.trainable_variables] == ["kernel", "bias"] * 8


def test_shared_weights_move_together(model):
    """One step of gradient descent: each group's value goes where the mean of its members would have gone alone."""
    from l3host.compress import palette_tuning, prune
    from l3host.networks import weights
    from l3host.networks.backend import keras

    prune.zero(model, 30)
    free, shared = palette_tuning.fold(shaken(model)), palette_tuning.fold(shaken(model))
    rng = np.random.default_rng(1)
    groups = {name: np.where(k == 0, -1, rng.integers(0, 5, k.shape)) for name, k in prune.kernels(free).items()}
    del groups["conv1"]
    palette_tuning.share(shared, groups)
    free.set_weights(shared.get_weights())
    assert all(len(np.unique(prune.kernels(shared)[name])) == 6 for name in groups)
    for net in (free, shared):
        prune.hold(net)  # leaves the shared kernels to their palette
        net.compile(keras.optimizers.SGD(1e-3), "mse")
        net.fit(noise(), np.ones((4, 10)), epochs=1, batch_size=4, verbose=0)
    before = prune.kernels(free)
    for name, members in groups.items():
        got = prune.kernels(shared)[name]
        assert not got[members == -1].any()
        for group in range(5):
            np.testing.assert_allclose(got[members == group], before[name][members == group].mean(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(prune.kernels(shared)["conv1"], before["conv1"], rtol=1e-5)
    for conv in weights.to_graph(shared).convs[1:]:  # the file finds the few values again
        assert len(np.unique(conv.kernel.astype(np.float16))) <= 6


def test_groups_that_do_not_fit(model):
    from l3host.compress import palette_tuning

    with pytest.raises(L3Error, match=r"groups for layer conv9 .*: the network has conv1 \(3, 3, 1, 4\)"):
        palette_tuning.share(model, {"conv9": np.zeros((3, 3, 1, 4), int)})
    with pytest.raises(L3Error, match=r"groups for layer conv1 \(4,\)"):
        palette_tuning.share(model, {"conv1": np.zeros(4, int)})
