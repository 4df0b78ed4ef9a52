"""One emulation: prepare a folder, run the device package on it, read back and compare."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from l3host.embed import Answers, run_windows
from l3host.emulate import parity, runtimes
from l3host.graph.network import Graph
from l3host.l3m.load import find, load_graph
from l3host.package.library import copy_library
from l3host.reference import floats


@dataclass
class Emulation:
    """What the board computed and what it cost. Arrays: outputs (N, outputs), embeddings (N, D)."""

    runtime: str
    labels: list[str]
    outputs: np.ndarray
    embeddings: np.ndarray
    reference: Answers  # in double precision
    layers: list[parity.LayerParity]
    facts: dict  # result.json of guest/job.py, and costs()

    @property
    def embedding_parity(self) -> dict:
        """Compare embeddings, front-end included: largest difference and smallest cosine over the windows."""
        expected = self.reference.embedding
        norms = np.linalg.norm(self.embeddings, axis=1) * np.linalg.norm(expected, axis=1)
        cosine = (self.embeddings * expected).sum(axis=1) / np.where(norms, norms, 1)
        return {"max_abs": float(np.abs(self.embeddings - expected).max()), "cosine": float(cosine.min())}

    @property
    def ok(self) -> bool:
        return all(layer.ok for layer in self.layers)

    @property
    def first_failure(self) -> str | None:
        return next((layer.name for layer in self.layers if not layer.ok), None)

    def to_json(self) -> dict:
        facts = self.facts
        return {
            "runtime": self.runtime,
            "kernel": facts["kernel"],
            "arithmetic": facts["arithmetic"],
            "bit_exact": self.ok if facts["arithmetic"] == "fixed" else None,
            "windows": len(self.outputs),
            "embedding": self.embeddings.tolist(),
            "scores": self.outputs.tolist() if self.labels else [],
            "labels": [self.labels[i] for i in self.outputs.argmax(axis=1)] if self.labels else [],
            "parity": {
                "ok": self.ok,
                "tolerance": self.layers[0].tolerance,
                "first_failure": self.first_failure,
                "layers": [{"name": p.name, "max_abs": p.max_abs, "max_rel": p.max_rel} for p in self.layers],
                "embedding": self.embedding_parity,
            },
            "selftest": {"ok": facts["selftest"], "error": facts["selftest_error"]},
            **{k: facts[k] for k in ("heap_peak_bytes", "base_bytes", "plan_bytes", "flash_bytes_read", "seconds_per_window")},
            **{k: v for k, v in facts.items() if k.startswith(("cycles_", "instructions_"))},
        }


def loudest(windows: np.ndarray) -> int:
    """Return the window to compare layer by layer, not a silent one, which would show little."""
    return max(range(len(windows)), key=lambda i: np.square(windows[i], dtype=np.float64).sum())


def write_plane(folder: Path, graph: Graph, pcm: np.ndarray) -> np.ndarray:
    """Write the log-mel of one window (window,); return it: the plane (bands, frames), float32, that layers are compared on."""
    plane = floats.normalised(graph, pcm[None] / 32768)[0].astype(np.float32)
    plane.T.astype("<f4").tofile(folder / "plane.f32")
    return plane


@contextmanager
def job_folder(model: str, pcm: np.ndarray, **job) -> Iterator[tuple[Path, Path]]:
    """Yield the library's folder and one with the files that guest/job.py reads; both go when the block ends.

    job: further entries of job.json.
    """
    settings = {"windows": len(pcm), "heap": None, "heap_enforced": False, "kernel": None, "plan_heap": None, "loudest": 0}
    settings |= {"parity": False, "selftest": True} | job
    with tempfile.TemporaryDirectory(prefix="l3mote-") as temporary:
        library, folder = Path(temporary, "lib"), Path(temporary, "job")
        library.mkdir()
        folder.mkdir()
        copy_library(library)
        shutil.copyfile(find(model), folder / "model.l3m")
        pcm.astype("<i2").tofile(folder / "audio.pcm")
        (folder / "job.json").write_text(json.dumps(settings))
        yield library, folder


def costs(facts: dict, where: runtimes.Runtime, windows: int) -> dict:
    """Return the seconds a window and the exact count of the runtime's clock.

    <cycles or instructions>_per_window and _frontend of it.
    """
    us = {"per_window": facts["us"] / max(1, windows), "frontend": facts["us_frontend"] / max(1, windows)}
    counted = {f"{where.counts}_{k}": round(v * where.hz / 1e6) for k, v in us.items()} if where.counts else {}
    return {"seconds_per_window": us["per_window"] / 1e6, **counted}


def emulate(
    model: str,
    pcm: np.ndarray,
    runtime: str,
    heap: int | None = None,
    kernel: str | None = None,
    plan_heap: int | None = None,
    selftest: bool = True,
) -> Emulation:
    """Run windows of int16 samples (N, window) through the device package in a runtime and compare with the reference.

    heap: bytes for the whole interpreter (unix: enforced by it; elsewhere the plan keeps to it). plan_heap: bytes for the
    model's buffers, instead of what is free. Raises L3Error, with the device's own words when the model does not fit.
    """
    graph = load_graph(model)
    where = runtimes.find(runtime)
    loud = loudest(pcm)
    job = {"kernel": kernel, "heap": heap, "heap_enforced": where.heap_enforced, "plan_heap": plan_heap, "loudest": loud}
    with job_folder(model, pcm, **job, parity=True, selftest=selftest) as (library, folder):
        plane = write_plane(folder, graph, pcm[loud])
        facts, _ = runtimes.run_job(where, library, folder, heap)
        facts |= costs(facts, where, len(pcm))
        data = (folder / "layers.bin").read_bytes()
        if facts["arithmetic"] == "fixed":
            layers = parity.integer_parity(data, graph, pcm[loud])
        else:
            layers = parity.layer_parity(data, graph, plane)
        values = np.fromfile(folder / "outputs.f32", "<f4").reshape(len(pcm), -1)
    expected = run_windows(graph, pcm, dtype=np.float64)
    n = expected.output.shape[1]
    return Emulation(where.name, graph.labels, values[:, :n], values[:, n:], expected, layers, facts)
