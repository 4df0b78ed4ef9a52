"""Write BENCHMARKS.md from the results of one run of bench.py, the source of every figure in it except the peers'."""

from __future__ import annotations

import platform

import bench_cores
import numpy as np
from bench_table import kilobytes, short, table

from l3host.emulate.rp2040 import HZ
from l3host.programs import emulators

FLOORS = {"dense": 3.5, "sparse": 4.0}  # estimated cycles a multiply-accumulate on a Cortex-M0+
CYCLES = "rp2040"
COLUMNS = {"rp2040": "RP2040, cycles", "qemu": "Cortex-M3, instructions", "unix": "unix port, ns"}
HEAD = """\
# Benchmarks

Written by `make bench` in one run; no figure is typed by hand, but the peers' on the same cores. To repeat it: `make emulators`
(Debian, once), then `make bench`.

**What is counted.** RP2040: cycles of real RPI_PICO firmware in an emulator, a cycle model without flash stalls, never a
measurement of a board. Cortex-M3: instructions in QEMU, not cycles. Unix port: nanoseconds on a PC that does other things too;
compare them with each other only.
"""
LAYERS = """\
## Layers, per multiply-accumulate on a non-zero weight

3x3 convolutions (channels in and out, bands x frames). Whole layers: weights decoded, sums, requantisation, ReLU and 2x2 pool,
without reading the file. Floors estimated for the Cortex-M0+: {dense} cycles a dense multiply-accumulate, {sparse} on a list.
"""
PARTS = """\
## How far the native kernel's lists are from their floor

A straight line through the sparse densities of each shape (RP2040): what one more multiply-accumulate costs (its share of the
weight's decoding included), and what an output costs before its first: set-up of the loop, requantisation, ReLU, pool.
"""
MODELS = """\
## Models, a window: two seconds of sound in the shipped model, one in SEA-64

Peak heap: the largest `gc.mem_alloc` after a collection, with the package, its native code and every buffer in it; a model plans
for what is free, so it says what a board gave, not the least (`l3mote inspect`). Bits: whether the self-test gave every bit of the
reference. The window is timed without looking at the heap. Reading and Python: what its layers, timed in a window of their own, and
its log-mel leave of it, which is the file's chunks, their CRC and the interpreter. Bounded: viper
runs layers and the shipped model only, for the emulator needs a second for 16 to 36 M cycles.
"""


def floor(density: float) -> float:
    return FLOORS["dense" if density == 1 else "sparse"]


def layer_rows(results: list) -> list[list[str]]:
    """Return a row for each shape and density.

    Per MAC in each runtime with each kernel, and how far the RP2040's is from the floor.
    """
    by = {(r.subject, r.runtime, r.kernel): r for r in results if r.subject.density}
    rows = []
    for subject in dict.fromkeys(key[0] for key in by):
        row = [subject.title, "dense" if subject.density == 1 else f"{subject.density:.0%}"]
        for runtime in COLUMNS:
            costs = [by.get((subject, runtime, kernel)) for kernel in subject.kernels]
            row += [short(r.layer.per_mac) if r and not r.problem else "-" for r in costs]
            if runtime == CYCLES:
                native = costs[0]
                row.insert(3, f"{native.layer.per_mac / floor(subject.density):.2f}" if native and row[2] != "-" else "-")
        rows.append(row)
    return rows


def layer_columns() -> list[str]:
    columns = ["shape", "weights"]
    for runtime, unit in COLUMNS.items():
        columns += [f"{unit}: native", *(["x floor"] if runtime == CYCLES else []), "viper"]
    return columns


def part_rows(results: list) -> list[list[str]]:
    """Return, for each shape, slope and intercept of cycles an output against multiply-accumulates an output."""
    points: dict[str, list] = {}
    for r in results:
        if (r.subject.density or 1) < 1 and (r.runtime, r.kernel) == (CYCLES, "native") and not r.problem:
            points.setdefault(r.subject.title, []).append((r.layer.macs / r.layer.outputs, r.layer.cost / r.layer.outputs))
    rows = []
    for title, pairs in points.items():
        if len(pairs) > 1:
            macs, cycles = zip(*pairs, strict=True)
            slope, intercept = np.polyfit(macs, cycles, 1)
            rows.append([title, f"{slope:.2f}", f"{slope / FLOORS['sparse']:.2f}", f"{intercept:.1f}"])
    return rows


def model_rows(results: list, runtime: str) -> list[list[str]]:
    rows = []
    for r in results:
        if r.subject.density or r.subject.heap or r.runtime != runtime or r.problem:
            continue
        layers = sum(layer.cost for layer in r.layers)
        macs = sum(layer.macs for layer in r.layers)
        rest = r.window - layers - r.frame * r.frames
        rows.append([
            r.subject.title, r.kernel, f"{macs / 1e6:.1f} M",
            *map(short, (r.frame, layers / macs, layers, rest, r.window)),
            *([f"{r.window / HZ:.2f}"] if runtime == CYCLES else []),
            kilobytes(r.facts["heap_peak_bytes"]), kilobytes(r.facts["flash_bytes_read"]),
            "equal" if r.facts["selftest"] else "DIFFERENT",
        ])  # fmt: skip
    return rows


def model_columns(runtime: str) -> list[str]:
    return [
        "model", "kernel", "MACs", "log-mel frame", "per MAC", "layers", "reading and Python", "window",
        *(["seconds at 125 MHz"] if runtime == CYCLES else []), "peak heap", "file read", "bits",
    ]  # fmt: skip


def problems(results: list) -> list[str]:
    """Return a line for each reason why cases did not run, with those cases."""
    cases: dict[tuple[str, str], list[str]] = {}
    for r in results:
        if r.problem:
            share = f" {r.subject.density:.0%}" if r.subject.density else ""
            cases.setdefault((r.runtime, r.problem), []).append(f"{r.subject.title}{share} ({r.kernel})")
    return [f"- {runtime}: {'; '.join(names)}: {problem}" for (runtime, problem), names in cases.items()]


def built_from() -> str:
    lines = {line for path in emulators().glob("*.versions") for line in path.read_text().splitlines()}
    named = sorted(line for line in lines if not line.endswith((".elf", ".bin")))
    return f"Firmware and modules: {'; '.join(named) or 'not built here'}. Unix port on {platform.machine()}.\n"


def markdown(results: list, budgets: str, sea: bool) -> str:
    """Return the page. budgets: budget.py's section. sea: whether SEA-64's weights were there."""
    parts = [HEAD, LAYERS.format(**FLOORS)]
    parts += [table(layer_columns(), layer_rows(results)), PARTS]
    parts += [table(["shape", "cycles a MAC", "x floor", "cycles an output"], part_rows(results)), MODELS]
    for runtime, unit in COLUMNS.items():
        parts += [f"### {unit}\n", table(model_columns(runtime), model_rows(results, runtime))]
    parts += [budgets, *bench_cores.parts(results)]
    failed = problems(results)
    if not sea:
        failed.append("- SEA-64: skipped, its published weights (.h5) are not here")
    if failed:
        parts += ["## What did not run\n", "\n".join(failed) + "\n"]
    return "\n".join([*parts, built_from()])
