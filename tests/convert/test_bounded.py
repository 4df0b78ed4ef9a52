"""Foreign files are read by a child process: the same layers come back, and what it dies of or hangs on stays there."""

import zipfile
from pathlib import Path

import h5py
import keras_files as kf
import numpy as np
import pytest

from l3convert import bounded, convert, legacy_h5
from l3host import costs
from l3host.errors import L3Error

# (offset, value) of a byte in the file's tables over which libhdf5, as of h5py 3.16, dies (signal 11) or reads for ever
DEADLY, ENDLESS = (13609, 127), (4808, 187)


def test_the_child_gives_the_layers_that_are_in_the_file(tmp_path):
    path = Path(kf.write_h5(tmp_path / "a.h5", kf.small()))
    expected = legacy_h5.read(path.read_bytes())
    layers = bounded.layers(path.read_bytes())
    assert [(a.class_name, a.name, a.config) for a in layers] == [(b.class_name, b.name, b.config) for b in expected]
    for a, b in zip(layers, expected, strict=True):
        assert a.weights.keys() == b.weights.keys()
        for name in a.weights:
            assert a.weights[name].dtype == b.weights[name].dtype
            np.testing.assert_array_equal(a.weights[name], b.weights[name])


@pytest.mark.parametrize("at, value", [DEADLY, ENDLESS])
def test_a_file_over_which_the_library_dies_or_hangs_is_refused(tmp_path, monkeypatch, at, value):
    monkeypatch.setattr(costs, "CHILD_SECONDS", 2)
    path = Path(kf.write_h5(tmp_path / "a.h5", kf.small()))
    data = bytearray(path.read_bytes())
    data[at] = value
    path.write_bytes(data)
    with pytest.raises(L3Error, match=r"^a\.h5: ") as caught:
        convert(str(path), "sea")
    assert "\n" not in str(caught.value)


def test_an_array_that_is_empty_is_named(tmp_path):
    path = Path(kf.write_h5(tmp_path / "a.h5", kf.small()))
    with h5py.File(path, "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        del file[names[0]]
        file[names[0]] = h5py.Empty("f4")
    with pytest.raises(L3Error, match="has no values that are numbers"):
        convert(str(path), "sea")


def packed(path, rows):
    """An .h5 of some kilobytes whose one kernel unpacks to 40 kB a row."""
    layers = kf.small()
    kf.write_h5(path, layers)
    with h5py.File(path, "r+") as file:
        file["model_weights/conv_a"].attrs["weight_names"] = [b"conv_a/more:0"]
        file.create_dataset("model_weights/conv_a/conv_a/more:0", (rows, 10_000), "f4", chunks=(10, 10_000), compression="gzip")
        file["model_weights/conv_a/conv_a/more:0"][:10] = 1
    return path


def test_memory_is_bounded(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.h5", 5000)  # 200 MB
    monkeypatch.setattr(costs, "CHILD_BYTES", 150 << 20)
    with pytest.raises(L3Error, match=r"a\.h5: it takes more than 157,286,400 bytes of memory to read: --unlimited"):
        convert(str(path), "sea")


def test_time_is_bounded(monkeypatch):
    """The system ends a child that works on; one that waits is ended by us."""
    code = "from l3convert.__main__ import limit\nlimit(1, 1 << 30)\nwhile True: pass"
    run = bounded.subprocess.run
    monkeypatch.setattr(bounded.subprocess, "run", lambda command, **more: run([*command[:2], "-c", code], **more))
    with pytest.raises(L3Error, match="it took more than 10 s of work: --unlimited"):
        bounded.layers(b"")
    code = "import time; time.sleep(60)"
    monkeypatch.setattr(costs, "CHILD_SECONDS", 0.1)
    with pytest.raises(L3Error, match="it took more than 0.6"):
        bounded.layers(b"")


def test_the_child_imports_nothing_of_the_working_folder(tmp_path, monkeypatch):
    """A folder of somebody's files may hold a numpy.py."""
    monkeypatch.chdir(tmp_path)
    for name in ("numpy", "json", "h5py", "l3convert", "l3host"):
        Path(f"{name}.py").write_text("open('run', 'w')")
    convert(kf.write_h5("a.h5", kf.small()), "sea")
    assert not Path("run").exists()


def test_a_configuration_without_end_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (64 << 20))
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(L3Error, match=r"a\.keras: config\.json has 67,108,864 bytes, more than the 4,194,304"):
        convert(str(tmp_path / "a.keras"), "sea")


def test_a_network_that_costs_too_much_is_refused_as_a_file_of_ours_is(tmp_path, monkeypatch):
    path = kf.write_h5(tmp_path / "a.h5", kf.small())
    graph = convert(path, "sea")
    monkeypatch.setattr(costs, "WORK", graph.cost().work - 1)
    with pytest.raises(L3Error, match=r"a\.h5 takes [0-9,]+ multiply-accumulates a window"):
        convert(path, "sea")
    with costs.lifted():
        assert convert(path, "sea").cost() == graph.cost()
