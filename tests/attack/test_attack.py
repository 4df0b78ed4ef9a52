"""A little of `make attack`: hostile inputs of every kind are taken, or refused in one line, in bounded time and memory."""

import attack
import pytest
from support import require

SHARE = {
    ".l3m files, CPython": 0.1,
    ".l3m files, MicroPython's kernels": 0.1,
    "Keras files": 0.02,
    "ONNX and TFLite files": 0.02,
}  # of a full run; others 0.03


@pytest.mark.parametrize("name", attack.PARTS)
def test_hostile(name):
    count = round(attack.PARTS[name][0] * SHARE.get(name, 0.03))
    result = attack.apart(name, count)
    if isinstance(result, str):
        assert "l3host.errors.L3Error" in result, result
        require(False, result.strip().splitlines()[-1])  # a compiler or a runtime is missing
    assert sum(result["outcomes"].values()) >= 0.9 * count
    assert result["outcomes"].get("ok", 0) > 0.02 * count, "too harsh to reach far"
    assert result["memory"] < 1 << 30


def test_memory_is_what_the_part_takes_not_what_its_parent_has():
    held = b"1" * (600 << 20)
    result = attack.apart("settings", 20)
    assert 10 << 20 < result["memory"] < len(held)


def test_the_command_prints_a_table_and_fails_if_a_part_is_broken(capsys, monkeypatch):
    monkeypatch.setattr(attack, "PARTS", {"settings": attack.PARTS["settings"], "none": (10, None)})
    results = [("settings", attack.one("settings", 20), 60.0), ("none", "what broke", 1.0)]
    monkeypatch.setattr(attack, "results", lambda share: results)
    assert attack.main(["0.1"]) == 1
    printed = capsys.readouterr().out
    assert "What comes from outside" in printed and "BROKEN" in printed and "none: what broke" in printed
