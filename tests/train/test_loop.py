"""The training loop: resuming, refusals, what TensorBoard reads, zeros that stay, two workers that equal one."""

import importlib.util
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import workers
from support import KIT, require

from l3host.errors import L3Error
from l3host.graph.network import frontend
from l3host.train.settings import Schedule

SCHEDULE = Schedule(epochs=3, seed=5, batch=8, learning_rate=0.01, weight_decay=0.01)


@pytest.fixture(autouse=True)
def tensorflow():
    require(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed")


def sounds(rows, seed):
    rng = np.random.default_rng(seed)
    loudness = rng.uniform(0.01, 1, (rows, 1)) * np.linspace(0.1, 1, 8000)
    return (rng.uniform(-1, 1, (rows, 8000)) * loudness).astype(np.float32)


class Match:
    """A tiny pruned network learns random embeddings of 16 windows."""

    def __init__(self, bad_epoch=None):
        from l3host.compress import prune
        from l3host.networks import build
        from l3host.networks.backend import keras

        keras.utils.set_random_seed(0)
        # no biases: before a batch norm they have no gradient, and Adam walks them at random
        self.model = build.audio(frontend("sea"), (4, 4, 8, 8), use_bias=False)
        prune.prune(self.model, 60)
        self.bad_epoch = bad_epoch

    def batches(self, epoch):
        rng = np.random.default_rng(epoch)
        for number in range(2):
            wanted = rng.uniform(size=(8, 8)).astype(np.float32)
            yield sounds(8, number), wanted * (np.nan if epoch == self.bad_epoch else 1)

    def losses(self, waves, wanted):
        from l3host.networks.backend import tf

        return tf.reduce_mean((self.model(waves, training=True) - wanted) ** 2, axis=1)


class Stop(Exception):
    pass


def ignore(epochs, loss):
    pass


def stop(epochs, loss):
    raise Stop


def run(folder, progress=ignore, schedule=SCHEDULE, about=None, bad_epoch=None):
    from l3host.train import loop

    return loop.run(Match(bad_epoch), schedule, folder, progress, about or {"training": "test"})


def test_a_stopped_run_ends_bit_equal_and_zeros_stay(tmp_path):
    messages = []
    whole = run(tmp_path / "whole", lambda epochs, loss: messages.append((epochs, loss)))
    assert [epochs for epochs, _ in messages] == [1, 2, 3]
    assert [loss for _, loss in messages] == whole.losses and whole.losses[2] < whole.losses[0]
    for _ in range(2):
        with pytest.raises(Stop):
            run(tmp_path / "stopped", stop)
    resumed = run(tmp_path / "stopped")
    assert resumed.losses == whole.losses
    for a, b in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    before = Match().model
    for i in range(1, 5):
        kernel, first = (model.get_layer(f"conv{i}").kernel.numpy() for model in (whole.model, before))
        np.testing.assert_array_equal(kernel != 0, first != 0)
        assert not np.array_equal(kernel, first)
    assert not whole.model.get_layer("bn1").synchronized  # as any other network that is saved
    assert run(tmp_path / "whole", stop).losses == whole.losses  # nothing is left to do


def test_nan_loss_stops_with_the_last_good_checkpoint(tmp_path):
    with pytest.raises(L3Error, match="loss is nan in epoch 2: stopped, the checkpoint of epoch 1 is kept"):
        run(tmp_path, bad_epoch=1)
    with np.load(tmp_path / "checkpoint.npz") as saved:
        assert len(saved["losses"]) == 1 and all(np.isfinite(saved[name]).all() for name in saved.files if "arr" in name)
    with pytest.raises(L3Error, match="loss is nan in epoch 1: stopped, nothing was saved"):
        run(tmp_path / "new", bad_epoch=0)
    assert not (tmp_path / "new" / "checkpoint.npz").exists()


def test_a_checkpoint_of_another_training_is_refused_by_name(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, stop)
    kept = (tmp_path / "checkpoint.npz").read_bytes()
    other = Schedule(**vars(SCHEDULE) | {"seed": 6, "learning_rate": 0.02})
    with pytest.raises(L3Error, match=r"of another training \(other learning_rate, seed\): choose another"):
        run(tmp_path, schedule=other)
    with pytest.raises(L3Error, match=r"\(other teacher, training\)"):
        run(tmp_path, about={"training": "kd", "teacher": "0123"})
    assert (tmp_path / "checkpoint.npz").read_bytes() == kept
    (tmp_path / "checkpoint.npz").write_bytes(kept[:1000])
    with pytest.raises(L3Error, match="cannot read .*checkpoint.npz: .*delete it to start over"):
        run(tmp_path)


def test_bad_schedules(tmp_path):
    with pytest.raises(L3Error, match="0 epochs in batches of 8"):
        run(tmp_path, schedule=Schedule(epochs=0, batch=8))


def test_tensorboard_reads_loss_and_learning_rate(tmp_path):
    """The event file's records, parsed as TFRecord: length, CRC, Event message, CRC."""
    from l3host.networks.backend import tf

    losses = run(tmp_path).losses
    (path,) = (tmp_path / "tensorboard").glob("events*")
    data, result = path.read_bytes(), {"loss": {}, "learning_rate": {}}
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        event = tf.compat.v1.Event.FromString(data[12 : 12 + size])
        for value in event.summary.value:
            result[value.tag][event.step] = float(tf.make_ndarray(value.tensor))
            assert value.metadata.plugin_data.plugin_name == "scalars"
        data = data[16 + size :]
    assert result["loss"] == pytest.approx(dict(enumerate(losses, 1)))
    rates = [0.01, 0.01 * (1 + np.cos(np.pi / 3)) / 2, 0.01 * (1 + np.cos(2 * np.pi / 3)) / 2]
    assert list(result["learning_rate"].values()) == pytest.approx(rates)


# -- two workers


WORKER = """
import os
import sys
from pathlib import Path
from l3host.networks import backend
backend.one_thread()
backend.init_workers()
sys.path[:0] = sys.argv[1].split(os.pathsep)
import numpy as np
import test_loop
with backend.strategy().scope():
    done = test_loop.run(Path(sys.argv[2]))
np.savez(sys.argv[3], *done.model.get_weights(), losses=done.losses)
"""


def train_in_processes(tmp_path, name, number):
    """Weights and losses of every worker; they share one run directory."""
    tests, shared = f"{Path(__file__).parent}{os.pathsep}{KIT}", str(tmp_path / name)
    commands = [[sys.executable, "-c", WORKER, tests, shared, str(tmp_path / f"{name}{index}.npz")] for index in range(number)]
    logs = [tmp_path / f"{name}{index}.log" for index in range(number)]
    workers.finish(workers.start(commands, logs), logs, 300)
    return [dict(np.load(tmp_path / f"{name}{index}.npz")) for index in range(number)]


def test_two_workers_end_with_one_workers_network(tmp_path):
    (alone,) = train_in_processes(tmp_path, "one", 1)
    first, second = train_in_processes(tmp_path, "two", 2)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-3)
    checkpoint = np.load(tmp_path / "two" / "checkpoint.npz")  # one of the two wrote it
    np.testing.assert_array_equal(checkpoint["losses"], first["losses"])
    outputs = []
    for weights in (alone, first):
        model = Match().model
        model.set_weights([weights[f"arr_{i}"] for i in range(len(model.weights))])
        outputs.append(model(sounds(8, 0)).numpy())
    np.testing.assert_allclose(*outputs, atol=1e-3 * np.abs(outputs[0]).max())
    assert np.abs(outputs[0] - Match().model(sounds(8, 0))).max() > 0.1 * np.abs(outputs[0]).max()  # it did learn something
