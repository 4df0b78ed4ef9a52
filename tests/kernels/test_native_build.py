"""The prebuilt native modules are what their source makes: built again, the same bytes from the same compiler, or the same bits."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
from support import ROOT, require
from ten import TEN

from l3host.architectures import ARCHITECTURES
from l3host.emulate import emulate, runtimes
from l3host.errors import L3Error
from l3host.l3m import selftest_signal
from l3host.package.library import copy_library
from l3host.programs import emulators

NATIVE = ROOT / "device" / "native"
KERNELS = ROOT / "device" / "l3mote" / "kernels"
SHIPPED = [path.stem.partition("_")[2] for path in sorted(KERNELS.glob("l3native_*.mpy"))]
ENTRY = 0x36  # the low byte of the instruction that a windowed Xtensa function begins with


def build(folder, source):
    """Run build.py on a copy of the C; returns the folder of modules and what it said."""
    shutil.copytree(NATIVE, folder / "native", ignore=shutil.ignore_patterns("build-*", "*.mpy"))
    (folder / "l3mote" / "kernels").mkdir(parents=True)
    return subprocess.run([sys.executable, folder / "native" / "build.py", source], capture_output=True, text=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    source = emulators() / "micropython"
    require(source.exists(), "building native modules needs MicroPython's source: run make emulators")
    for package in ("elftools", "ar"):
        require(importlib.util.find_spec(package), "building native modules needs pip install pyelftools ar")
    done = build(folder, source)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def compilers(folder):
    """Architecture -> the compiler's first line about itself."""
    return dict(line.split(": ", 1) for line in (folder / "compilers").read_text().splitlines())


def test_every_module_names_its_compiler():
    assert sorted(compilers(NATIVE)) == SHIPPED == sorted(ARCHITECTURES)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_module_built_again_is_the_same(arch, built, monkeypatch):
    folder, message = built
    name = f"l3native_{arch}.mpy"
    module = folder / "l3mote" / "kernels" / name
    require(module.exists(), next((line for line in message.splitlines() if f" {arch} " in line), message))
    same = compilers(folder / "native")[arch] == compilers(NATIVE)[arch]
    if same:
        assert module.read_bytes() == (KERNELS / name).read_bytes(), f"{name} is not what its source makes: make native"
    if ARCHITECTURES[arch].runtimes and (not same or arch == "x64"):
        assert bits_are_equal(module, ARCHITECTURES[arch].runtimes[0], monkeypatch)


def bits_are_equal(module, runtime, monkeypatch):
    """The shipped model gives every bit of the reference with this module in place of the repository's."""
    try:
        runtimes.find(runtime)
    except L3Error as e:
        require(False, str(e))

    def with_module(to):
        copy_library(to)
        shutil.copy(module, to / "l3mote" / "kernels")

    monkeypatch.setattr("l3host.emulate.emulation.copy_library", with_module)
    pcm = selftest_signal.signal(16000, 99)[None]
    facts = emulate(TEN, pcm, runtime, kernel="native").to_json()
    return facts["bit_exact"] and facts["selftest"]["ok"]


def test_xtensa_code_is_read_in_whole_words(built):
    """The ESP32-S3's instruction memory takes no narrower loads. Constants lie in data; code's addresses are those of functions."""
    from elftools.elf.elffile import ELFFile

    path = built[0] / "native" / "build-xtensawin" / "module.o"
    require(path.exists(), built[1])
    functions = 0
    with path.open("rb") as f:
        elf = ELFFile(f)
        symbols = list(elf.get_section_by_name(".symtab").iter_symbols())
        for section in elf.iter_sections("SHT_RELA"):
            if not section.name.startswith((".rela.literal", ".rela.rodata", ".rela.data")):
                continue
            for relocation in section.iter_relocations():
                symbol = symbols[relocation["r_info_sym"]]
                index = symbol["st_shndx"]
                target = elf.get_section(index) if isinstance(index, int) else None
                if target is None or not target.name.startswith(".text"):
                    continue
                at = symbol["st_value"] + relocation["r_addend"]
                assert target.data()[at] == ENTRY, (section.name, symbol.name, at)
                functions += 1
    assert functions >= 10  # those that Python calls at least


def test_without_micropython_s_source_the_build_says_what_to_run(tmp_path):
    done = build(tmp_path, tmp_path)
    assert done.returncode == 1 and "run make emulators" in done.stderr


def test_a_missing_compiler_is_named_with_its_package(tmp_path):
    """With no compiler on the PATH nothing is built, and each line says which package brings one."""
    shutil.copytree(NATIVE, tmp_path / "native", ignore=shutil.ignore_patterns("build-*", "*.mpy"))
    (tmp_path / "py").mkdir()
    (tmp_path / "py" / "dynruntime.mk").touch()
    environment = {**os.environ, "PATH": str(tmp_path), "L3_EMULATORS": str(tmp_path)}
    command = [sys.executable, tmp_path / "native" / "build.py", tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert "x64 left as it is: it needs gcc (package gcc)\n" in done.stderr
    assert "armv6m left as it is: it needs arm-none-eabi-gcc (package gcc-arm-none-eabi)\n" in done.stderr
    assert "xtensawin left as it is: it needs xtensa-esp32-elf-gcc (make emulators PARTS=xtensa)\n" in done.stderr
