"""`l3mote report`: the page holds the figures of the runs and nothing from elsewhere; folders that are not finished runs."""

import importlib.util
import json
import re
from html.parser import HTMLParser

import pytest
from support import require

from l3host import cli
from l3host.errors import L3Error
from l3host.pipeline import figures, finished, report
from l3host.pipeline.figures import Point

CONFUSION = [[3, 1], [0, 4]]


def result(name, size=5000, accuracy=0.875, row=None, **changes):
    """A result.json with two layers and one evaluation."""
    evaluation = {
        "dataset": "ESC-50", "probe": "mlp", "labels": ["dog", "rain"], "clips": 8, "seeds": [1, 2], "folds": [1, 2],
        "accuracy_mean": accuracy, "accuracy_per_fold": {"1": accuracy - 0.125, "2": accuracy + 0.125},
        "accuracy_interval": [0.512, 0.987], "confusion": CONFUSION,
    }  # fmt: skip
    boards = {
        "rp2040": {
            "fits": False, "missing": 4321, "heap_free": 240000, "heap_needed": 244321,
        },
        "rp2350": {
            "fits": True, "missing": 0, "heap_free": 480000, "heap_needed": 244321,
            "seconds_estimate": {"viper": {"seconds": 2.5, "basis": "guess"}},
        },
    }  # fmt: skip
    return {
        "name": name, "version": "0.1.0", "source": "teacher.h5",
        "recipe": {"name": name, "paper": row, "seed": 7, "random": False},
        "inputs": {"weights": "ab" * 32, "street": "cd" * 32}, "before": {"weights": 4000, "filters": [2, 4]},
        "after": {"filters": [2, 4], "density": {"conv1": 1.0, "conv2": 0.125}, "weights": 1000, "nonzeros": 250},
        "recover": [{"method": "kd", "data": "street", "recordings": 1234, "losses": [2.0, 0.5], "training_seconds": 3.0}],
        "evaluations": [evaluation], "sensitivity": None, "bytes": size, "values_bytes": 500, "layers": [], "macs": 2_500_000,
        "boards": boards, "estimate": {"board": "rp2040", "kernel": "native", "seconds": 0.64, "basis": "a cycle model"},
        "frontend": {"sample_rate": 8000, "bands": 64}, "cosine_to_keras": 0.999999, "seconds": {"load": 1.0, "cut": 2.0},
        **changes,
    }  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """run(name, ...) -> a finished run's folder."""

    def do(name, folder=None, **changes):
        path = tmp_path / "runs" / (folder or name)
        path.mkdir(parents=True)
        actual = result(name, **changes)
        (path / "run.json").write_text(json.dumps({"recipe": actual["recipe"], "inputs": actual["inputs"]}))
        (path / "result.json").write_text(json.dumps(actual))
        return path

    return do


@pytest.fixture
def page(run, tmp_path):
    """page(*folders) -> (text of the HTML file, of the Markdown file)."""
    for module in ("jinja2", "matplotlib"):
        require(importlib.util.find_spec(module), f"{module} is not installed")

    def do(*folders):
        out = tmp_path / "report.html"
        assert cli.main(["report", *map(str, folders), "-o", str(out), "--force"]) == 0
        return out.read_text(encoding="utf-8"), out.with_suffix(".md").read_text(encoding="utf-8")

    return do


class Page(HTMLParser):
    """Text, and every address that a browser would follow or load."""

    def __init__(self, text):
        super().__init__()
        self.words, self.addresses, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href", "action", "data")]

    def handle_data(self, data):
        self.words.append(data.strip())

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_the_page_needs_nothing_else_and_holds_the_figures(page, run):
    text, _ = page(run("a", row="II 95.45"), run("b", size=9000, accuracy=0.75))
    actual = Page(text)
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in actual.addresses)
    assert not {"script", "link", "iframe"} & set(actual.tags)
    assert not re.findall(r"url\((?!#)", text) and "@import" not in text
    shown = ("5,000", "9,000", "75.0", "2.5", "244", "0.64", "0.875", "0.750", "12.5", "0.512 – 0.987", "lacks 4,321 bytes")
    for expected in shown:
        assert expected in actual.text, expected
    assert "1: 0.750, 2: 1.000" in actual.text
    assert "93.75 % less than the source" in actual.text  # 250 of 4,000
    assert actual.tags.count("svg") == 3 and actual.tags.count("img") == 2  # Pareto and losses; confusions


def test_the_papers_figure_stands_beside_ours(page, run):
    text, table = page(run("a", row="II 95.45"), run("b", row="II 53.49"))
    actual = Page(text).text
    for message in ("accuracy, ESC-50, mlp 0.723 0.875", "0.814 MB 0.001 MB; the float16 file with everything in it 0.005 MB"):
        assert message in actual
    ours = "from teacher.h5; hears 8 kHz, 64 bands; kd on 1,234 recordings of street; ESC-50, mlp: folds 1, 2, 8 clips, 2 seed(s)"
    assert ours in actual and "AudioSet videos at 48 kHz" in actual
    assert ours in table and "the paper (Table II, 95.45 % of weights zeroed) 0.723, ours 0.875" in table
    assert "accuracy, ESC-50, mlp: the paper (Table II, 53.49" not in table  # which gives none


def test_the_markdown_table(page, run):
    _, table = page(run("a"))
    assert table.splitlines() == [
        "| run | zeros % | bytes | values only | M MACs | heap kB | RP2040 s (estimate) | ESC-50, mlp |",
        "|---|---|---|---|---|---|---|---|",
        "| a | 75.0 | 5,000 | 500 | 2.5 | 244 | 0.64 | 0.875 |",
    ]


def test_json_names_the_files_that_were_written(run, tmp_path, capsys):
    for module in ("jinja2", "matplotlib"):
        require(importlib.util.find_spec(module), f"{module} is not installed")
    out = tmp_path / "two.html"
    assert cli.main(["report", str(run("a")), str(run("b")), "-o", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"html": str(out), "markdown": str(tmp_path / "two.md"), "runs": 2}


def test_the_same_runs_give_the_same_page(page, run):
    folder = run("a")
    assert page(folder) == page(folder)


def test_what_runs_may_have_or_lack(page, run):
    """Sensitivity curves, an emulated board, several labels a clip; no evaluation, no training."""
    rows = [{"layer": "dense", "percent": 0, "value": 0.8}, {"layer": "conv1", "percent": 20, "value": 0.7}]
    tags = {"dataset": "SONYC-UST", "probe": "mlp", "labels": ["a", "b"], "clips": 9, "seeds": [1], "folds": [1, 2, 3]}
    tags |= {f"auprc_{kind}_{what}": v for kind, v in (("micro", 0.801), ("macro", 0.57)) for what, v in (("mean", v),)}
    tags |= {"auprc_micro_per_fold": {"test": 0.801}, "auprc_macro_per_fold": {"test": 0.57}}
    study = {"rows": rows, "dataset": "ESC-50", "probe": "logistic"}
    full = run("full", row="SEA 3", sensitivity=study, evaluations=[tags])
    emulated = {"runtime": "rp2040", "kernel": "native", "seconds_per_window": 0.777, "heap_peak_bytes": 123456}
    (full / "emulated.json").write_text(json.dumps(emulated))
    text, table = page(full, run("bare", evaluations=[], recover=[]))
    actual = Page(text)
    assert "rp2040, kernel native: 0.777 s a window, heap peak 123,456 bytes" in actual.text
    assert "Sensitivity: each layer pruned alone" in actual.text
    assert "micro AUPRC, SONYC-UST, mlp 0.784 0.801" in actual.text and "macro AUPRC, SONYC-UST, mlp 0.559 0.570" in actual.text
    assert table.splitlines()[3].endswith("| - |")


def test_names_are_text_not_markup(page, run):
    text, _ = page(run("<script>x</script>", folder="odd"))
    assert "script" not in Page(text).tags


def test_runs_of_one_name_are_distinguished(run):
    folders = [run("a"), run("a", folder="again")]
    assert [actual.name for actual in finished.read_all(folders)] == [str(folder) for folder in folders]


def test_pareto_front_by_hand():
    pairs = {"a": (3, 0.7), "b": (1, 0.5), "c": (2, 0.4), "d": (4, 0.7), "e": (1, 0.3), "f": (9, 0.9)}
    points = [Point(name, *pair) for name, pair in pairs.items()]
    assert [point.name for point in figures.front(points)] == ["b", "a", "f"]


def pruned(nonzeros, methods, accuracy, filters=(2, 4), dense=0.9, **recipe):
    """What a result of so many non-zero weights of 1,000 says, `dense` being its source's accuracy."""
    after = {"filters": list(filters), "density": {"conv1": nonzeros / 1000}, "weights": 1000, "nonzeros": nonzeros}
    recover = [{"method": method, "data": "street", "recordings": 9} for method in methods]
    judged = result("x", accuracy=dense)["evaluations"] if dense else []
    recipe = {"name": "x", "paper": None, "seed": 7, "random": False, "source": {}, **recipe}
    return {"after": after, "recover": recover, "accuracy": accuracy, "recipe": recipe, "baseline": judged}


def test_what_zeros_cost_by_network_and_recovery(page, run):
    """Two folds of kd at 50 %, one at 95; one of a teacher; a dense one; another network."""
    folders = [
        run("kd-50", **pruned(500, ["kd"], 0.75, dense=0.875)), run("kd-50b", **pruned(500, ["kd"], 0.5, dense=0.625)),
        run("kd-95", **pruned(50, ["kd"], 0.25, dense=None)), run("ft-95", **pruned(50, ["sea"], 0.375, dense=None, teacher={})),
        run("dense", **pruned(1000, [], 0.9, dense=None)),
    ]  # fmt: skip
    runs = finished.read_all(folders)
    families, uncompressed = report.sparse(runs, "ESC-50, mlp")
    assert families == {
        "kd": [("kd-50", 50.0, 0.75), ("kd-50b", 50.0, 0.5), ("kd-95", 95.0, 0.25)],
        "sea with a teacher": [("ft-95", 95.0, 0.375)],
    }
    assert uncompressed == {"uncompressed": 0.75}
    assert figures.means(families["kd"]) == ([50.0, 95.0], [0.625, 0.25])
    other = finished.read(run("wide", **pruned(200, ["batchnorm", "kd"], 0.5, filters=(8, 8))))
    assert list(report.sparse([*runs, other], "ESC-50, mlp")[0]) == ["2-4, kd", "2-4, sea with a teacher", "8-8, batchnorm, kd"]
    assert "What zeros cost" in Page(page(*folders)[0]).text
    assert "What zeros cost" not in Page(page(*folders[:2])[0]).text  # as many zeros


# -- what is refused


def refused(*folders):
    with pytest.raises(L3Error) as error:
        finished.read_all(list(folders))
    return str(error.value)


def test_folders_that_are_not_a_finished_run(run, tmp_path):
    folder = run("a")
    assert "is not a run folder of l3mote compress (it has no run.json)" in refused(tmp_path)
    assert "not a run folder" in refused(tmp_path / "nowhere")
    assert "a run folder is given twice" in refused(folder, tmp_path / "runs" / ".." / "runs" / "a")
    (folder / "result.json").write_text('{"name": "a"}')
    assert "result.json has no version: it is not what this version" in refused(folder)
    (folder / "result.json").write_text("{")
    assert "cannot read " in refused(folder)
    for text in ("[]", "null", "3"):
        (folder / "result.json").write_text(text)
        assert "result.json has no " in refused(folder)
    (folder / "result.json").unlink()
    assert refused(folder) == f"{folder} is not finished: l3mote compress a --run-dir {folder} continues it"


@pytest.mark.parametrize("note", ['{"dataset": "x", "settings": {}}', "[]", '{"recipe": 1}', '{"recipe": {}}'])
def test_the_run_folder_of_train_is_not_one_of_compress(note, tmp_path):
    (tmp_path / "run.json").write_text(note)
    assert refused(tmp_path) == f"{tmp_path} is not a run folder of l3mote compress: its run.json does not name a recipe"


def test_nothing_is_written_when_a_run_is_refused(run, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert cli.main(["report", str(run("a")), str(tmp_path), "-o", str(out)]) == 1
    assert "not a run folder" in capsys.readouterr().err
    assert not out.exists() and not out.with_suffix(".md").exists()
    assert cli.main(["report", str(tmp_path / "runs" / "a"), "-o", str(tmp_path / "report.md")]) == 1
    assert "name it .html" in capsys.readouterr().err


def test_the_sources_stand_above_what_was_made_of_them_once(page, run):
    """A dense network judged by the same probes, with its paper's figure: .399 alone says nothing."""
    judged = result("x", accuracy=0.625)["evaluations"]
    recipe = {"name": "a", "paper": "II 95.45", "seed": 7, "random": False, "source": {"paper": "L3"}}
    text, table = page(run("a", recipe=recipe, baseline=judged), run("b", recipe=recipe | {"name": "b"}, baseline=judged))
    lines = table.splitlines()
    assert lines[2] == "| teacher.h5, uncompressed | - | - | - | - | - | - | 0.625 (paper 0.737) |"
    assert lines[3].startswith("| a | 75.0 |") and lines[3].endswith(" 0.875 (paper 0.723) |")
    assert [line.split(" ")[1] for line in lines[2:5]] == ["teacher.h5,", "a", "b"]
    assert 'href="#run-1">a</a>' in text and Page(text).text.count("teacher.h5, uncompressed") == 1
