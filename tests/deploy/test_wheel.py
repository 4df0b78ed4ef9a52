"""The wheel, built from a copy of the working tree and installed into an empty environment, does what the README says."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import ROOT, require

ROOTS = ("host", "converters", "device")
SOURCES = ["pyproject.toml", "README.md", "LICENSE", *ROOTS]
OFFLINE = ("NewConnectionError", "NameResolutionError", "Could not find a version")


def pip(python, *arguments):
    done = subprocess.run(
        [str(python), "-m", "pip", "--disable-pip-version-check", *arguments], capture_output=True, text=True, timeout=600
    )
    output = done.stdout + done.stderr
    require(not any(sign in output for sign in OFFLINE), "the package index is not reachable")
    assert done.returncode == 0, output


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built wheel's path."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=skip)
        else:
            shutil.copy(ROOT / name, tree / name)
    pip(sys.executable, "wheel", "-q", "--no-deps", "-w", str(out), str(tree))
    (path,) = out.glob("l3mote-*.whl")
    return path


@pytest.fixture(scope="module")
def files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory):
    """The folder of programs of an environment with nothing but the wheel and what it depends on."""
    home = tmp_path_factory.mktemp("empty")
    venv.create(home, with_pip=True)
    bin_dir = home / ("Scripts" if os.name == "nt" else "bin")
    pip(bin_dir / "python", "install", "-q", str(wheel))
    return bin_dir


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A working folder far from the checkout, with noise.wav of 2 s at 44.1 kHz."""
    path = tmp_path_factory.mktemp("elsewhere")
    soundfile.write(path / "noise.wav", np.random.default_rng(0).normal(0, 0.1, (88200, 2)), 44100)
    return path


@pytest.fixture(scope="module")
def run(programs, elsewhere):
    """run('l3mote', ...) in the empty environment -> stdout."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "L3_"))}

    def do(program, *arguments):
        command = [str(programs / program), *arguments]
        done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return do


@pytest.mark.parametrize("package", ["host/l3host", "converters/l3convert", "device/l3mote"])
def test_wheel_has_every_module(files, package):
    folder = ROOT / package
    modules = [path.relative_to(folder.parent).as_posix() for path in folder.rglob("*.py")]
    assert modules and not set(modules) - files


DATA = [
    "l3host/emulate/wasm.mjs", "l3host/emulate/guest/job.py", "l3host/models/esc10.l3m", "l3host/models/l3-64.l3m",
    "l3host/models/README.md", "l3host/models/l3-64.md", "l3host/models/attribution.csv",
    "l3host/pipeline/report.html", "l3host/recipes/esc10.toml", "l3host/recipes/esc10-student.toml",
]  # fmt: skip


@pytest.mark.parametrize("name", DATA)
def test_wheel_has_the_data(files, name):
    assert name in files


def test_wheel_has_the_device_package(files):
    names = ("__init__", "format", "reader", "plan", "model", "frontend", "kernels/__init__", "kernels/ulab", "kernels/python")
    assert {f"l3mote/{name}.py" for name in names} <= files


def test_wheel_has_nothing_else(files):
    tops = {name.split("/")[0] for name in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"l3host", "l3convert", "l3mote"}
    assert not [name for name in files if "/test_" in name or name.endswith((".pyc", ".h5", ".wav", ".keras"))]


def test_metadata(wheel, files):
    (name,) = (n for n in files if n.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(name).decode()
    lines = metadata.splitlines()
    assert "License-Expression: MIT" in lines
    required = [line for line in lines if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    assert {line.split()[1].split(">")[0] for line in required} == {"numpy", "soundfile", "h5py", "rich", "threadpoolctl"}
    assert (ROOT / "README.md").read_text(encoding="utf-8").strip() in metadata


def test_classify_in_an_empty_environment(run):
    (row,) = json.loads(run("l3mote", "classify", "esc10", "noise.wav", "--json"))
    assert row["file"] == "noise.wav"
    assert row["label"] in (None, *row["scores"])
    assert len(row["scores"]) == 10
    assert 0 < sum(row["scores"].values()) <= 1  # the rest is of sounds that are none of the labels


@pytest.mark.parametrize("kernel", ["ulab", "python"])
def test_emulate_in_an_empty_environment(run, kernel):
    arguments = ["--runtime", "cpython", "--kernel", kernel, "--json"]
    result = json.loads(run("l3mote", "emulate", "esc10", "noise.wav", *arguments))
    assert result["parity"]["ok"] and result["selftest"]["ok"]
    assert result["kernel"] == kernel


def test_inspect_and_selftest_in_an_empty_environment(run):
    assert json.loads(run("l3mote", "inspect", "esc10", "--json"))["boards"]["rp2350"]["fits"]
    assert json.loads(run("l3mote", "selftest", "esc10", "--json"))["ok"]


def test_the_package_comes_from_the_wheel(run, programs):
    code = "import l3host, l3mote, l3convert; print(l3host.__file__, l3mote.__file__, l3convert.__file__)"
    places = run("python", "-c", code).split()
    assert all(Path(place).is_relative_to(programs.parent) for place in places)


def test_tensorflow_is_not_there(run):
    listed = json.loads(run("python", "-m", "pip", "list", "--format", "json"))
    names = {entry["name"].lower() for entry in listed}
    assert "l3mote" in names
    assert not {"tensorflow", "keras", "scikit-learn", "scipy", "matplotlib", "resampy", "librosa"} & names


def test_tensorflow_is_not_imported_where_it_is_installed(elsewhere):
    """In this environment, which may well have it."""
    code = "import sys; from l3host.cli import main; print(main(sys.argv[1:]), {'tensorflow', 'keras'} & set(sys.modules))"
    command = [sys.executable, "-c", code, "embed", "esc10", str(elsewhere / "noise.wav"), "--quiet", "--force"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=300).stdout.strip() == "0 set()"
