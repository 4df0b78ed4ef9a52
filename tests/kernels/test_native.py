"""The native kernels: bit for bit viper's and the reference's integers, safe with hostile parameters, refused where unfit."""

import json
import shutil
import subprocess
import zlib
from io import BytesIO

import numpy as np
import pytest
from integers import SCRIPT, in_device_order, smallest_heaps, sounds
from models import in_palettes
from sanitized import NATIVE, WARNINGS
from shapes import SHAPES, graph_of, noise
from support import ROOT, micropython, require, runtime_of
from ten import TEN

from l3host.emulate import runtimes
from l3host.graph.half import rounded
from l3host.l3m.load import load_graph
from l3host.l3m.writer import LOSSLESS, to_bytes
from l3host.programs import emulators
from l3host.reference import fixed_point
from l3host.sound import synth
from l3host.sound.audio import to_pcm
from l3host.sound.resampling import resample
from l3mote import plan
from l3mote.kernels import parts
from l3mote.reader import Reader

TESTS = ROOT / "tests" / "native"
PACKAGE = ROOT / "device"
MODULE = PACKAGE / "l3mote" / "kernels" / "l3native_x64.mpy"


def integers(graph, pcm, kernel, folder, heap=None, package=PACKAGE, encoding="auto", width=None, near=None):
    """What integer_window.py computes, in tiles of `width` and in parts of `near` bytes if given."""
    folder.mkdir()
    (folder / "model.l3m").write_bytes(to_bytes(graph, encoding))
    pcm.astype("<i2").tofile(folder / "audio.pcm")
    (folder / "job.json").write_text(json.dumps({"kernel": kernel, "heap": heap, "width": width, "near": near}))
    done = runtimes.execute(runtime_of("unix"), SCRIPT, package, folder)
    assert done.returncode == 0, done.stderr + done.stdout
    if width is not None:
        last = Reader(BytesIO(to_bytes(graph))).layers[len(graph.convs) - 1]
        assert int(done.stdout) == -(-plan.used_cols(last) // width)
    return np.fromfile(folder / "integers.i16", "<i2")


@pytest.mark.parametrize("shape", SHAPES)
def test_random_layers_in_strips_of_one_row_and_in_tiles(shape, tmp_path):
    graph = graph_of(shape)
    pcm = noise(graph.frontend, 1)
    expected = in_device_order(graph, fixed_point.run(graph, graph.fixed, pcm))
    for kernel in ("native", "viper"):
        for width, heap in smallest_heaps(graph):
            result = integers(graph, pcm[0], kernel, tmp_path / f"{kernel}-{width}", heap, width=width)
            assert (result == expected).all(), (kernel, width)


@pytest.mark.parametrize("shape", ["odd widths", "dense", "sparse", "pool of three"])
def test_random_layers_at_once_and_with_signed_activations(shape, tmp_path):
    graph = graph_of(shape, "none")
    pcm = noise(graph.frontend, 1)
    run = fixed_point.run(graph, graph.fixed, pcm)
    assert any((x < 0).any() for x in run.outputs[:-1])
    expected = in_device_order(graph, run)
    for kernel in ("native", "viper"):
        assert (integers(graph, pcm[0], kernel, tmp_path / kernel) == expected).all(), kernel


@pytest.mark.parametrize("shape", ["odd widths", "sparse", "half", "dense", "pool of three", "odd widths pooled once"])
def test_strips_in_parts_of_a_cache_give_the_same_bits(shape, tmp_path, monkeypatch):
    """As on an ESP32 with PSRAM, of a cache that no plane fits into; in the least heap, strips begin within groups of the pool."""
    graph, near = graph_of(shape), 500
    monkeypatch.setattr(parts, "NEAR", near)
    monkeypatch.setattr(parts, "LEAST", 1)
    convs = Reader(BytesIO(to_bytes(graph))).layers[: len(graph.convs)]
    strips = [(layer, plan.used_rows(layer), plan.used_cols(layer)) for layer in convs]
    assert any(parts.size(conv.inputs, *strip, conv.pool_rows, conv.pool_cols) != tuple(strip) for conv, *strip in strips)
    pcm = noise(graph.frontend, 1)
    expected = in_device_order(graph, fixed_point.run(graph, graph.fixed, pcm))
    for heap in (None, smallest_heaps(graph)[0][1]):
        assert (integers(graph, pcm[0], "native", tmp_path / str(heap), heap, near=near) == expected).all(), heap


@pytest.mark.parametrize("rotation", range(len(LOSSLESS)))
@pytest.mark.parametrize("shape", ["odd widths", "narrow planes", "nearly empty", "nearly dense", "more than 255 taps apart"])
def test_random_layers_in_every_encoding(shape, rotation, tmp_path):
    """Each layer has another encoding, and over the rotations every one."""
    graph = in_palettes(graph_of(shape))
    pcm = noise(graph.frontend, 1)
    graph.fixed = fixed_point.calibrate(graph, pcm)
    expected = in_device_order(graph, fixed_point.run(graph, graph.fixed, pcm))
    encodings = [LOSSLESS[(i + rotation) % len(LOSSLESS)] for i in range(len(graph.layers))]
    for kernel in ("native", "viper"):
        assert (integers(graph, pcm[0], kernel, tmp_path / kernel, None, PACKAGE, encodings) == expected).all(), kernel


@pytest.mark.parametrize("sound", ["rain", "clock_tick"])
def test_shipped_model(sound, tmp_path):
    graph = rounded(load_graph(TEN))
    graph.fixed = fixed_point.calibrate(graph, sounds(graph))
    fe = graph.frontend
    pcm = to_pcm(resample(synth.sound(sound), synth.RATE, fe.sample_rate))[: fe.window]
    expected = in_device_order(graph, fixed_point.run(graph, graph.fixed, pcm[None]))
    assert (integers(graph, pcm, "native", tmp_path / "job") == expected).all()


@pytest.mark.parametrize("kind", ["silence", "full scale", "one sample", "last sample", "quiet", "at rest", "steps", "far from 0"])
def test_front_end_at_its_edges(kind, tmp_path):
    graph = graph_of("sparse")
    n = graph.frontend.window
    pcm = {
        "silence": np.zeros(n),
        "full scale": np.where(np.arange(n) // 7 % 2, 32767, -32768),
        "one sample": np.arange(n) == 100,
        "last sample": -32768 * (np.arange(n) == n - 1),
        "quiet": np.random.default_rng(0).integers(-2, 3, n),
        "at rest": np.full(n, -3),
        "steps": 3 - np.arange(n) // 250,
        "far from 0": np.where(np.arange(n) % 230 < 200, -32768, 32767),
    }[kind].astype(np.int16)
    expected = in_device_order(graph, fixed_point.run(graph, graph.fixed, pcm[None]))
    for kernel in ("native", "viper"):
        assert (integers(graph, pcm, kernel, tmp_path / kernel) == expected).all(), kernel


def copy_of_package(folder):
    shutil.copytree(PACKAGE / "l3mote", folder / "l3mote", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


CHOOSE = "from l3mote.kernels import choose, KernelError\nprint(choose(None, True).name)\n"
INSIST = "try:\n    choose('native')\nexcept KernelError as e:\n    print(e)\n"


@pytest.mark.parametrize("fault", ["of another architecture", "of another version", "missing"])
def test_a_module_that_does_not_fit_is_passed_over(fault, tmp_path):
    module = copy_of_package(tmp_path) / "l3mote" / "kernels" / MODULE.name
    if fault == "of another architecture":
        shutil.copy(module.with_name("l3native_armv6m.mpy"), module)
    elif fault == "of another version":
        module.write_bytes(b"M\x05" + module.read_bytes()[2:])
    else:
        module.unlink()
    name, reason = micropython(CHOOSE + INSIST, tmp_path).splitlines()[:2]
    assert name != "native"
    assert "kernel native does not load here" in reason and "l3native_x64.mpy" in reason


def test_parameters_are_checked_before_anything_is_touched():
    code = """
import struct
from l3mote.kernels.native import module
p = [0] * 22 + [0, 3, 8, 0, 8, 0, 0]
layer = [0, 0, 9, 8, 5, 0, 4095, 0, 10, 50, 8, 24, 1, 1, 0]
def call(p, chunk=22, shifts=1, x=100, out=48, scratch=136, at=0, parts=(22, 1, 0, 9), layer=layer):
    layer = struct.pack("<%di" % len(layer), *layer)
    same = bytes(shifts), bytearray(scratch), struct.pack("<%dH" % len(parts), *parts), layer
    try:
        p = struct.pack("<%di" % len(p), *p)
        return module.conv(bytes(chunk), memoryview(bytearray(x + at))[at:], bytearray(out), p, same)
    except ValueError as e:
        return str(e)
print(call(p))
print(call(p, scratch=132))
for short in ({"chunk": 21}, {"shifts": 0}, {"x": 98}, {"out": 46}, {"scratch": 60}):
    print(call(p, **short))
print(call(p, layer=[22] + layer[1:], chunk=22 + 511))  # a palette that ends outside
print(call(p, layer=layer[:-1]))
print(call(p, parts=(22, 1, 0)))
print(call(p[:-2] + [1, 0]))  # the chunk after the last
print(call(p[:-2] + [0, 1]))  # a filter beyond the shifts and the plane
print(call(p, parts=(22, 2, 0, 9)))
print(call(p, layer=[0, 4] + layer[2:]))  # an unknown position code
print(call(p[:-1]))
print(call(p, at=1))
for i in range(len(p)):
    for v in (-1, 1 << 30, -(1 << 31), (1 << 31) - 1):
        call(p[:i] + [v] + p[i + 1:])
        if i < len(layer):
            call(p, layer=layer[:i] + [v] + layer[i + 1:])
"""
    lines = micropython(code).splitlines()
    assert lines[:2] == ["1", "0"]  # no room for the filter's list: not done
    assert lines[2:15] == ["parameters reach outside a buffer"] * 13
    assert lines[15] == "buffer not aligned"


def test_checksums():
    code = """
from array import array
from l3mote.kernels.native import check
data = bytes([i * 97 %% 251 for i in range(1000)])
parts, crcs = %r, array("I", %r)
print([[check(memoryview(data)[a:], b - a, crcs, i) for i in range(len(crcs))] for a, b in parts])
for n, i in ((1000, len(crcs)), (1000, -1), (1001, 0), (-1, 0)):
    try:
        check(data, n, crcs, i)
    except ValueError as e:
        print(e)
"""
    data = bytes(i * 97 % 251 for i in range(1000))
    parts = [(0, 1000), (1, 1000), (3, 998), (2, 3), (5, 5)]
    expected = [zlib.crc32(data[a:b]) for a, b in parts]
    equal = [[i == j for j in range(len(parts))] for i in range(len(parts))]
    assert micropython(code % (parts, expected)).splitlines() == [str(equal)] + 4 * ["parameters reach outside a buffer"]


def test_an_esp32_s2_gets_no_module_whose_instructions_it_lacks():
    """MAC16 and loops: its core is an LX7 without both, its architecture the ESP32-S3's."""
    code = """
from l3mote.kernels import native
class sys:
    class implementation:
        _mpy = 10 << 10 | 6
for sys.implementation._machine in ("LOLIN_S2_MINI with ESP32-S2FN4R2", "Generic ESP32S2 module with ESP32S2", "x with ESP32S3"):
    native.sys = sys
    try:
        native.load()
    except ImportError as e:
        print(e)
"""
    assert ["lacks instructions" in line for line in micropython(code).splitlines()] == [True, True, False]


@pytest.mark.parametrize(
    ("compiler", "install", "folder", "flags"),
    [
        ("gcc", "package gcc", "portable", ""),
        ("arm-none-eabi-gcc", "package gcc-arm-none-eabi", "armv6m", "-mthumb -mcpu=cortex-m0plus"),
        ("arm-none-eabi-gcc", "package gcc-arm-none-eabi", "armv7m", "-mthumb -mcpu=cortex-m3"),
        ("arm-none-eabi-gcc", "package gcc-arm-none-eabi", "armv7em", "-mthumb -mcpu=cortex-m4"),
        (str(emulators() / "xtensa" / "bin" / "xtensa-esp32-elf-gcc"), "make emulators PARTS=xtensa", "lx7", ""),
    ],
)
def test_each_c_file_compiles_alone_without_a_warning(compiler, install, folder, flags, tmp_path):
    """module.c aside, which needs MicroPython's headers and is compiled with -Werror whenever a module is built."""
    require(shutil.which(compiler), f"compiling the C needs {compiler} ({install})")
    files = sorted(path for path in [*NATIVE.glob("*.c"), *(NATIVE / folder).glob("*.c")] if path.name != "module.c")
    assert len(files) >= 7
    for path in files:
        command = [compiler, *WARNINGS, "-Wmissing-prototypes", "-O2", *flags.split(), "-c", path, "-o", tmp_path / "file.o"]
        subprocess.run(command, check=True)


@pytest.mark.parametrize(
    ("folder", "cpu", "board"),
    [("armv6m", "cortex-m0plus", "mps2-an385"), ("armv7m", "cortex-m3", "mps2-an385"), ("armv7em", "cortex-m4", "mps2-an386")],
)
def test_assembly_equals_c(folder, cpu, board, tmp_path):
    program = tmp_path / "asm.elf"
    require(shutil.which("arm-none-eabi-gcc"), "checking the assembly needs arm-none-eabi-gcc (package gcc-arm-none-eabi)")
    require(shutil.which("qemu-system-arm"), "checking the assembly needs qemu-system-arm (package qemu-system-arm)")
    flags = f"-mthumb -mcpu={cpu} -O2 -ffreestanding -fno-tree-loop-distribute-patterns -nostdlib -Wl,-e,start"
    places = "-Wl,--section-start=.vectors=0 -Wl,-Ttext=0x100 -Wl,-Tbss=0x20000000 -Wl,-Tdata=0x20008000"
    sources = [TESTS / "asm.c", *sorted((NATIVE / folder).glob("*.S"))]
    subprocess.run(["arm-none-eabi-gcc", *WARNINGS, *flags.split(), *places.split(), *sources, "-lgcc", "-o", program], check=True)
    machine = ["qemu-system-arm", "-M", board, "-nographic", "-semihosting-config", "enable=on,target=native", "-kernel"]
    done = subprocess.run([*machine, program], capture_output=True, text=True, timeout=60)
    assert "equal" in done.stdout + done.stderr
