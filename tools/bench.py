"""Measure what kernels and models cost on emulated boards and on this computer: python tools/bench.py OUTPUT.md [SEA.h5].

Layers are measured inside a network of three convolutions, models whole; the device package and its kernels are the unchanged ones.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import bench_cores
import bench_host
import bench_report
import budget
import edgel3
import numpy as np

from l3host import show
from l3host.deploy import remote
from l3host.emulate import runtimes
from l3host.emulate.emulation import job_folder
from l3host.errors import L3Error
from l3host.files import write_bytes
from l3host.graph.network import Conv, Dense, Graph
from l3host.l3m.finish import finish
from l3host.l3m.load import find, load_graph, open_reader
from l3host.l3m.writer import to_bytes
from l3host.reference import fixed_point
from l3host.sound import synth
from l3host.sound.audio import to_pcm
from l3host.sound.resampling import resample
from l3host.sound.windows import calibration_windows
from l3mote import format as fmt
from l3mote.kernels import FIXED as KERNELS  # to be measured
from l3mote.strips import schedule

SCRIPT = Path(__file__).parent / "micropython_scripts" / "bench_kernels.py"
# Bytes of heap: the RP2040 has what it has; a PC has plenty, and plans for as much as a board would have free.
RUNTIMES = {"rp2040": {}, "qemu": {"heap": 256 * 1024}, "unix": {"plan_heap": 150_000}}
# Beside the Cortex-M3: the shipped model, and the layer of one shape natively.
CORES = {"m4": RUNTIMES["qemu"], "m33": RUNTIMES["qemu"], "rv32": RUNTIMES["qemu"], "lx7": RUNTIMES["qemu"]}
SHAPES = ((16, 32, 25), (32, 32, 25), (64, 8, 6))  # channels in and out, bands, frames: planes of SEA's second and last block
DENSITIES = (1.0, 0.5, 0.25, 0.1, 0.05)
ATTEMPTS = {"unix": 5}  # the fastest counts; one elsewhere, because emulators have no noise
SMALL_HEAP = 112_000  # bytes for buffers; an RP2040 then has some 40 kB left for other things
SPARSITY = 0.9  # of the pruned SEA-64


@dataclass(frozen=True)
class Subject:
    """A model file to measure: the whole network, or, if density is set, only its layer called "layer"."""

    title: str
    path: Path
    kernels: tuple[str, ...] = KERNELS
    density: float | None = None
    plan_heap: int | None = None  # bytes of heap for the model's buffers, else what the runtime has
    heap: int | None = None  # bytes that the runtime has, if not what others have


@dataclass(frozen=True)
class LayerCost:
    """One layer of a window. cost: in the runtime's unit, with decoding and requantising, without reading the file."""

    name: str
    shape: str
    density: float
    macs: int  # on non-zero weights
    outputs: int  # sums before the pool
    cost: float

    @property
    def per_mac(self) -> float:
        return self.cost / self.macs


@dataclass
class Result:
    """What one subject cost in one runtime with one kernel, in the runtime's unit; problem says why it could not run."""

    subject: Subject
    runtime: str
    kernel: str
    problem: str | None = None
    window: float = 0.0  # of a whole model
    frame: float = 0.0  # of its log-mel
    frames: int = 0
    layers: list[LayerCost] = field(default_factory=list)
    facts: dict = field(default_factory=dict)  # of guest/job.py

    @property
    def layer(self) -> LayerCost:
        """Return the layer that a subject with a density measures."""
        return next(layer for layer in self.layers if layer.name == "layer")


# -- what is measured


def layer_graph(channels: int, bands: int, frames: int, density: float) -> Graph:
    """Return a network whose "layer" has this many channels in and out, on planes of this size, and this share of non-zeros.

    A convolution before it makes the channels and one after it reduces them: a large embedding would cost heap of its own.
    """
    rng = np.random.default_rng(0)
    n_fft = max(64, 2 * bands)
    window = n_fft * (frames + 1) // 2
    front = fmt.Frontend(
        8000, window, window, n_fft, n_fft // 2, bands, fmt.SCALE_MEL, fmt.PADDING_VALID, 0.0, 4000.0, 1e-10, 80.0, 0.02, 0.4
    )
    layers: list[Conv | Dense] = []
    shapes = (("first", 1, channels, 1.0, (1, 1)), ("layer", channels, channels, density, (2, 2)))
    for name, inputs, outputs, share, pool in (*shapes, ("last", channels, 1, 1.0, (bands // 2, frames // 2))):
        kernel = rng.uniform(0.1, 1.0, (3, 3, inputs, outputs)) * rng.choice([-1, 1], (3, 3, inputs, outputs))
        empty = rng.permutation(kernel.size)[round(share * kernel.size) :]
        kernel.flat[empty] = 0
        layers.append(Conv(name, kernel / np.sqrt(9 * inputs * share), rng.uniform(-0.1, 0.1, outputs), "relu", pool))
    graph = Graph(front, layers)
    graph.fixed = fixed_point.calibrate(graph, rng.integers(-9000, 9000, (2, window)).astype(np.int16))
    return graph


def pruned(graph: Graph, sparsity: float, one_threshold: bool) -> Graph:
    """Return a copy with the smallest convolution weights pruned, globally or layer by layer, and not retrained."""
    weights = [np.abs(conv.kernel).ravel() for conv in graph.convs]
    common = np.quantile(np.concatenate(weights), sparsity)
    layers = list(graph.layers)
    for i, w in enumerate(weights):
        threshold = common if one_threshold else np.quantile(w, sparsity)
        layers[i] = replace(layers[i], kernel=np.where(np.abs(layers[i].kernel) >= threshold, layers[i].kernel, 0))
    return replace(graph, layers=layers, fixed=None)


def written(graph: Graph, path: Path, encoding: str = "auto") -> Path:
    if graph.fixed is None:
        graph = finish(graph, encoding, windows=calibration_windows(graph.frontend), sounds="synthetic sounds")
    path.write_bytes(to_bytes(graph, encoding))
    return path


def subjects(folder: Path, sea: str | None) -> Iterator[Subject]:
    """Yield the layers, the shipped model, and SEA-64 where its weights (.h5) are given. Files are written to the folder."""
    for channels, bands, frames in SHAPES:
        for density in DENSITIES:
            title = f"{channels}->{channels}, {bands}x{frames}"
            path = folder / f"layer-{channels}-{bands}-{density}.l3m"
            yield Subject(title, written(layer_graph(channels, bands, frames, density), path), density=density)
    yield Subject(bench_cores.SHIPPED, find("esc10"))
    edge = edgel3.make(folder / "edgel3.l3m")
    for heap in bench_cores.EDGE_HEAPS:
        yield Subject(bench_cores.EDGE, edge, ("native",), heap=heap)
    if sea:
        from l3convert import convert

        graph = convert(sea)
        graphs = {"dense": graph}
        for how, one_threshold in (("in each layer", False), ("by one threshold", True)):
            graphs[f"{SPARSITY:.0%} sparse {how}"] = pruned(graph, SPARSITY, one_threshold)
        for name, variant in graphs.items():
            encoding = "auto" if variant is graph else "palette"  # as a device's file is made
            yield Subject(f"SEA-64, {name}", written(variant, folder / f"{name}.l3m", encoding), ("native",))
        name = f"{SPARSITY:.0%} sparse in each layer"
        title = f"SEA-64, {name}, {SMALL_HEAP // 1000} kB of buffers"
        yield Subject(title, folder / f"{name}.l3m", ("native",), plan_heap=SMALL_HEAP)


# -- measuring


def pixels(path: Path, heights: list[int]) -> list[int]:
    """Return at how many positions each layer's filters are computed in a window, with the strips of a plan."""
    reader = open_reader(str(path))
    convs = [layer for layer in reader.layers if layer.kind == fmt.CONV]
    counts = [0] * len(convs) + [1] * (len(reader.layers) - len(convs))
    for i, first, stop in schedule(convs, heights):
        counts[i] += (stop - first) * convs[i].cols
    reader.close()
    return counts


def layer_costs(path: Path, heights: list[int], spent: list[float]) -> list[LayerCost]:
    """Return `spent` of each layer, in any unit."""
    reader = open_reader(str(path))
    reader.close()
    result = []
    for layer, n, cost in zip(reader.layers, pixels(path, heights), spent, strict=True):
        density = layer.nonzeros / (layer.outputs * layer.taps)
        shape = f"{layer.inputs}->{layer.outputs}, {layer.cols}x{layer.rows}"
        result.append(LayerCost(layer.name, shape, density, n * layer.nonzeros, n * layer.outputs, cost))
    return result


def samples(path: Path, windows: int) -> np.ndarray:
    """Return (windows, window) of rain."""
    fe = load_graph(str(path)).frontend
    rain = to_pcm(resample(synth.sound("rain"), synth.RATE, fe.sample_rate))
    return np.resize(rain, (windows, fe.window))


def measure(subject: Subject, runtime: str, kernel: str) -> Result:
    """Run a subject; if the runtime is missing or the model does not fit, the result's problem says so."""
    try:
        where = runtimes.find(runtime)
        attempts = [attempt(subject, where, kernel) for _ in range(ATTEMPTS.get(runtime, 1))]
    except L3Error as e:
        return Result(subject, runtime, kernel, str(e))
    return min(attempts, key=lambda result: result.layer.cost if subject.density else result.window)


def attempt(subject: Subject, where: runtimes.Runtime, kernel: str) -> Result:
    """Measure once: the heap in one window (whole models only), the time in another, and each layer's time in the self-test."""
    windows = 0 if subject.density or subject.heap else 1
    job: dict[str, Any] = {"kernel": kernel, "heap_enforced": where.heap_enforced, **(RUNTIMES | CORES)[where.name]}
    if subject.plan_heap:
        job["plan_heap"] = subject.plan_heap
    if subject.heap:
        job.update(heap=subject.heap, parts=subject.heap > 1 << 20)
    with job_folder(str(subject.path), samples(subject.path, windows), **job) as (library, folder):
        shutil.copy(runtimes.JOB, library / "measured_job.py")  # "job" is the folder on boards
        shutil.copy(remote.FOLDER / "timed_model.py", library)
        facts, _ = runtimes.run_job(where, library, folder, job.get("heap"), SCRIPT)
        times = json.loads((folder / "times.json").read_text())
    per_us = where.hz / 1e6 if where.counts else 1000
    frames = load_graph(str(subject.path)).frontend.frames
    layers = layer_costs(subject.path, facts["heights"], [us * per_us for us in times["layers"]])
    window, frame = times["window"] * per_us, times["frontend"] * per_us / frames
    return Result(subject, where.name, kernel, None, window, frame, frames, layers, facts)


def cases(all_subjects: list[Subject]) -> Iterator[tuple[Subject, str, str]]:
    """Yield (subject, runtime, kernel) of each measurement."""
    for runtime in RUNTIMES:
        yield from ((subject, runtime, kernel) for subject in all_subjects if not subject.heap for kernel in subject.kernels)
    yield from (run for subject in all_subjects for run in bench_cores.runs_on_cores(subject, list(CORES)))


def main(output: str, sea: str | None = None) -> None:
    """Measure everything and write the report. Raises L3Error if the weights cannot be read."""
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary, show.bars(False) as bar:
        all_subjects = list(subjects(Path(temporary), sea))
        todo = list(cases(all_subjects))
        task = bar.add_task("bench", total=len(todo))
        results = []
        for subject, runtime, kernel in todo:
            bar.update(task, description=f"{runtime}: {subject.title}, {kernel}")
            results.append(measure(subject, runtime, kernel))
            bar.advance(task)
        models = [s for s in all_subjects if not s.density and s.title != bench_cores.EDGE]
        budgets = budget.table(budget.row(s.title, s.path, s.plan_heap) for s in models)
        page = bench_report.markdown(results, budgets, sea is not None)  # reads EdgeL3's file
    host = bench_host.kept(Path(output))  # written by another run
    write_bytes(Path(output), f"{page}\n{host}".encode())


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except L3Error as error:
        sys.exit(f"bench: {error}")
