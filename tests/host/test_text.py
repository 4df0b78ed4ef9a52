"""What others wrote reaches a terminal as text, and as nothing else."""

import dataclasses
import os
import subprocess
import sys

import pytest
from make_small import PATH, small

from l3host.cli import main
from l3host.errors import L3Error
from l3host.l3m.writer import to_bytes
from l3host.text import clean

ESCAPE = "\x1b]52;c;cHduZWQ=\x07\x1b[2J"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("street[1] äöü 🎵.wav", "street[1] äöü 🎵.wav"),
        ("\x1b[2J\x07\x9b31m\x7f", "\\x1b[2J\\x07\\x9b31m\\x7f"),
        ("one\r\ntwo\t", "one\\r\\ntwo\\t"),
        ("\u202ereversed\u2028\ud800", "\\u202ereversed\\u2028\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text, expected):
    assert clean(text) == expected and clean(expected) == expected
    assert clean("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def model(path, **changes):
    path.write_bytes(to_bytes(dataclasses.replace(small(), **changes)))
    return str(path)


def test_a_models_texts_and_its_files_name_cannot_reach_the_terminal(tmp_path, capsys):
    path = model(tmp_path / f"{ESCAPE}.l3m", provenance={"source": ESCAPE, "licence": "a\nb"})
    assert main(["inspect", path, "--details"]) == 0
    out, err = capsys.readouterr()
    assert "source: \\x1b]52;c;cHduZWQ=" in out and "\x1b" not in out + err and "\x07" not in out
    path = model(tmp_path / "odd.l3m", provenance={"source": "\x1b"})
    assert main(["inspect", path, "--json"]) == 0
    assert '"source": "\\u001b"' in capsys.readouterr().out


def test_an_error_is_one_line_whatever_the_file_is_called(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9\x1b[31m\n.l3m"
    with open(name, "wb") as f:
        f.write(PATH.read_bytes()[:-3])
    done = subprocess.run([sys.executable, "-m", "l3host.cli", "inspect", name], capture_output=True)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"\x1b" not in done.stderr
    assert b"caf\\udce9\\x1b[31m\\n.l3m" in done.stderr


@pytest.mark.parametrize("label", ["", "dog\x1b[2J", "dog\n", "do\u202eg", "dog\x00", "\ud800"])
def test_the_writer_refuses_labels_that_are_not_plain_text(label):
    with pytest.raises(L3Error, match="a label is text without control characters"):
        to_bytes(dataclasses.replace(small(), labels=["one", "two", label]))


def test_the_writer_refuses_two_outputs_of_one_label():
    with pytest.raises(L3Error, match="label 'one' stands for two outputs: each has a label of its own"):
        to_bytes(dataclasses.replace(small(), labels=["one", "two", "one"]))
