"""Bad input to kernels and emulators: each says in one line what is wrong and what to do, and what can go on goes on."""

import subprocess

import pytest
from make_small import PATH
from support import require

from l3host import cli, programs
from l3host.emulate import emulate, runtimes
from l3host.errors import L3Error
from l3host.l3m import selftest_signal
from l3host.l3m.load import load_graph
from l3host.l3m.writer import to_bytes
from l3host.package.library import copy_library

CHOOSE = """\
from l3mote.kernels import KernelError, choose
print(choose(None, True).name)
try:
    choose({!r}, True)
except KernelError as e:
    print(e)
"""
NOT_ITS_TYPE = "import micropython\n@micropython.viper\ndef decode(x: int) -> int:\n    return 'text' + x\n"


@pytest.fixture
def library(tmp_path):
    """A copy of the device package that a test may spoil, and that MicroPython's unix port runs."""
    try:
        runtimes.find("unix")
    except L3Error as e:
        require(False, str(e))
    copy_library(tmp_path)
    return tmp_path


def chosen(library, kernel):
    """The kernel that loads for a calibrated file, and why this one does not."""
    command = [runtimes.venv_tool("micropython"), "-c", CHOOSE.format(kernel)]
    done = subprocess.run(command, env={"MICROPYPATH": f"{library}:.frozen"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def refused(kernel, reason):
    return f"kernel {kernel} does not load here ({reason}): the kernel 'python' runs everywhere"


@pytest.mark.parametrize("start, complaint", [
    (b"M\x06\x13\x1f", "incompatible .mpy arch"),  # armv6m, 4 in bits 2 to 5
    (b"M\x05", "incompatible .mpy file"),
])  # fmt: skip
def test_a_native_module_for_something_else(start, complaint, library):
    module = library / "l3mote" / "kernels" / "l3native_x64.mpy"
    module.write_bytes(start + module.read_bytes()[len(start) :])
    reason = f"l3native_x64.mpy is not for this interpreter (.mpy version 6): {complaint}"
    assert chosen(library, "native") == ["viper", refused("native", reason)]


def test_viper_code_that_the_emitter_does_not_take(library):
    (library / "l3mote" / "kernels" / "viper.py").write_text(NOT_ITS_TYPE)
    (library / "l3mote" / "kernels" / "l3native_x64.mpy").unlink()
    name, reason = chosen(library, "viper")
    assert name == "python" and reason.startswith("kernel viper does not load here (") and "return expected 'int'" in reason


def test_a_file_without_scales_runs_in_floats_and_says_what_integers_need(tmp_path):
    graph = load_graph(str(PATH))
    graph.fixed = None
    path = tmp_path / "float.l3m"
    path.write_bytes(to_bytes(graph))
    pcm = selftest_signal.signal(graph.frontend.window, 5)[None]
    emulation = emulate(str(path), pcm, "cpython")
    assert emulation.ok and emulation.facts["arithmetic"] == "float"
    for kernel in ("native", "viper"):
        with pytest.raises(L3Error, match=r"no fixed-point scales: l3mote convert --calibrate adds them, or use a float kernel$"):
            emulate(str(path), pcm, "unix", kernel=kernel)


def test_qemu_without_its_program_names_the_package(monkeypatch, tmp_path):
    (tmp_path / "qemu.elf").touch()
    monkeypatch.setenv("L3_EMULATORS", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(L3Error, match="^runtime qemu needs qemu-system-arm: apt-get install qemu-system-arm, or run make"):
        runtimes.find("qemu")


def test_the_pico_without_its_emulator_names_the_package(monkeypatch, tmp_path):
    (tmp_path / "rp2040.bin").touch()
    monkeypatch.setenv("L3_EMULATORS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    require(programs.venv_tool("node"), "the emulated Pico needs node: run make setup")
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(L3Error, match="^runtime rp2040 needs rp2040js: npm install it here, or run make emulators$"):
        runtimes.find("rp2040")


def test_help_names_every_runtime(capsys):
    for command in ("emulate", "selftest"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        message = capsys.readouterr().out
        assert all(name in message for name in runtimes.RUNTIMES)
