"""Every core in QEMU computes what the reference does: random layers of each shape, and the events of the listening app."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from bench_listen import expected, reported
from integers import SCRIPT, in_device_order, smallest_heaps
from shapes import SHAPES, graph_of, noise
from support import SCRIPTS, runtime_of
from ten import TEN

from l3host.architectures import ARCHITECTURES
from l3host.emulate import emulation, qemu, runtimes
from l3host.emulate.listen import listen
from l3host.l3m.writer import to_bytes
from l3host.package import mpy
from l3host.reference import fixed_point
from l3host.sound import synth
from l3mote.kernels import FIXED as KERNELS

SIGNED = ("odd widths", "dense", "sparse")  # whose activations are also taken as they come, without a ReLU


@pytest.fixture(params=[name for name in qemu.MACHINES if name != "lx7-wifi"])  # of another heap only
def core(request):
    return runtime_of(request.param)


@pytest.fixture(scope="module")
def cases():
    """(shape, activation) -> (model, window, the reference's integers, bytes of the least heap)."""
    result = {}
    for shape, activation in [(shape, "relu") for shape in SHAPES] + [(shape, "none") for shape in SIGNED]:
        graph = graph_of(shape, activation)
        pcm = noise(graph.frontend, 1)
        expected = in_device_order(graph, fixed_point.run(graph, graph.fixed, pcm))
        result[shape, activation] = to_bytes(graph), pcm[0], expected, smallest_heaps(graph)[-1][1]
    return result


def architecture(runtime):
    return next(name for name, arch in ARCHITECTURES.items() if runtime in arch.runtimes)


def test_random_layers_of_every_shape(core, cases, tmp_path):
    """With the package as `make mpy` and `make dist` precompile it for the core; native also in its least heap: strips."""
    folder, library = tmp_path / "job", tmp_path / "lib"
    mpy.package(architecture(core.name), library)
    shutil.copy(SCRIPT, library)
    runs = [(case, kernel, False) for case in cases for kernel in KERNELS] + [(case, "native", True) for case in cases]
    names = {f"{i}": run for i, run in enumerate(runs)}
    for name, (case, kernel, is_least) in names.items():
        (folder / name).mkdir(parents=True)
        model, pcm, _, heap = cases[case]
        (folder / name / "model.l3m").write_bytes(model)
        pcm.astype("<i2").tofile(folder / name / "audio.pcm")
        (folder / name / "job.json").write_text(json.dumps({"kernel": kernel, "heap": heap if is_least else None}))
    (folder / "job.json").write_text(json.dumps(list(names)))
    done = runtimes.execute(core, SCRIPTS / "cores.py", library, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    for name, (case, kernel, is_least) in names.items():
        integers = np.fromfile(folder / name / "integers.i16", "<i2")
        assert (integers == cases[case][2]).all(), (case, kernel, is_least)


@pytest.mark.parametrize("name", qemu.MACHINES)
def test_the_app_hears_what_the_reference_hears(name, tmp_path, monkeypatch):
    """Beside Wi-Fi the package has to be precompiled, as `l3mote deploy` does it: to compile takes heap that is not there."""
    runtime_of(name)
    if name == "lx7-wifi":
        monkeypatch.setattr(emulation, "copy_library", lambda to: mpy.package(architecture(name), to))
    sound = np.concatenate([synth.sound("rain", 2.0), np.zeros(synth.RATE), synth.sound("clock_tick", 2.0)])
    clip = tmp_path / "sound.wav"
    soundfile.write(clip, sound, synth.RATE)
    report = listen(TEN, str(clip), name)
    assert reported(report) == expected(clip, TEN)
    assert report.spans("rain") and report.facts["kernel"] == "native"


def test_each_core_runs_the_module_of_its_architecture():
    tested = {runtime for arch in ARCHITECTURES.values() for runtime in arch.runtimes}
    assert tested >= set(qemu.MACHINES) | {"rp2040", "unix"}
    assert [name for name, arch in ARCHITECTURES.items() if not arch.runtimes] == ["x86"]
