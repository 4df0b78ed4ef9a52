"""package.json and what `make dist` writes, installed by the real mip, in the unix port, and the real circup, on a drive."""

import contextlib
import functools
import http.server
import json
import subprocess
import sys
import threading
import zipfile

import pytest
from make_small import PATH
from support import ROOT, micropython, require

import dist
from l3host.programs import venv_tool
from l3mote import __version__

BOOT_OUT = "Adafruit CircuitPython 10.3.0 on 2024-11-20; Raspberry Pi Pico with rp2040\nBoard ID:raspberry_pi_pico\n"
SELFTEST = "from l3mote import Model\nmodel = Model({!r})\nprint(model.kernel_name, model.selftest()[0])\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    dist.write(folder, folder / "package.json")
    return folder


@contextlib.contextmanager
def served(folder):
    """The folder as a web server on this machine; yields its address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("which", ["the repository", "make dist"])
def test_mip_installs_the_package_and_it_runs(which, made, tmp_path):
    with served(ROOT if which == "the repository" else made / "mip" / "py") as address:
        micropython(f"import mip\nmip.install('{address}/package.json', target={str(tmp_path)!r}, mpy=False)", tmp_path)
    assert micropython(SELFTEST.format(str(PATH)), tmp_path) == "viper True\n"


def test_package_json_names_every_module(made):
    written = json.loads((ROOT / "package.json").read_text())
    assert written == json.loads((made / "package.json").read_text()), "make dist writes it again"
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / "device" / "l3mote").rglob("*.py")}
    modules -= {f"device/l3mote/{name}.py" for name in ("verify", "paced", "signature")}
    assert {source for _, source in written["urls"]} == modules
    assert all("device/" + name == source for name, source in written["urls"]) and written["version"] == __version__


def test_each_architecture_has_its_own_tree(made):
    boards = {"armv6m", "armv7m", "armv7emsp", "xtensawin", "rv32imc"}
    assert {path.name for path in (made / "mip").iterdir()} == boards | {"py"}
    for arch in boards:
        files = dict(json.loads((made / "mip" / arch / "package.json").read_text())["urls"])
        assert all((made / "mip" / arch / source).read_bytes()[:2] == b"M\x06" for source in files.values())
        native = [name for name in files if "l3native" in name]
        assert native == [f"l3mote/kernels/l3native_{arch}.mpy"]


def test_circup_installs_the_bundle(made, tmp_path):
    """As if it had downloaded it: offline, from its data folder."""
    circup = venv_tool("circup")
    require(circup, "circup is not installed: pip install 'l3mote[dev]'")
    data, drive = tmp_path / "data" / "circup", tmp_path / "drive"
    (drive / "lib").mkdir(parents=True)
    (drive / "boot_out.txt").write_text(BOOT_OUT)
    (data / "me" / "l3mote-py").mkdir(parents=True)
    with zipfile.ZipFile(made / f"l3mote-py-{__version__}.zip") as bundle:
        bundle.extractall(data / "me" / "l3mote-py")
    (data / "bundle_config.json").write_text('{"l3mote": "me/l3mote"}')
    (data / "circup.json").write_text(json.dumps({"me/l3mote": [__version__]}))
    command = [circup, "--offline", "--path", str(drive), "install", "--py", "l3mote"]
    done = subprocess.run(command, env={"XDG_DATA_HOME": str(data.parent)}, capture_output=True, text=True, timeout=120)
    assert "Installed 'l3mote'" in done.stdout, done.stdout + done.stderr
    assert not [*drive.rglob("*.mpy"), *drive.rglob("*viper.py"), *drive.rglob("*native.py"), *drive.rglob("mic_machine.py")]
    run = [sys.executable, "-c", SELFTEST.format(str(PATH))]
    done = subprocess.run(run, env={"PYTHONPATH": str(drive / "lib")}, capture_output=True, text=True, timeout=120)
    assert done.stdout == "ulab True\n", done.stderr


def test_the_bundle_is_the_same_each_time(made, tmp_path):
    again = dist.write_bundle(tmp_path)
    assert again.read_bytes() == (made / again.name).read_bytes()
