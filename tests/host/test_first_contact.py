"""What somebody sees who tries l3mote for the first time: the demo, `inspect`, at 80 columns."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from support import ROOT, runtime_of
from terminal import Terminal

from l3host import show
from l3host.cli import main
from l3host.cli.inspect import verdict


@pytest.fixture(autouse=True)
def parts():
    runtime_of("unix")


def test_the_demo_hears_what_each_sound_is_and_says_that_both_agree():
    done = subprocess.run([sys.executable, ROOT / "tools" / "demo.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, verdict, last = done.stdout.splitlines()
    assert len(lines) == 6
    for line in lines:
        name, _, result = line.partition(".wav, ")
        assert result.split(": ")[1].startswith(name + " 0."), line
    assert verdict == "The board's code agrees with the reference: every layer, every bit, in real MicroPython"
    assert "make demo AUDIO=street.wav" in last


def test_the_demo_takes_a_name_with_spaces(tmp_path):
    command = ["make", "-o", ".venv/.setup", "demo", f"AUDIO={tmp_path}/dog bark 00.wav"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0 and done.stderr.startswith(f"demo: no such audio file: {tmp_path}/dog bark 00.wav\n")


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_inspect_begins_with_a_verdict_and_keeps_to_the_terminals_width(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    show.out.cache_clear()
    try:
        assert main(["inspect", "esc10", "--details"]) == 0
    finally:
        monkeypatch.delenv("COLUMNS")
        show.out.cache_clear()
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "esc10: 95.3 kB, 9 layers, 11 labels"
    assert lines[0] == "  rp2040: listens (native, 0.46 s for a window of 2 s)"  # 57.5 M cycles measured, at 125 MHz
    table = [line for line in lines if line.startswith((" conv", " rp2040 ", " esp32", " ─", " layer"))]
    assert len(table) > 20 and all(len(line.rstrip()) <= columns for line in table)
    assert not [line for line in table if "…" in line]


def test_inspect_says_what_matters_on_one_screen_of_80_by_24():
    with Terminal([sys.executable, "-m", "l3host.cli", "inspect", "esc10"]) as terminal:
        terminal.process.wait(60)
    assert terminal.status == 0 and terminal.scrolled == 0
    assert terminal.lines[0] == "esc10: 95.3 kB, 9 layers, 11 labels"
    assert terminal.lines[1].startswith("  rp2040: listens (native, ")
    rows = [line.split() for line in terminal.lines if line.startswith(" esp32s3 ")]
    assert [row[5:7] for row in rows] == [["yes", "yes"]]  # after two sizes with their units
    assert "--details" in "".join(terminal.lines)


def test_an_error_in_a_terminal_is_broken_between_words():
    with Terminal([sys.executable, "-m", "l3host.cli", "inspect", f"{30 * 'x'} {60 * 'y'}.l3m"]) as terminal:
        terminal.process.wait(60)
    assert terminal.status == 1
    assert terminal.lines[0].endswith(30 * "x") and terminal.lines[1].startswith(60 * "y" + ".l3m"), terminal.lines


def test_a_verdict_says_what_is_missing():
    none = {"fits": False, "missing": 7300}
    fits = {"fits": True, "seconds_estimate": {"native": {"seconds": 0.29}}}
    assert verdict(none, 2.0) == "does not fit, 7.3 kB of heap are missing"
    pace = "(native, 0.29 s for a window of 2 s)"
    assert verdict(fits, 2.0) == f"fits {pace}"
    assert verdict(fits | {"listening": none}, 2.0) == f"fits {pace}, but does not listen: the app lacks 7.3 kB of heap"
    assert verdict(fits | {"listening": {"fits": True}}, 2.0) == f"listens {pace}"
    assert verdict(fits | {"listening": {"fits": True}}, 0.2).startswith("listens with gaps: it is too slow (")
    slow = fits | {"listening": {"fits": True, "kernel": "ulab"}, "frontend_share": 1.48}
    assert verdict(slow, 2.0) == f"fits {pace}, but does not listen: ulab needs 1.5 s for the log-mel of 1 s of sound"


def test_progress_that_is_piped_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(show, "PIPED_EVERY", 0.0)
    clock = iter([0.0, 0.0, 60.0, 120.0, 180.0])
    monkeypatch.setattr(show, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with show.named_bars(quiet=False) as on_progress:
        for done in range(3):
            on_progress("fold 1", "loss 0.500", done, 4)
    assert capsys.readouterr().err.splitlines() == [
        "fold 1: loss 0.500, 1 of 4, about 3 min left",
        "fold 1: loss 0.500, 2 of 4, about 2 min left",
    ]
