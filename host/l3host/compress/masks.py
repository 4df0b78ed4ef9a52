"""Which weights magnitude pruning keeps: NumPy arithmetic on kernels alone, no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from l3host.errors import L3Error

Kernels = Mapping[str, np.ndarray]  # layer name -> kernel, in the network's order
Target = float | Sequence[float]  # per cent zeroed: of all kernels together, or of each layer (a plan)


def masks(kernels: Kernels, target: Target) -> dict[str, np.ndarray]:
    """Return layer name -> True where a weight stays. Zeros never come back: a weight that is zero already is among those zeroed.

    target: a number zeroes the smallest magnitudes of the whole network (one threshold), a plan those of each layer.
    Raises L3Error for a plan of the wrong length, a percentage outside 0 ... 100 and one that empties a layer.
    """
    if isinstance(target, Sequence):
        _check_plan(kernels, target)
        kept = {name: _largest(kernel, percent) for (name, kernel), percent in zip(kernels.items(), target, strict=True)}
    else:
        _check_percent(target, "sparsity")
        flat = np.concatenate([kernel.ravel() for kernel in kernels.values()])
        ends = np.cumsum([kernel.size for kernel in kernels.values()])[:-1]
        parts = np.split(_largest(flat, target), ends)
        kept = {name: part.reshape(kernel.shape) for part, (name, kernel) in zip(parts, kernels.items(), strict=True)}
    for name, mask in kept.items():
        if not mask.any():
            raise L3Error(f"layer {name} would be empty at {_in_words(target)}: prune less")
    return kept


def fraction(target: Target, part: float) -> Target:
    """Return the target with every percentage multiplied by `part`."""
    return [percent * part for percent in target] if isinstance(target, Sequence) else target * part


def cubic(step: int, begin: int, end: int) -> float:
    """Return the share of the final sparsity at a training step: Zhu & Gupta, "To prune, or not to prune" (2017), eq. 1, from 0."""
    done = min(1.0, max(0.0, (step - begin) / (end - begin)))
    return 1 - (1 - done) ** 3


def sparsities(kernels: Kernels) -> dict[str, float]:
    """Return layer name -> per cent of the kernel that is zero."""
    return {name: 100 * float(np.mean(kernel == 0)) for name, kernel in kernels.items()}


def _largest(kernel: np.ndarray, percent: float) -> np.ndarray:
    """Return True for all but the `percent` smallest magnitudes (rounded to whole weights) and for no zero; ties: the first go."""
    order = np.argsort(np.abs(kernel), axis=None, kind="stable")
    kept = np.ones(kernel.size, bool)
    kept[order[: round(kernel.size * percent / 100)]] = False
    return kept.reshape(kernel.shape) & (kernel != 0)


def _check_plan(kernels: Kernels, plan: Sequence[float]) -> None:
    if len(plan) != len(kernels):
        raise L3Error(f"a plan of {len(plan)} percentages for {len(kernels)} convolutions: give one for each")
    for name, percent in zip(kernels, plan, strict=True):
        _check_percent(percent, f"layer {name}: sparsity")


def _check_percent(percent: float, what: str) -> None:
    if not 0 <= percent <= 100:
        raise L3Error(f"{what} of {percent:g} %: it must be between 0 and 100")


def _in_words(target: Target) -> str:
    return f"{'/'.join(f'{p:g}' for p in target)} %" if isinstance(target, Sequence) else f"{target:g} % of all weights"
