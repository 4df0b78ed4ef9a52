"""Run folders that somebody prepared."""

import os
from collections import Counter

import numpy as np
import pytest

from l3host import npz
from l3host.errors import L3Error
from l3host.runs import claimed


def refused(folder):
    with pytest.raises(L3Error) as caught, claimed(folder, lambda: {"recipe": 1}, "recipe"):
        pass
    return str(caught.value)


def test_a_lock_that_is_a_link_is_refused_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "precious").write_text("x" * 100)
    (tmp_path / "run" / "lock").symlink_to(tmp_path / "precious")
    assert "lock: is a link, delete it" in refused(tmp_path / "run")
    assert (tmp_path / "precious").read_text() == "x" * 100


def test_a_note_that_is_damaged_is_one_line(tmp_path):
    for data in (b"", b"{", b"\xff", b"[" * 100_000, b"9" * 6000, b"[]"):
        (tmp_path / "run.json").write_bytes(data)
        assert "\n" not in refused(tmp_path)


def test_a_lock_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "lock")
    assert "cannot lock " in refused(tmp_path)


class Code:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_a_checkpoint_that_holds_code_does_not_run_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("checkpoint.npz", values=np.array([Code()], object))
    with pytest.raises(L3Error, match="Object arrays cannot be loaded"), npz.opened(tmp_path / "checkpoint.npz") as saved:
        saved["values"]
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_with_any_damage_is_one_line_or_what_was_saved(tmp_path):
    path, rng = tmp_path / "checkpoint.npz", np.random.default_rng(0)
    np.savez_compressed(path, values=np.arange(300.0), losses=[1.0, 2.0])
    whole, outcomes = path.read_bytes(), Counter()
    for i in range(1500):
        data = bytearray(whole)
        for at in rng.integers(len(data), size=1 + i % 3):
            data[at] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data))] if i % 5 == 0 else data)
        try:
            with npz.opened(path) as saved:
                outcomes[np.array_equal(saved["values"], np.arange(300.0)) and saved["losses"].tolist() == [1.0, 2.0]] += 1
        except L3Error as e:
            assert str(e).startswith(f"cannot read {path}: ") and str(e).endswith("; delete it to make it again")
            outcomes["refused"] += 1
    assert outcomes["refused"] > 1000 and outcomes[False] == 0
