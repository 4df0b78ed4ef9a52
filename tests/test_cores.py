"""Every core in QEMU computes what the reference does: random layers of each shape, and the events of the listening app."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import require
from test_fixed import in_device_order
from test_native import SHAPES, graph_of, noise

from l3host import audio, fixed, synth
from l3host import listen as reference
from l3host.architectures import ARCHITECTURES
from l3host.emulate import mpy, qemu, runtimes
from l3host.emulate.listen import listen
from l3host.errors import L3Error
from l3host.load import load_graph
from l3host.writer import to_bytes

HERE = Path(__file__).parent
KERNELS = ("native", "viper")


@pytest.fixture(params=qemu.MACHINES)
def core(request):
    try:
        return runtimes.find(request.param)
    except L3Error as e:
        require(False, str(e))


@pytest.fixture(scope="module")
def cases():
    """Shape -> (model, window, the reference's integers)."""
    result = {}
    for shape in SHAPES:
        graph = graph_of(shape)
        pcm = noise(graph.frontend, 1)
        result[shape] = to_bytes(graph), pcm[0], in_device_order(graph, fixed.run(graph, graph.fixed, pcm))
    return result


def architecture(runtime):
    return next(name for name, arch in ARCHITECTURES.items() if runtime in arch.runtimes)


def test_random_layers_of_every_shape(core, cases, tmp_path):
    """With the package as `make mpy` and `make dist` precompile it for the core."""
    folder, library = tmp_path / "job", tmp_path / "lib"
    mpy.package(architecture(core.name), library)
    shutil.copy(HERE / "fixed_board.py", library)
    names = {f"{i}-{kernel}": (shape, kernel) for i, shape in enumerate(cases) for kernel in KERNELS}
    for name, (shape, kernel) in names.items():
        (folder / name).mkdir(parents=True)
        model, pcm, _ = cases[shape]
        (folder / name / "model.l3m").write_bytes(model)
        pcm.astype("<i2").tofile(folder / name / "audio.pcm")
        (folder / name / "job.json").write_text(json.dumps({"kernel": kernel, "heap": None}))
    (folder / "job.json").write_text(json.dumps(list(names)))
    done = runtimes.execute(core, HERE / "cores_board.py", library, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    for name, (shape, kernel) in names.items():
        found = np.fromfile(folder / name / "integers.i16", "<i2")
        assert (found == cases[shape][2]).all(), (shape, kernel)


def test_the_app_hears_what_the_reference_hears(core, tmp_path):
    graph, rate = load_graph("esc10"), synth.RATE
    sound = np.concatenate([synth.sound("rain", 2.0), np.zeros(rate), synth.sound("clock_tick", 2.0)])
    soundfile.write(tmp_path / "sound.wav", sound, rate)
    pcm = audio.to_pcm(audio.load(str(tmp_path / "sound.wav"), graph.frontend.sample_rate))
    expected = [(e["event"], e["label"], e["t"]) for e in reference.listen(graph, pcm, graph.frontend.sample_rate, {})]
    heard = listen("esc10", str(tmp_path / "sound.wav"), core.name)
    assert [(e["event"], e["label"], e["t"]) for e in heard.events if e["event"] in ("start", "end")] == expected
    assert any(label == "rain" for _, label, _ in expected) and heard.facts["kernel"] == "native"


def test_each_core_runs_the_module_of_its_architecture():
    tested = {runtime for arch in ARCHITECTURES.values() for runtime in arch.runtimes}
    assert tested >= set(qemu.MACHINES) | {"rp2040", "unix"}
    assert [name for name, arch in ARCHITECTURES.items() if not arch.runtimes] == ["x86"]
