"""Run folders that somebody prepared."""

import os

import pytest

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
