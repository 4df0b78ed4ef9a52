"""What computes a network's answers on a computer: onnxruntime where it is installed (extra `fast`), else the NumPy reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from l3host.errors import L3Error
from l3host.graph.network import Graph
from l3host.reference import floats

ENGINES = ("onnxruntime", "numpy")  # the one to prefer first


class Answers(NamedTuple):
    """Of every window."""

    embedding: np.ndarray  # (N, D)
    output: np.ndarray  # (N, C)


@dataclass(frozen=True)
class Engine:
    """An engine: computes in one thread, and may be called from several at once. name: with its version."""

    name: str
    of_planes: Callable[[np.ndarray], Answers]  # normalised log-mel planes (N, bands, frames) -> answers
    graph: Graph
    dtype: type = np.float32

    def __call__(self, windows: np.ndarray) -> Answers:
        """Return the answers to windows (N, window) in [-1, 1], or of int16."""
        samples = windows / (32768 if windows.dtype == np.int16 else 1)
        return self.of_planes(floats.normalised(self.graph, samples, self.dtype))


def numpy_engine(graph: Graph, dtype: type = np.float32) -> Engine:
    """Return the reference itself, in dtype."""

    def of_planes(planes: np.ndarray) -> Answers:
        result = floats.network(graph, planes)
        return Answers(result.embedding, result.output)

    return Engine(f"NumPy {np.__version__}", of_planes, graph, dtype)


def chosen(name: str | None = None) -> str:
    """Return the name of the engine, or of the best that is installed. Raises L3Error if it is not installed."""
    installed = find_spec("onnxruntime") and find_spec("onnx")
    if name not in (None, *ENGINES):
        raise L3Error(f"no such engine: {name} (choose from {', '.join(ENGINES)})")
    if name == "onnxruntime" and not installed:
        raise L3Error("the engine onnxruntime is not installed: pip install 'l3mote[fast]'")
    return name or ("onnxruntime" if installed else "numpy")


def engine_for(graph: Graph, name: str | None = None) -> Engine:
    """Return the engine of this name, or the best that is installed. Raises L3Error if it is not installed."""
    if chosen(name) == "numpy":
        return numpy_engine(graph)
    from l3host.engines.onnx import onnx_engine

    return onnx_engine(graph)
