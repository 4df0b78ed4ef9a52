"""One recipe on two local workers: the files of one run, and a worker that dies."""

import json
import os
import signal
import sys
from pathlib import Path
from subprocess import Popen, run

import pytest
import workers
from pipeline import KD, PRUNED, make_tones, tensorflow, wait_for

LABELS = '[[recover]]\nmethod = "labels"\ndata = "tones"\nepochs = 2\nbatch = 8\ndropout = 0.0\n'  # dropout is each worker's own
FEW = PRUNED + '[[recover]]\nmethod = "batchnorm"\ndata = "tones"\n' + KD + LABELS
LONG = PRUNED + KD.replace("epochs = 4", "epochs = 1000000")


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    tensorflow()
    return make_tones(tmp_path_factory.mktemp("workers") / "tones")


def compress(folder: Path, text: str, tones: Path, number: int) -> list[Popen]:
    """`l3mote compress` in a process for each worker, all with the same run folder; worker N writes to N.log."""
    (folder / "recipe.toml").write_text(text)
    command = [sys.executable, "-m", "l3host.cli", "compress", "recipe.toml", "--run-dir", "run", "--data", f"tones={tones}"]
    return workers.start([command] * number, logs(folder, number), folder)


def logs(folder: Path, number: int) -> list[Path]:
    return [folder / f"{index}.log" for index in range(number)]


def finished(folder: Path, processes: list[Popen]) -> dict:
    """What the run ended with, once all workers have."""
    workers.finish(processes, logs(folder, len(processes)), 600)
    return json.loads((folder / "run" / "result.json").read_text())


def test_two_workers_leave_one_workers_run(tones, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    alone = finished(tmp_path / "one", compress(tmp_path / "one", FEW, tones, 1))
    shared = finished(tmp_path / "two", compress(tmp_path / "two", FEW, tones, 2))
    for one, two in zip(alone["recover"], shared["recover"], strict=True):
        assert two.get("losses", []) == pytest.approx(one.get("losses", []), rel=1e-3)  # whole batches, whoever computes them
    assert shared["after"] == alone["after"] and shared["inputs"] == alone["inputs"]
    assert {p.name for p in (tmp_path / "two" / "run").iterdir()} == {p.name for p in (tmp_path / "one" / "run").iterdir()}
    log = [(tmp_path / "two" / f"{index}.log").read_text().splitlines()[-1] for index in range(2)]
    assert log[0] == log[1]


def test_a_dead_worker_is_reported_and_the_run_goes_on(tones, tmp_path):
    checkpoint = tmp_path / "run" / "recover-1" / "checkpoint.npz"
    first, second = compress(tmp_path, LONG, tones, 2)
    try:
        wait_for(checkpoint.exists, first, 300)
        second.send_signal(signal.SIGKILL)
        assert first.wait(300) == 1
    finally:
        first.kill()
        second.kill()
    (line,) = (tmp_path / "0.log").read_text().splitlines()[-1:]
    assert line.startswith("l3mote: a worker is gone") and line.endswith("start all of them again, the run goes on")
    again = compress(tmp_path, LONG, tones, 2)
    try:
        before = checkpoint.stat().st_mtime_ns
        wait_for(lambda: checkpoint.stat().st_mtime_ns > before, again[0], 300)
    finally:
        for process in again:
            process.kill()


def test_a_tf_config_that_is_not_json_is_one_line(tones, tmp_path):
    (tmp_path / "recipe.toml").write_text(FEW)
    command = [sys.executable, "-m", "l3host.cli", "compress", "recipe.toml", "--data", f"tones={tones}"]
    done = run(command, cwd=tmp_path, env=os.environ | {"TF_CONFIG": "["}, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("l3mote: TF_CONFIG names no workers: ")
    assert not (tmp_path / "runs").exists()
