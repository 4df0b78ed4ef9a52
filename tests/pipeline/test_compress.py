"""`l3mote compress`: a tiny recipe from start to end, killed at several points, and folders it must not touch."""

import importlib.util
import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline import KD, PRUNED, SHAPE, TONES, make_tones, start, tensorflow, wait_for
from support import require

from l3host import cli
from l3host import runs as folders
from l3host.errors import L3Error
from l3host.l3m.load import load_graph
from l3host.pipeline import recipe as recipes
from l3host.pipeline.inputs import contents
from l3host.pipeline.run import compress

RECIPE = PRUNED + KD + '[[evaluate]]\ndata = "tones"\nprobe = "logistic"\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with tones/ and recipe.toml."""
    root = tmp_path_factory.mktemp("compress")
    make_tones(root / "tones")
    (root / "recipe.toml").write_text(RECIPE + '[data]\ntones = "tones"\n')
    return root


@pytest.fixture(scope="module")
def finished(place):
    """The run folder of the recipe, never interrupted."""
    tensorflow()
    run = start("compress", place / "recipe.toml", "--run-dir", place / "whole", folder=place)
    assert run.wait(240) == 0, (place / "log.txt").read_text()
    return place / "whole"


def read(folder):
    """result.json without what depends on the clock."""
    result = json.loads((folder / "result.json").read_text())
    del result["seconds"]
    for step in result["recover"]:
        del step["seconds"], step["training_seconds"]
    for evaluation in result["evaluations"]:
        evaluation.pop("seconds", None)
    return result


def test_the_result_holds_what_a_report_needs(finished, place):
    result = read(finished)
    graph = load_graph(str(finished / "model.l3m"))
    assert [conv.kernel.shape[3] for conv in graph.convs] == result["after"]["filters"] == [2, 3, 2, 4]
    weights = 9 * (2 + 2 * 3 + 3 * 2 + 2 * 4)
    assert result["after"]["weights"] == weights and result["after"]["nonzeros"] == weights - round(0.4 * weights)
    assert result["values_bytes"] == 2 * (weights - round(0.4 * weights))
    assert result["bytes"] == (finished / "model.l3m").stat().st_size
    assert result["recipe"]["prune"] == {"plan": None, "sparsity": 40, "gradual": False} and result["source"] == "random"
    assert result["inputs"] == {"tones": contents(place / "tones")}
    (step,) = result["recover"]
    assert step["method"] == "kd" and step["recordings"] == 12 and len(step["losses"]) == 4
    (evaluation,) = result["evaluations"]
    assert set(evaluation["accuracy_per_fold"]) == {"1", "2", "3", "4"} and len(evaluation["confusion"]) == 3
    assert result["boards"]["rp2040"]["seconds_estimate"]["native"]["seconds"] > 0  # calibrated
    assert result["cosine_to_keras"] > 0.9999
    assert any((finished / "recover-1" / "tensorboard").iterdir())
    assert not (finished / "recover-1" / "clips.npz").exists()
    assert graph.provenance["passes"][-3:] == [
        "prune sparsity 40.0", "recover by kd on tones", "fixed-point scales calibrated on synthetic sounds",
    ]  # fmt: skip


def test_a_run_killed_at_several_points_ends_with_the_same_bytes(finished, place):
    """SIGKILL after the first epoch, and as soon as the training and the evaluation are noted."""
    folder = place / "killed"
    for point in ("recover-1/checkpoint.npz", "recover-1.json", "evaluate-1.json"):
        run = start("compress", place / "recipe.toml", "--run-dir", folder, folder=place)
        wait_for((folder / point).exists, run)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert not (folder / "result.json").exists()
    (folder / "cut.keras.1.tmp.keras").touch()  # what a kill in the middle of writing leaves
    assert start("compress", place / "recipe.toml", "--run-dir", folder, folder=place).wait(240) == 0
    assert (folder / "model.l3m").read_bytes() == (finished / "model.l3m").read_bytes()
    assert read(folder) == read(finished)
    assert {p.name for p in folder.rglob("*")} - {p.name for p in finished.rglob("*")} <= {
        p.name for p in (folder / "recover-1" / "tensorboard").iterdir()
    }


def test_a_finished_run_is_not_done_again(finished, place):
    before = (finished / "model.l3m").stat().st_mtime_ns
    messages = []
    result = compress(recipes.load(str(place / "recipe.toml")), finished, lambda *what: messages.append(what))
    assert result == json.loads((finished / "result.json").read_text())
    assert not messages and (finished / "model.l3m").stat().st_mtime_ns == before


def test_other_ways_to_recover(place, tmp_path, monkeypatch):
    """Correspondence with a frozen video network, then batch norm; and a new network taught by SEA, then a classifier."""
    require(importlib.util.find_spec("av"), "PyAV is not installed")
    tensorflow()
    from films import write_clip

    from l3host.networks import build
    from l3host.pipeline import recover_stage

    monkeypatch.setattr(recover_stage, "BATCHNORM_WINDOWS", 16)
    (tmp_path / "videos").mkdir()
    for i in range(3):
        write_clip(tmp_path / "videos" / f"{i}.mkv", i / 5, np.random.default_rng(i))
    build.video((2, 2), 16).save(tmp_path / "video.keras")
    shape = SHAPE + 'final_norm = true\nvideo = "video.keras"\n[ablate]\nwidth = [2, 2, 2, 3]\n[prune]\nplan = [0, 50, 50, 50]\n'
    avc = '[[recover]]\nmethod = "avc"\ndata = "videos"\nepochs = 2\nbatch = 4\npairs = 8\n'
    (tmp_path / "avc.toml").write_text(shape + avc + '[[recover]]\nmethod = "batchnorm"\ndata = "tones"\n')
    data = {"tones": str(place / "tones"), "videos": str(tmp_path / "videos")}
    result = compress(recipes.load(str(tmp_path / "avc.toml"), data), tmp_path / "avc")
    assert [step["method"] for step in result["recover"]] == ["avc", "batchnorm"]
    assert len(result["recover"][0]["losses"]) == 2 and result["recover"][0]["recordings"] == 3
    assert result["inputs"].keys() == {"video", "videos", "tones"} and result["after"]["filters"] == [2, 2, 2, 3]
    assert result["layers"][-1]["activation"] == "none"  # L3's tap, before batch norm and ReLU
    assert [round(layer["density"], 1) for layer in result["layers"]] == [1, 0.5, 0.5, 0.5]
    assert not (tmp_path / "avc" / "recover-1" / "videos").exists()

    learn = '[[recover]]\nmethod = "{}"\ndata = "tones"\nepochs = 1\nbatch = 8\n'
    palette = '[convert]\nencoding = "palette"\n'
    student = "[student]\nfilters = [2, 2, 24, 4]\n" + palette + learn.format("sea") + "points = 16\n" + learn.format("labels")
    (tmp_path / "sea.toml").write_text(SHAPE + student)
    result = compress(recipes.load(str(tmp_path / "sea.toml"), data), tmp_path / "sea")
    assert load_graph(str(tmp_path / "sea" / "model.l3m")).labels == sorted(TONES)
    assert [layer["name"] for layer in result["layers"] if "palette" in layer["encoding"]] == ["conv4"]  # where it pays
    (evaluation,) = result["evaluations"]
    assert evaluation["probe"] == "the classifier" and np.sum(evaluation["confusion"]) == 12
    assert set(result["recover"][1]["folds"]) == {"fold-1", "fold-2", "fold-3", "fold-4", "final"}


def test_each_fold_is_judged_from_weights_that_have_not_heard_it(place, tmp_path, monkeypatch):
    """[source] without: the folds' trainings begin with its files, the last one with the source."""
    tensorflow()
    from l3host.graph.network import frontend
    from l3host.networks import build
    from l3host.networks.backend import keras
    from l3host.train import recover as training

    networks = []
    for number in range(5):
        keras.utils.set_random_seed(number)
        networks.append(build.audio(frontend("sea"), (2, 2, 2, 4), True))
        networks[-1].save(tmp_path / f"{number}.keras")
    (tmp_path / "run.json").write_text('{"recipe": {"name": "mother"}}')  # the sources' own run folder
    began, labels = [], training.labels

    def watched(model, *arguments):
        began.append(model.get_weights())
        return labels(model, *arguments)

    monkeypatch.setattr(training, "labels", watched)
    files = ", ".join(f'"{number}.keras"' for number in (1, 2, 3, 4))
    text = '[source]\nweights = "0.keras"\nwithout = [{}]\n[[recover]]\nmethod = "labels"\ndata = "tones"\nepochs = 1\n'
    (tmp_path / "my.toml").write_text(text.format(files))
    recipe = recipes.load(str(tmp_path / "my.toml"), {"tones": str(place / "tones")})
    result = compress(recipe, tmp_path / "run")
    assert result["source"] == "mother"
    assert "l3mote compress my, from mother, seed 1" in load_graph(str(tmp_path / "run" / "model.l3m")).provenance["source"]
    assert set(result["inputs"]) == {"weights", "weights-1", "weights-2", "weights-3", "weights-4", "tones"}
    for weights, network in zip(began, [*networks[1:], networks[0]], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(weights, network.get_weights(), strict=True))

    def refused(files):
        (tmp_path / "my.toml").write_text(text.format(files))
        with pytest.raises(L3Error) as error:
            compress(recipes.load(str(tmp_path / "my.toml"), {"tones": str(place / "tones")}), tmp_path / "refused")
        shutil.rmtree(tmp_path / "refused", ignore_errors=True)
        return str(error.value)

    assert refused('"1.keras", "2.keras"') == "my, [source] without has 2 files for 4 folds: it takes one for each, in their order"
    assert refused(files.replace("2", "1")).endswith("my.toml, [source]: weights and without name the same file twice")
    assert refused(files.replace("2", "./1")).endswith("my.toml, [source]: weights and without name the same file twice")
    build.audio(frontend("sea"), (2, 2, 2, 5), True).save(tmp_path / "5.keras")
    assert refused(files.replace("2", "5")) == f"my, [source] without: {tmp_path / '5.keras'} is another network than the source"
    build.audio(frontend("two-seconds"), (2, 2, 2, 4), True).save(tmp_path / "6.keras")
    assert "6.keras is another network than the source" in refused(files.replace("1", "6"))
    (tmp_path / "run.json").write_text('{"recipe": {"name": "mother", "recover": [{"folds": null}, {"folds": [4, 3]}]}}')
    assert refused(files) == f"my, [source] without: {tmp_path / '3.keras'} has heard fold 3, which it is to be tested with"
    assert "--data weights-1=PATH says where 7.keras is" in refused(files.replace("1", "7"))


def test_pruned_gradually_then_fine_tuned_as_palettes_without_a_broken_recording(place, tmp_path):
    """Labels prune a dense network on their way; the palette's training keeps zeros, 255 values a layer, and the classifier."""
    tensorflow()
    from l3host.graph import palette

    shutil.copytree(place / "tones", tmp_path / "tones")
    (tmp_path / "tones" / "low" / "0.wav").write_bytes(b"no sound")
    shape = SHAPE.replace("[2, 3, 2, 4]", "[2, 2, 24, 12]") + "final_norm = true\n[prune]\nplan = [0, 0, 50, 60]\ngradual = true\n"
    labels = '[[recover]]\nmethod = "labels"\ndata = "tones"\nepochs = 4\nbatch = 8\nwindows = 2\n'
    shared = '[[recover]]\nmethod = "palette"\ndata = "tones"\nepochs = 1\nbatch = 8\nwindows = 1\n'
    (tmp_path / "my.toml").write_text(shape + labels + shared + '[convert]\nencoding = "palette"\n')
    data = {"tones": str(tmp_path / "tones")}
    with pytest.raises(L3Error, match=r"1 of 12 clips cannot be used: .*0.wav \(unreadable\); --skip-bad leaves them out"):
        compress(recipes.load(str(tmp_path / "my.toml"), data), tmp_path / "refused")
    result = compress(recipes.load(str(tmp_path / "my.toml"), data, skip_bad=True), tmp_path / "run")
    assert list(result["after"]["density"].values()) == [1, 1, 1, 1]  # before any training
    for step in result["recover"]:
        assert step["recordings"] == 11 and [Path(line).name for line in step["skipped"]] == ["0.wav (unreadable)"]
    graph = load_graph(str(tmp_path / "run" / "model.l3m"))
    assert [round(float(np.mean(conv.kernel == 0)), 2) for conv in graph.convs] == [0, 0, 0.5, 0.6]
    assert len(np.unique(graph.convs[3].kernel)) <= palette.LEVELS + 1 and graph.labels == sorted(TONES)
    assert [layer["name"] for layer in result["layers"] if "palette" in layer["encoding"]] == ["conv4"]
    assert result["cosine_to_keras"] > 0.9999  # the palette was there while it learnt


def test_a_sensitivity_study_goes_on_after_a_kill_and_stands_in_the_report(place, tmp_path, monkeypatch):
    tensorflow()
    from l3host.compress import sensitivity
    from l3host.pipeline import finished, report, stages

    monkeypatch.setattr(sensitivity, "PERCENTS", (20, 60))
    monkeypatch.setattr(stages, "BATCHNORM_WINDOWS", 16)
    (tmp_path / "my.toml").write_text(SHAPE + '[sensitivity]\ndata = "tones"\nfolds = [1]\n')
    recipe = recipes.load(str(tmp_path / "my.toml"), {"tones": str(place / "tones")})

    class Killed(Exception):
        pass

    def messages(what, done, total):
        if (what, done) == ("sensitivity", 4):
            raise Killed

    with pytest.raises(Killed):
        compress(recipe, tmp_path / "run", messages)
    events = []
    result = compress(recipe, tmp_path / "run", lambda *what: events.append(what))
    rows = [(row["layer"], row["percent"]) for row in result["sensitivity"]["rows"]]
    assert rows == [("dense", 0)] + [(f"conv{i}", p) for i in range(1, 5) for p in (20, 60)]
    assert [done for what, done, _ in events if what == "sensitivity" and done > 2] == [5, 6, 7, 8, 9]
    require(importlib.util.find_spec("jinja2"), "jinja2 is not installed")
    assert "sensitivity curves" in report.html([finished.read(tmp_path / "run")])


# -- folders that are refused


def test_a_folder_of_another_recipe_is_refused_by_what_differs(finished, place, tmp_path):
    mine = recipes.load(str(place / "recipe.toml"))
    (step,) = mine.recover
    other = replace(mine, seed=2, recover=(replace(step, settings=replace(step.settings, epochs=9)),))
    with pytest.raises(L3Error, match=r"whole is the run of another recipe \(other seed, recover 1.settings.epochs\): choose"):
        compress(other, finished)
    with pytest.raises(L3Error, match=r"\(other recover\)"):
        compress(replace(mine, recover=()), finished)
    shutil.copytree(place / "tones", tmp_path / "tones")
    (tmp_path / "tones" / "low" / "0.wav").unlink()
    with pytest.raises(L3Error, match=r"\(other inputs.tones\)"):
        compress(replace(mine, data={"tones": str(tmp_path / "tones")}), finished)


def test_a_folder_of_something_else_is_left_as_it_is(place, tmp_path):
    (tmp_path / "thesis.tmp").write_text("years of work")
    with pytest.raises(L3Error, match="is not a run folder, it holds thesis.tmp"):
        compress(recipes.load(str(place / "recipe.toml")), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tmp"]
    with pytest.raises(L3Error, match="cannot make the run folder"):
        compress(recipes.load(str(place / "recipe.toml")), tmp_path / "thesis.tmp")


def test_two_processes_in_one_folder(place, tmp_path):
    with folders.locked(tmp_path), pytest.raises(L3Error, match=r"process \d+ works in .*: wait for it, or choose another"):
        compress(recipes.load(str(place / "recipe.toml")), tmp_path)


# -- what a stage refuses


def refused(tmp_path, place, text):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(L3Error) as error:
        compress(recipes.load(str(tmp_path / "bad.toml"), {"tones": str(place / "tones")}), tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()
    return str(error.value)


def test_a_plan_of_the_wrong_length(tmp_path, place):
    tensorflow()
    text = refused(tmp_path, place, SHAPE + "[prune]\nplan = [10, 20]")
    assert text == "a plan of 2 percentages for 4 convolutions: give one for each"


def test_weights_that_are_none(tmp_path, place):
    tensorflow()
    Path(tmp_path / "w.h5").write_bytes(b"not HDF5")
    assert refused(tmp_path, place, '[source]\nweights = "w.h5"\n').startswith("w.h5: ")


def test_a_video_network_that_is_none(tmp_path, place):
    tensorflow()
    (tmp_path / "v.keras").write_bytes(b"nothing")
    shape = SHAPE.replace("filters", 'video = "v.keras"\nfilters')
    text = refused(tmp_path, place, shape + '[[recover]]\nmethod = "avc"\ndata = "tones"\n')
    assert "v.keras: its contents are not those of a .keras file" in text and "\n" not in text
    shutil.copy(tmp_path / "run" / "source.keras", tmp_path / "v.keras")
    shutil.rmtree(tmp_path / "run")
    assert "its input is (None, 8000), not" in refused(tmp_path, place, shape + '[[recover]]\nmethod = "avc"\ndata = "tones"\n')


def test_teacher_and_student_that_hear_differently(tmp_path, place):
    tensorflow()
    student = '[student]\nfilters = [2, 2, 2, 8]\n[[recover]]\nmethod = "sea"\ndata = "tones"\n'
    assert "PCA only reduces" in refused(tmp_path, place, SHAPE + student)


def test_the_command_prints_one_line(place, tmp_path, capsys):
    (tmp_path / "my.toml").write_text(SHAPE + "[prune]\nspeed = 1")
    assert cli.main(["compress", str(tmp_path / "my.toml")]) == 1
    line = f"l3mote: {tmp_path / 'my.toml'}, [prune]: unknown key 'speed': known are plan, sparsity, gradual\n"
    assert capsys.readouterr().err == line


def test_the_source_is_judged_by_the_same_probes(finished, place, tmp_path):
    """The baseline of a pruned network is the evaluation of one to which nothing is done."""
    data = {"tones": str(place / "tones"), "weights": str(finished / "source.keras")}
    source, probe = '[source]\nweights = "source.keras"\n', '[[evaluate]]\ndata = "tones"\nprobe = "logistic"\n'
    results = []
    for name, cut in (("untouched", ""), ("pruned", "[prune]\nsparsity = 40\n")):
        (tmp_path / f"{name}.toml").write_text(source + cut + probe)
        results.append(compress(recipes.load(str(tmp_path / f"{name}.toml"), data), tmp_path / name))
    untouched, pruned = results
    assert untouched["baseline"] == []
    for evaluation in (untouched["evaluations"][0], pruned["baseline"][0]):
        del evaluation["seconds"]
    assert pruned["baseline"] == untouched["evaluations"]
    assert len(pruned["evaluations"]) == 1
