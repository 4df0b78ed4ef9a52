"""`l3mote sweep`: processes here and workers of a Dask cluster, killed with SIGKILL; no result is lost or doubled."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from pipeline import KD, PRUNED, make_tones, tensorflow, wait_for
from support import require

from l3host import cli
from l3host.errors import L3Error
from l3host.l3m.load import load_graph
from l3host.pipeline import recipe as recipes
from l3host.pipeline import sweep
from l3host.train import jobs

EPOCHS = 15
RECIPE = PRUNED + KD.replace("epochs = 4", f"epochs = {EPOCHS}")


@pytest.fixture
def load(tmp_path):
    """Recipes of these names, alike; their data is made here."""
    tensorflow()
    make_tones(tmp_path / "tones")

    def do(*names, text=RECIPE):
        for name in names:
            (tmp_path / f"{name}.toml").write_text(text + '[data]\ntones = "tones"\n')
        return [recipes.load(str(tmp_path / f"{name}.toml")) for name in names]

    return do


def killer(runs, name, times, killed):
    """Kill whoever trains the recipe, `times` times, each time after another epoch."""
    checkpoint, seen = runs / name / "recover-1" / "checkpoint.npz", [0]
    for _ in range(times):
        wait_for(lambda: checkpoint.exists() and checkpoint.stat().st_mtime_ns > seen[-1])
        seen.append(checkpoint.stat().st_mtime_ns)
        pid = int((runs / name / "lock").read_text())
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)
        time.sleep(0.2)


def checked(runs, names):
    """Every recipe has its result, and nothing else is there."""
    for name in names:
        result = json.loads((runs / name / "result.json").read_text())
        assert result["name"] == name and len(result["recover"][0]["losses"]) == EPOCHS
        assert load_graph(str(runs / name / "model.l3m")).provenance["source"].startswith(f"l3mote compress {name},")
    assert {p.name for p in runs.iterdir()} - {"log.txt"} == set(names)


def test_killed_processes_run_again_once(load, tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    work = sweep.folders(load("once", "twice"), runs)
    killed = []
    threads = [threading.Thread(target=killer, args=(runs, name, times, killed)) for name, times in (("once", 1), ("twice", 2))]
    for thread in threads:
        thread.start()
    failures = sweep.locally(work, 2, runs / "log.txt", lambda *messages: None)
    for thread in threads:
        thread.join()
    assert len(set(killed)) == 3
    assert list(failures) == ["twice"] and "its process ended 2 times, the last time with status -9, see " in failures["twice"]
    assert not (runs / "twice" / "result.json").exists() and (runs / "twice" / "recover-1" / "checkpoint.npz").exists()
    (runs / "twice").rename(tmp_path / "twice")
    checked(runs, ["once"])


def test_a_killed_worker_of_a_dask_cluster(load, tmp_path):
    require(importlib.util.find_spec("distributed"), "Dask is not installed")
    runs, address = tmp_path / "runs", tmp_path / "scheduler.json"
    runs.mkdir()
    options = ["--scheduler-file", str(address)]
    worker = ["worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    commands = [["scheduler", "--port", "0", "--no-dashboard"], worker, worker]
    processes = []
    with open(tmp_path / "dask.log", "w") as log:
        for command in commands:
            line = [sys.executable, "-m", "dask", *command, *options]
            processes.append(subprocess.Popen(line, cwd=tmp_path, stdout=log, stderr=log))
    try:
        wait_for(address.exists)
        killed = []
        thread = threading.Thread(target=killer, args=(runs, "b", 1, killed))
        thread.start()
        work = sweep.folders(load("a", "b"), runs)
        messages = []
        failures = sweep.on_cluster(work, json.loads(address.read_text())["address"], lambda *what: messages.append(what))
        thread.join()
        assert not failures, (tmp_path / "dask.log").read_text()[-3000:]
        assert killed[0] in [process.pid for process in processes[1:]]
        assert sorted(name for _, name, *_ in messages) == ["a", "b"]
        checked(runs, ["a", "b"])
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_recipe_that_fails_does_not_stop_the_others(load, tmp_path, capsys):
    load("bad", text=PRUNED.replace("sparsity = 40", "plan = [10]"))
    load("good", text=PRUNED)
    runs = tmp_path / "runs"
    assert cli.main(["sweep", str(tmp_path / "bad.toml"), str(tmp_path / "good.toml"), "--run-dir", str(runs), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["failures"] == {"bad": "a plan of 1 percentages for 4 convolutions: give one for each"}
    assert list(result["results"]) == ["good"] and (runs / "good" / "model.l3m").exists()


def test_two_recipes_of_one_name_would_share_a_folder(load, tmp_path, capsys):
    load("a", text=PRUNED)
    again = [str(tmp_path / "a.toml")] * 2
    assert cli.main(["sweep", *again, "--run-dir", str(tmp_path / "runs")]) == 1
    assert "two recipes are called a and would share" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_bad_workers(load, tmp_path):
    work = sweep.folders(load("a", text=PRUNED), tmp_path)
    with pytest.raises(L3Error, match="0 jobs: at least 1"):
        sweep.locally(work, 0, tmp_path / "log.txt", print)
    require(importlib.util.find_spec("distributed"), "Dask is not installed")
    with pytest.raises(L3Error, match="no Dask scheduler at nonsense"):
        sweep.on_cluster(work, "nonsense", print)


def test_a_job_that_dies_without_a_second_chance_ends_the_others(tmp_path):
    """As `l3mote train` wants it."""
    with pytest.raises(L3Error, match="its process ended with status 3"):
        jobs.run(die, {"a": 3}, str(tmp_path / "log.txt"), print)


def die(status, send):
    os._exit(status)
