"""Archives: everything is done once, whoever is killed; what is bad is named and stops nothing."""

import csv
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import Future
from pathlib import Path

import deadly
import models
import numpy as np
import pytest
import soundfile
from support import require

from l3host import cli, work
from l3host.archive import parts, run
from l3host.archive.ledger import Ledger
from l3host.archive.tasks import ClassifyTask
from l3host.archive.walk import Found, roots, walk
from l3host.classify import Classify
from l3host.errors import L3Error
from l3host.l3m.load import find

RATE = 8000


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, int(RATE * seconds))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """sounds/ with six recordings in two folders, a text, and a file that is not audio."""
    monkeypatch.chdir(tmp_path)
    Path("sounds/night").mkdir(parents=True)
    for i in range(6):
        soundfile.write(f"sounds/{'night/' if i % 2 else ''}{i}.wav", noise(3 + i, i), RATE)
    Path("sounds/notes.txt").write_text("windy")
    Path("sounds/broken.wav").write_bytes(b"no sound")
    return tmp_path


@pytest.fixture
def l3mote(capsys):
    """l3mote('classify', ...) -> (exit status, its JSON)."""

    def do(*arguments):
        status = cli.main([*arguments, "--json"])
        return status, json.loads(capsys.readouterr().out)

    return do


def ledger(store):
    """The lines of files.csv, by the file's name."""
    with open(Path(store) / "files.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["file"] for row in rows}) == len(rows)  # none twice
    return {Path(row["file"]).name: row for row in rows}


def labels(store):
    """All lines of all parts."""
    rows = []
    for part in sorted((Path(store) / "labels").iterdir()):
        assert part.name.startswith("part-") and part.suffix == ".csv"
        with open(part, newline="") as file:
            rows += list(csv.DictReader(file))
    return rows


def windows_of_files(store):
    """Lines of the parts of each file's name; no window is there twice."""
    rows = labels(store)
    assert len({(row["file"], row["start"]) for row in rows}) == len(rows)
    names = [Path(row["file"]).name for row in rows]
    return {name: names.count(name) for name in names}


# -- what is written


def test_a_store_of_labels_has_what_classify_says(folder, l3mote):
    status, result = l3mote("classify", "esc10", "sounds", "--to", "store", "--jobs", "2")
    assert status == 1
    assert {key: result[key] for key in ("done", "failed", "skipped", "done_before")} == {
        "done": 6, "failed": 1, "skipped": 1, "done_before": 0,
    }  # fmt: skip
    assert result["hours"] == pytest.approx(sum(range(3, 9)) / 3600, abs=1e-4)
    rows = ledger("store")
    assert rows["notes.txt"]["state"] == "skipped" and rows["notes.txt"]["note"] == "not the name of a sound"
    assert rows["broken.wav"]["state"] == "failed" and rows["broken.wav"]["note"].startswith("cannot read ")
    actual = Classify("esc10")("sounds/night/5.wav", lambda n: None)
    row = rows["5.wav"]
    assert (row["state"], row["label"], row["windows"], row["seconds"]) == ("done", actual.label, "7", "8.000")
    assert [float(row[label]) for label in actual.labels] == pytest.approx(actual.mean, abs=6e-5)
    mine = [line for line in labels("store") if line["file"].endswith("night/5.wav")]
    assert [float(line["start"]) for line in mine] == [0, 1, 2, 3, 4, 5, 6]
    assert [line["label"] for line in mine] == [label for _, _, label, _ in actual.windows()]
    for line, scores in zip(mine, actual.scores, strict=True):
        assert [float(line[label]) for label in actual.labels] == pytest.approx(scores, abs=6e-5)


def test_a_store_of_embeddings_has_what_embed_writes(folder, l3mote):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert l3mote("embed", "esc10", "sounds", "--to", "store", "--hop-size", "0.5", "--jobs", "2")[0] == 1
    table = parquet.read_table("store/embeddings")
    assert table.column_names == ["file", "seconds", "embedding"]
    l3mote("embed", "esc10", "sounds/night/3.wav", "--hop-size", "0.5")
    mine = table.filter([name.endswith("night/3.wav") for name in table["file"].to_pylist()])
    with np.load("sounds/night/3.npz") as expected:
        assert (np.stack(mine["embedding"].to_numpy()) == expected["embedding"]).all()
        assert mine["seconds"].to_pylist() == expected["timestamps"].tolist()
    assert len(set(table["file"].to_pylist())) == 6


def test_warnings_stand_beside_the_file(folder, l3mote):
    soundfile.write("sounds/silence.wav", np.zeros(RATE * 2), RATE)
    l3mote("classify", "esc10", "sounds", "--to", "store", "--jobs", "1")
    assert ledger("store")["silence.wav"]["note"] == "audio is all zeros"


# -- going on


def test_a_second_run_takes_what_is_new_and_tries_again_what_failed(folder, l3mote):
    l3mote("classify", "esc10", "sounds", "--to", "store", "--jobs", "1")
    before = windows_of_files("store")
    soundfile.write("sounds/new.wav", noise(3), RATE)
    soundfile.write("sounds/broken.wav", noise(3), RATE)
    status, result = l3mote("classify", "esc10", "sounds", "--to", "store", "--jobs", "1")
    assert status == 0 and (result["done"], result["failed"], result["skipped"], result["done_before"]) == (2, 0, 0, 6)
    assert windows_of_files("store") == before | {"new.wav": 2, "broken.wav": 2}
    assert ledger("store")["broken.wav"]["state"] == "done"


def test_another_work_does_not_get_the_store(folder, l3mote, capsys):
    l3mote("embed", "esc10", "sounds", "--to", "store", "--hop-size", "1", "--jobs", "1")
    assert cli.main(["embed", "esc10", "sounds", "--to", "store", "--hop-size", "2"]) == 1
    assert "is the run of another archive (other hop_size)" in capsys.readouterr().err
    assert cli.main(["classify", "esc10", "sounds", "--to", "sounds"]) == 1
    assert "is not a run folder" in capsys.readouterr().err


def cut_within(lines, store):
    """The ledger as a kill leaves it amid the lines of the last part."""
    last = max(i for i, line in enumerate(lines) if b",done," in line)
    (store / "files.csv").write_bytes(b"".join(lines[:last]) + lines[last][:-9])


def whole(lines, store):
    """All lines are written."""


@pytest.mark.parametrize("ledger_is", [cut_within, whole])
def test_a_part_whose_last_step_a_kill_prevented_counts_as_never_written(folder, l3mote, ledger_is):
    l3mote("classify", "esc10", "sounds", "--to", "store", "--jobs", "1")
    before, store = windows_of_files("store"), Path("store")
    last = max((store / "labels").iterdir())
    last.rename(store / "labels" / ".0123.tmp")
    ledger_is((store / "files.csv").read_bytes().splitlines(keepends=True), store)
    l3mote("classify", "esc10", "sounds", "--to", "store", "--jobs", "1")
    assert windows_of_files("store") == before and last.exists()
    assert all(row["state"] != "done" or row["label"] for row in ledger("store").values())


def many(count, seconds):
    """long/: so many names of one recording."""
    Path("long").mkdir()
    soundfile.write("long/0.wav", noise(seconds), RATE)
    for i in range(1, count):
        os.link("long/0.wav", f"long/{i}.wav")


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def children(pid):
    """Processes whose environment says that they were started for this test."""
    result = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"ARCHIVE_TEST={pid}".encode() in (path / "environ").read_bytes().split(b"\0"):
                result.append(int(path.name))
        except OSError:
            pass
    return result


def start(mark, *arguments):
    command = [sys.executable, "-m", "l3host.cli", "classify", "esc10", "long", "--to", "store", *arguments, "--json"]
    return subprocess.Popen(command, env=os.environ | {"ARCHIVE_TEST": mark}, stdout=subprocess.PIPE, text=True)


def test_a_run_that_is_killed_goes_on_and_leaves_no_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    many(40, 20)
    mark = str(tmp_path)
    with start(mark, "--jobs", "2") as process:
        wait_for(lambda: Path("store/labels/part-000000.csv").exists())
        process.kill()
    wait_for(lambda: not children(mark))
    done = len(ledger("store"))
    assert 0 < done < 40
    with start(mark, "--jobs", "2") as process:
        result = json.loads(process.communicate()[0])
    assert process.returncode == 0 and result["done"] == 40 - result["done_before"] > 0
    assert windows_of_files("store") == {f"{i}.wav": 19 for i in range(40)}
    assert {row["state"] for row in ledger("store").values()} == {"done"}


def test_a_process_that_is_killed_loses_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    many(40, 20)
    with start(str(tmp_path), "--jobs", "2") as process:
        wait_for(lambda: Path("store/labels/part-000000.csv").exists())
        assert len(ledger("store")) < 40
        workers = [pid for pid in children(str(tmp_path)) if pid != process.pid and parent(pid) != process.pid]
        os.kill(max(workers), signal.SIGKILL)
        result = json.loads(process.communicate()[0])
    assert process.returncode == 0 and result["done"] == 40
    assert windows_of_files("store") == {f"{i}.wav": 19 for i in range(40)}


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_file_that_kills_every_process_is_named(tmp_path):
    items = [(i, {3: 1, 5: 9}.get(i, 0), str(tmp_path)) for i in range(8)]
    result = list(work.spread(deadly.work, items, work.Processes(2), lambda item: f"{item[0]} was killed"))
    assert sorted(map(str, result)) == sorted([*map(str, (0, 1, 2, 3, 4, 6, 7)), "5 was killed"])


def test_a_killed_worker_of_a_dask_cluster_loses_no_file(tmp_path, monkeypatch, l3mote):
    require(importlib.util.find_spec("distributed"), "Dask is not installed")
    monkeypatch.chdir(tmp_path)
    many(40, 20)
    shutil.copy(find("esc10"), "mine.l3m")
    Path("elsewhere").mkdir()
    done_by_then = []
    options = ["--scheduler-file", str(tmp_path / "scheduler.json")]
    worker = ["worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    commands = [["scheduler", "--port", "0", "--no-dashboard"], worker, worker]
    with open("dask.log", "w") as log:
        lines = [[sys.executable, "-m", "dask", *command, *options] for command in commands]
        processes = [subprocess.Popen(line, cwd="elsewhere", stdout=log, stderr=log) for line in lines]

    def kill():
        wait_for(lambda: Path("store/labels/part-000000.csv").exists())
        done_by_then.append(len(ledger("store")))
        processes[2].kill()

    try:
        wait_for(Path("scheduler.json").exists)
        address = json.loads(Path("scheduler.json").read_text())["address"]
        thread = threading.Thread(target=kill)
        thread.start()
        status, result = l3mote("classify", "mine.l3m", "long", "--to", "store", "--cluster", address)
        thread.join()
        assert (status, result["done"]) == (0, 40), Path("dask.log").read_text()[-3000:]
        assert done_by_then[0] < 40
        assert windows_of_files("store") == {f"{i}.wav": 19 for i in range(40)}
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_no_scheduler_is_one_line(folder, capsys):
    require(importlib.util.find_spec("distributed"), "Dask is not installed")
    assert cli.main(["classify", "esc10", "sounds", "--to", "store", "--cluster", "tcp://127.0.0.1:9"]) == 1
    assert "no Dask scheduler at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_a_file_that_fails_after_some_of_it_was_written_spoils_nothing(folder, l3mote, monkeypatch):
    monkeypatch.setattr(parts, "HELD", 500)

    class Breaks(ClassifyTask):
        def run(self, path, add, progress):
            if path.endswith("2.wav"):
                add([["0.000", "2.000", "dog", *["1"] * 11]] * 6, 600)
                raise OSError("the disk was pulled out")
            return super().run(path, add, progress)

    class Here(work.Processes):
        def __init__(self):
            super().__init__(1)

        def submit(self, work, item):
            future = Future()
            future.set_result(work(item))
            return future

    with run.opened(Path("store"), Breaks("esc10")) as store:
        run.archive(store, ["sounds"], Here(), lambda rows: None)
    rows = ledger("store")
    assert rows["2.wav"]["state"] == "failed" and rows["2.wav"]["note"] == "the disk was pulled out"
    assert sorted(windows_of_files("store")) == ["0.wav", "1.wav", "3.wav", "4.wav", "5.wav"]


def test_a_long_file_is_seen_to_go_on_while_it_is_in_work(folder):
    soundfile.write("long.wav", noise(2), RATE)
    calls = []
    with run.opened(Path("store"), deadly.Slow("esc10")) as store:
        run.archive(store, ["long.wav"], work.Processes(1), calls.extend, lambda *done: calls.append(done))
    assert calls.pop()[1] == "done" and calls[-1] == (0, 0.0)  # nothing is counted twice
    assert any(files == 0 and seconds >= 1200 for files, seconds in calls)
    assert [path.name for path in store.parts.iterdir()] == ["part-000000.csv"]


# -- walking


def test_walking_finds_each_sound_once(tmp_path):
    for name in ("a.wav", "deep/er/b.FLAC", "deep/c.m4a", ".hidden/d.wav", "._a.wav", "store/e.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "deep" / "loop").symlink_to(tmp_path)
    (tmp_path / "f.wav").symlink_to(tmp_path / "a.wav")
    result = {Path(f.path).relative_to(tmp_path).as_posix(): f.skipped for f in walk([str(tmp_path)], tmp_path / "store")}
    assert result == {"a.wav": "", "deep/er/b.FLAC": "", "deep/c.m4a": "", "deep/loop": "not the name of a sound", "f.wav": ""}


def counted(function, calls):
    def call(*args, **options):
        calls.append(args)
        return function(*args, **options)

    return call


def test_a_folder_that_goes_while_it_is_walked_fails(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.wav").touch()
    walked = walk([str(tmp_path)], tmp_path / "store")
    first = next(walked)
    other = tmp_path / ("b" if Path(first.path).parent.name == "a" else "a")
    (other / "x.wav").unlink()
    other.rmdir()
    assert list(walked) == [Found(str(other), failed="cannot read the folder: No such file or directory")]


def test_a_folder_is_walked_without_a_look_at_each_file(tmp_path, monkeypatch):
    for i in range(100):
        (tmp_path / f"{i}.wav").touch()
    looked = []
    for name in ("stat", "lstat"):
        monkeypatch.setattr(os, name, counted(getattr(os, name), looked))
    walked = walk([str(tmp_path)], tmp_path / "store")
    assert next(walked).path.endswith(".wav")
    assert len(list(walked)) == 99 and len(looked) < 5


def test_folders_within_folders_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a/b").mkdir(parents=True)
    Path("ab").mkdir()
    assert roots(["a", "ab"]) == [str(tmp_path / "a"), str(tmp_path / "ab")]
    for twice in (["a", "a/b"], ["a/b", "a"], ["a", "./a"]):
        with pytest.raises(L3Error, match="lies within"):
            roots(twice)
    with pytest.raises(L3Error, match="no such file or folder: nowhere"):
        roots(["nowhere"])


def test_a_store_that_somebody_has_been_in_is_one_line(tmp_path):
    """A row too long for Python's csv, and a pipe, which has no end."""
    Ledger(tmp_path, ["label"], set()).add([["/" + "a" * 200_000, "done", "", "1.000", 2, 0, "dog"]])
    with pytest.raises(L3Error, match="files.csv: Error: field larger than field limit"):
        Ledger(tmp_path, ["label"], {0})
    (tmp_path / "files.csv").unlink()
    os.mkfifo(tmp_path / "files.csv")
    with pytest.raises(L3Error, match="not a regular file"):
        Ledger(tmp_path, ["label"], {0})


def test_a_copy_among_the_parts_is_left_alone_and_no_label_is_a_formula(tmp_path, monkeypatch):
    graph = models.classifier()
    graph.labels[:2] = ["=1+1", "@x"]
    (tmp_path / "odd.l3m").write_bytes(models.data(graph))
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 8000)
    store = str(tmp_path / "store")
    for _ in range(2):  # again, with what somebody copied
        assert cli.main(["classify", str(tmp_path / "odd.l3m"), str(tmp_path / "a.wav"), "--to", store]) == 0
        (tmp_path / "store" / "labels" / "part-000000 (copy).csv").write_text("x")
    for name in ("files.csv", "labels/part-000000.csv"):
        with open(tmp_path / "store" / name, newline="") as file:
            head, *rows = csv.reader(file)
        assert "'=1+1" in head and "'@x" in head and len(rows) > 0
        assert not any(text.startswith(("=", "@", "+")) for row in (head, *rows) for text in row)


def test_an_address_without_a_port_ends_the_process(tmp_path):
    """Not one whose threads wait for ever."""
    require(importlib.util.find_spec("distributed"), "Dask is not installed")
    command = [sys.executable, "-m", "l3host.cli", "classify", "esc10", ".", "--to", "store", "--cluster", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("l3mote: no Dask scheduler at nowhere: missing port number")


def test_a_ledger_takes_any_name(tmp_path):
    odd = ["/a,b.wav", '/"quoted".wav', "/line\nbreak.wav", os.fsdecode(b"/not utf-8 \xff.wav")]
    book = Ledger(tmp_path, ["label"], set())
    book.add([[name, "done", "", "1.000", 2, 0, "dog"] for name in odd])
    again = Ledger(tmp_path, ["label"], {0})
    assert again.known == set(odd) and again.part == 1
    assert Found("/x").skipped == ""


def test_a_ledger_is_opened_without_holding_all_its_lines(tmp_path):
    book = Ledger(tmp_path, list("abcdefghij"), set())
    book.add([[f"/june/recorder/{i:08d}.wav", "done", "", "60.000", 59, 0, *["0.1234"] * 10] for i in range(5000)])
    tracemalloc.start()
    assert len(Ledger(tmp_path, list("abcdefghij"), {0}).known) == 5000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * (tmp_path / "files.csv").stat().st_size  # the names alone; all cells are 16 times as much


def test_walking_holds_no_folder_in_memory(tmp_path):
    for i in range(3000):
        (tmp_path / f"{i}.wav").touch()
    tracemalloc.start()
    assert sum(1 for _ in walk([str(tmp_path)], tmp_path / "store")) == 3000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
