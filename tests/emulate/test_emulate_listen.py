"""The listening app on recordings in real MicroPython against the reference's events, and the pytest plugin."""

import json

import numpy as np
import pytest
from bench_listen import expected, reported
from support import runtime_of, shared

from l3host import cli
from l3host.emulate.listen import Expectation, Report, expectation, listen
from l3host.errors import L3Error

pytest_plugins = ["pytester"]
CLIPS = ("chainsaw", "clock_tick", "crackling_fire", "crying_baby", "dog", "helicopter", "rain", "rooster", "sea_waves", "sneezing")


@pytest.mark.parametrize("name", CLIPS)
def test_events_of_a_clip_are_the_reference_s(name):
    runtime_of("unix")
    clip = shared(f"audio/esc10/{name}.ogg")
    report = listen("esc10", str(clip), "unix", {"threshold": 0.3})
    assert reported(report) == expected(clip, threshold=0.3)
    assert report.facts["windows"] == 4 and report.facts["skipped"] == report.facts["lost"] == 0


@pytest.mark.parametrize("runtime", ["wasm", "qemu", "rp2040"])
def test_one_clip_in_every_runtime(runtime):
    """Two seconds at 16 kHz, of which a board keeps rows of the log-mel, not the 64 kB of samples."""
    runtime_of(runtime)
    clip = shared("audio/esc10/dog.ogg")
    report = listen("esc10", str(clip), runtime)
    assert reported(report) == expected(clip) and report.has("dog", 0, 3)
    assert report.facts["windows"] == 4 and report.facts["skipped"] == report.facts["lost"] == 0


def report_of(*events):
    return Report("unix", ["dog", "rain"], 0.5, [{"event": kind, "label": label, "t": t} for kind, label, t in events], {})


def test_expectations_are_met_by_the_events_of_their_time():
    report = report_of(
        ("start", "dog", 1.0), ("start", "rain", 1.5), ("end", "dog", 2.0), ("start", "dog", 4.0), ("end", "dog", 5.0)
    )
    assert report.spans("dog") == [(1.0, 2.0), (4.0, 5.0)]
    assert report.has("dog", 2.0, 3.0) and report.has("dog", 4.5, 4.6) and not report.has("dog", 2.1, 3.9)
    missed = Expectation("dog", 5.1, 9)
    assert report.missed([Expectation("dog", 0, 1), missed]) == [missed]
    with pytest.raises(L3Error, match="no label 'cat'; its labels are dog, rain"):
        report.has("cat")


def test_expectations():
    assert expectation("sea waves@2.0-4.5") == Expectation("sea waves", 2.0, 4.5)
    assert str(expectation("dog@0-10")) == "dog@0-10"
    for text in ("dog", "dog@2", "dog@5-2", "@1-2", "dog@-1-2"):
        with pytest.raises(L3Error, match="LABEL@FROM-TO"):
            expectation(text)


@pytest.fixture
def bark(tmp_path):
    """Four seconds of noise: which labels it gets is up to the model."""
    import soundfile

    path = tmp_path / "bark.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(1).normal(size=64000), 16000)
    return path


def test_command_line(bark, capsys):
    runtime_of("unix")
    command = ["listen", "esc10", str(bark), "--runtime", "unix", "--json", "--set", "threshold=0"]
    assert cli.main([*command, "--expect", "rain@0-4"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["windows"] == 3 and result["missed"] == []
    assert cli.main([*command, "--expect", "rain@5-9"]) == 1
    assert json.loads(capsys.readouterr().out)["missed"] == ["rain@5-9"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--expect", "cat@0-1"], "no label 'cat'"),
        (["--set", "mic=i2s"], "setting mic: this command plays a recording"),
        (["--set", "threshold.cat=0.5"], "no label cat"),
    ],
)
def test_wrong_use_is_one_line(arguments, line, bark, capsys):
    runtime_of("unix")
    assert cli.main(["listen", "esc10", str(bark), "--runtime", "unix", *arguments]) == 1
    message = capsys.readouterr().err
    assert line in message and message.count("\n") == 1


def test_plugin_runs_a_test_in_each_runtime(pytester, bark):
    runtime_of("unix")
    pytester.makepyfile(f"""
        def test_noise_is_heard(l3mote_board):
            report = l3mote_board.listen("esc10", {str(bark)!r}, threshold=0)
            assert report.has("rain", 0, 4) and not report.has("rain", 5, 9)

        def test_board_and_reference_agree(l3mote_board):
            assert l3mote_board.emulate("esc10", {str(bark)!r}).ok
    """)
    result = pytester.runpytest_subprocess("--l3mote-runtimes", "unix, cpython", "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*test_noise_is_heard[[]unix[]] PASSED*", "*test_noise_is_heard[[]cpython[]] PASSED*"])


def test_plugin_fails_for_a_runtime_that_is_not_there(pytester):
    pytester.makepyfile("def test_it(l3mote_board):\n    pass\n")
    pytester.makeini("[pytest]\nl3mote_runtimes = /nowhere/micropython\n")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*unknown runtime '/nowhere/micropython'*"])
