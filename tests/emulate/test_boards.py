"""Real firmware on emulated boards (`make emulators`), those of QEMU and the RP2040, whose floats have 32 bits."""

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from make_small import PATH
from support import ROOT, runtime_of
from ten import TEN

from l3host.boards import estimates, table
from l3host.emulate import emulate, qemu, rp2040, runtimes
from l3host.emulate.rp2040.serial_port import board
from l3host.errors import L3Error
from l3host.l3m.load import load_graph
from l3host.package import mpy
from l3host.package.library import copy_library
from l3host.reference import fixed_point
from l3host.sound import synth
from l3host.sound.audio import to_pcm
from l3host.sound.resampling import resample
from l3mote import plan
from l3mote.tolerances import LAYER_RELATIVE, SCORE

DEVICE = ROOT / "tests" / "device"
BOARDS = [*(name for name in qemu.MACHINES if name != "lx7-wifi"), "rp2040"]


def execute(name, tmp_path, script, files=()):
    """Run a script's text on a board, with copies of files in its job folder."""
    folder, library = tmp_path / "job", tmp_path / "lib"
    folder.mkdir()
    library.mkdir()
    copy_library(library)
    for file in files:
        shutil.copy(file, folder)
    path = tmp_path / "script.py"
    path.write_text(script)
    return runtimes.execute(runtime_of(name), path, library, folder)


def noise():
    """One window for small.l3m."""
    return np.random.default_rng(3).integers(-9000, 9000, (1, load_graph(str(PATH)).frontend.window)).astype(np.int16)


def test_the_device_tests_pass_on_qemu(tmp_path):
    done = execute("qemu", tmp_path, (DEVICE / "run.py").read_text(), DEVICE.glob("*.*"))
    lines = done.stdout.strip().splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines[-1].endswith("passed, 0 failed on micropython")
    written = "\n".join(f.read_text() for f in DEVICE.glob("test_*.py"))
    assert len(lines) - 1 == written.count("\ndef test_")


def test_single_precision_floats_equal_the_reference():
    runtime_of("qemu")
    emulation = emulate(str(PATH), noise(), "qemu", kernel="python")
    assert emulation.ok, emulation.first_failure
    assert max(layer.max_rel for layer in emulation.layers) <= LAYER_RELATIVE
    assert np.abs(emulation.outputs - emulation.reference.output).max() <= SCORE
    facts = emulation.to_json()
    assert facts["selftest"]["ok"] and facts["kernel"] == "python"
    assert 1e8 < facts["instructions_frontend"] < facts["instructions_per_window"] < 1e10
    assert facts["base_bytes"] < facts["heap_peak_bytes"] < 240 * 1024
    assert emulation.facts["implementation"] == "micropython"


@pytest.mark.parametrize("kernel", ["native", "viper"])
@pytest.mark.parametrize("name", BOARDS)
def test_integer_kernels_give_every_bit_on_boards(name, kernel):
    runtime_of(name)
    facts = emulate(str(PATH), noise(), name, kernel=kernel).to_json()
    assert facts["kernel"] == kernel and facts["arithmetic"] == "fixed"
    assert facts["bit_exact"] and facts["parity"]["ok"] and facts["selftest"]["ok"]


@pytest.mark.parametrize("name", BOARDS)
def test_the_shipped_model_on_boards(name):
    counted, heap = ("cycles", None) if name == "rp2040" else ("instructions", 200 * 1024)
    runtime_of(name)
    rain = to_pcm(resample(synth.sound("rain", 2.0), synth.RATE, 8000))[None]
    facts = emulate(TEN, rain, name, heap=heap).to_json()
    assert facts["kernel"] == "native" and facts["bit_exact"] and facts["selftest"]["ok"]
    assert facts["labels"] == ["rain"]
    assert 0 < facts[f"{counted}_frontend"] < facts[f"{counted}_per_window"]
    assert facts["heap_peak_bytes"] < (heap or 240 * 1024)


FLOATS = """
import sys, struct
def work(folder):
    two = 2.0  # mpy-cross would compute constants in 64 bits
    print(sys.platform, 1 + two ** -23 > 1, 1 + two ** -24 > 1)
    with open(folder + "/result", "wb") as f:
        f.write(struct.pack("<I", 0x12345678))
    yield
"""


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_has_short_floats_and_gives_files_back(name, tmp_path):
    platform = "rp2" if name == "rp2040" else "qemu"
    done = execute(name, tmp_path, FLOATS)
    assert (done.returncode, done.stdout) == (0, f"{platform} True False\n"), done.stderr
    assert (tmp_path / "job" / "result").read_bytes() == b"\x78\x56\x34\x12"


CLOCK = """
import machine
from l3mote.app import Monitor
from l3mote.output import Output
from l3mote.settings import load
class App(Monitor):
    def __init__(self, settings):
        self.settings, self.output = settings, Output(settings)
        self.set_clock()
def work(folder):
    App(load(folder + "/settings.json"))
    print(machine.freq())
    yield
"""


@pytest.mark.parametrize(("mhz", "hz"), [(0, 125_000_000), (72, 72_000_000)])
def test_the_emulated_pico_runs_at_the_clock_of_its_settings(mhz, hz, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"mic": "callback", "log": "", "freq": mhz}))
    done = execute("rp2040", tmp_path, CLOCK, [tmp_path / "settings.json"])
    assert done.stdout.splitlines() == [str(hz)], done.stdout + done.stderr


HEAP = """
import gc, json
def taken(before):
    gc.collect()
    return before - gc.mem_free()
def work(folder):
    gc.collect()
    before = gc.mem_free()
    from l3mote import Model
    model = Model(folder + "/model.l3m", heap=112000, kernel="native")
    print(json.dumps([before, taken(before) - model.plan.heap_bytes]))
    yield
"""


def test_the_estimate_s_package_is_what_it_takes_on_the_emulated_pico(tmp_path):
    shutil.copy(TEN, tmp_path / "model.l3m")
    done = execute("rp2040", tmp_path, HEAP, [tmp_path / "model.l3m"])
    free, package = json.loads(done.stdout)
    package += plan.RUN_OBJECTS  # which the plan has and a model that does not run has not
    assert table.BOARDS["rp2040"].heap == pytest.approx(free, rel=0.01)
    assert package <= estimates.PACKAGE_BYTES <= package + 4096  # beside it there are holes


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("body, status, message", [
    ("    assert 1 == 2\n    yield", 1, "AssertionError"),
    ("    yield\n    raise SystemExit(7)", 7, ""),
    ("    yield bytearray(1 << 24)", 1, "MemoryError"),
])  # fmt: skip
def test_a_failure_on_a_board_is_the_run_s_status(name, body, status, message, tmp_path):
    done = execute(name, tmp_path, f"def work(folder):\n{body}\n")
    assert done.returncode == status and message in done.stdout


@pytest.mark.parametrize("name", BOARDS)
def test_a_script_that_does_not_compile_fails(name, tmp_path):
    done = execute(name, tmp_path, "def work(folder:\n")
    assert done.returncode == 1 and "SyntaxError" in done.stdout + done.stderr


def test_a_heap_larger_than_the_board_s_is_refused():
    runtime_of("qemu")
    with pytest.raises(L3Error, match="^runtime qemu has a heap of at most 1048576 bytes, not of 1048577$"):
        emulate(str(PATH), noise(), "qemu", heap=(1 << 20) + 1)


@pytest.mark.parametrize("name", qemu.MACHINES)
def test_a_board_has_the_heap_that_was_asked_for(name, tmp_path):
    script = "import gc\ndef work(folder):\n    print(gc.mem_free() + gc.mem_alloc())\n    yield\n"
    folder, library, path = tmp_path / "job", tmp_path / "lib", tmp_path / "script.py"
    folder.mkdir()
    library.mkdir()
    path.write_text(script)
    done = runtimes.execute(runtime_of(name), path, library, folder, 200_000)
    assert 190_000 < int(done.stdout) < 200_000, done.stderr


@pytest.mark.parametrize("name, kilobytes", [("lx7", (64, 166)), ("lx7-wifi", (64, 112))])
def test_the_lx7_s_own_heap_is_an_esp32_s3_s(name, kilobytes, tmp_path):
    """The first piece, and at the prompt of an S3 the largest that could be added: 230 kB, 55,000 bytes of them Wi-Fi's."""
    script = "import gc\ndef work(folder):\n    gc.collect()\n    print(gc.mem_free() + gc.mem_alloc())\n    yield\n"
    done = execute(name, tmp_path, script)
    total = int(done.stdout)
    assert 0.96 * 1024 * sum(kilobytes) < total < 1024 * sum(kilobytes) + 3_000, done.stderr


def test_a_heap_too_small_for_the_model_is_one_line_on_qemu():
    runtime_of("qemu")
    with pytest.raises(L3Error, match="^runtime qemu: .*bytes are missing") as e:
        emulate(str(PATH), noise(), "qemu", plan_heap=1000)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", BOARDS)
def test_missing_firmware_says_what_to_run(name, tmp_path, monkeypatch):
    runtime_of(name)
    monkeypatch.setenv("L3_EMULATORS", str(tmp_path))
    with pytest.raises(L3Error, match=f"runtime {name} needs its firmware: run make emulators"):
        runtimes.find(name)


def test_a_board_that_does_not_start_is_an_error(tmp_path, monkeypatch):
    runtime_of("rp2040")
    (tmp_path / "emulators").mkdir()
    (tmp_path / "emulators" / "rp2040.bin").write_bytes(bytes.fromhex("fee7") * 50_000)  # b . (it hangs)
    monkeypatch.setenv("L3_EMULATORS", str(tmp_path / "emulators"))
    done = execute("rp2040", tmp_path, FLOATS)
    assert done.returncode == 3 and "is this its firmware?" in done.stderr


def test_a_board_that_does_not_reach_the_script_is_an_error(tmp_path, monkeypatch, capfd):
    runtime_of("qemu")
    for name in ("job", "lib"):
        (tmp_path / name).mkdir()
    (tmp_path / "script.py").write_text(FLOATS)
    monkeypatch.setattr(qemu, "START", "import nowhere")
    assert qemu.run("qemu", 200_000, tmp_path / "script.py", tmp_path / "lib", tmp_path / "job") == 1
    assert capfd.readouterr().out.endswith("ImportError: no module named 'nowhere'\n")


def test_romfs_integers():
    assert [qemu.uint(n) for n in (0, 127, 128, 0x4081)] == [b"\x00", b"\x7f", b"\x81\x00", b"\x81\x81\x01"]


def mpremote(port, *arguments):
    command = [sys.executable, "-m", "mpremote", "connect", port, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mpremote_copies_files_to_the_emulated_pico(tmp_path):
    runtime_of("rp2040")
    sent, back = tmp_path / "sent.bin", tmp_path / "back.bin"
    sent.write_bytes(np.random.default_rng(1).bytes(5000))
    with board() as pico:
        assert "sent.bin" not in mpremote(pico.port, "ls")
        mpremote(pico.port, "cp", sent, ":sent.bin")
        assert "5000 sent.bin" in mpremote(pico.port, "ls")
        assert hashlib.sha256(sent.read_bytes()).hexdigest() in mpremote(pico.port, "sha256sum", ":sent.bin")
        mpremote(pico.port, "cp", ":sent.bin", back)
        assert mpremote(pico.port, "exec", "import machine; print(machine.freq())").strip() == "125000000"
        assert pico.running
    assert back.read_bytes() == sent.read_bytes()
    assert not pico.running


def test_mpremote_runs_a_file_that_the_image_brought(tmp_path):
    runtime_of("rp2040")
    fs = rp2040.file_system()
    (tmp_path / "greeting.py").write_text("print('six times seven is', 6 * 7)\n")
    rp2040.copy_in(fs, tmp_path / "greeting.py", "/lib_greeting.py")
    with board(rp2040.dump(fs)) as pico:
        assert mpremote(pico.port, "exec", "import lib_greeting").strip() == "six times seven is 42"


ON_THE_BOARD = """
import json
from l3mote import Model
model = Model("small.l3m")
with open("sound.pcm", "rb") as f:
    f.readinto(model.pcm)
model.run()
print(json.dumps([model.kernel_name, list(model.vectors[0]), list(model.vectors[-1]), model.selftest()[0]]))
"""


def test_mpremote_deploys_and_runs_a_model(tmp_path):
    """Package, model and sound arrive whole, and the board's integers are the reference's."""
    runtime_of("rp2040")
    graph, pcm = load_graph(str(PATH)), noise()
    lib, script = tmp_path / "lib", tmp_path / "script.py"
    lib.mkdir()
    mpy.package("armv6m", lib)
    for kernel in ("python", "ulab", "viper"):  # the slow line has enough to carry
        (lib / "l3mote" / "kernels" / f"{kernel}.mpy").unlink()
    (tmp_path / "sound.pcm").write_bytes(pcm.astype("<i2").tobytes())
    script.write_text(ON_THE_BOARD)
    sent = {":small.l3m": PATH, ":sound.pcm": tmp_path / "sound.pcm"}
    with board() as pico:
        mpremote(pico.port, "cp", "-r", lib, ":")
        mpremote(pico.port, "cp", *sent.values(), ":")
        sent |= {f":{path.relative_to(tmp_path)}": path for path in lib.rglob("*.mpy")}
        hashes = mpremote(pico.port, "sha256sum", *sent)
        answer = mpremote(pico.port, "run", script)
    assert len(sent) > 10
    assert [hashlib.sha256(path.read_bytes()).hexdigest() in hashes for path in sent.values()] == [True] * len(sent)
    expected = fixed_point.run(graph, graph.fixed, pcm)
    assert json.loads(answer) == ["native", expected.embedding[0].tolist(), expected.flat[0].tolist(), True]
