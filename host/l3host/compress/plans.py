"""Rows of the EdgeL3 paper's tables by name (Kumari et al., PAISE 2019): pruning plans, shallower and narrower networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from l3host.errors import L3Error
from l3host.graph.l3 import L3_FILTERS

# Table II: per cent of each kernel that is zeroed, conv1 ... conv8, by the reduction of all kernels together (no biases).
TABLE_II: dict[str, tuple[float, ...]] = {
    "53.49": (0, 30, 40, 50, 30, 50, 50, 60),
    "63.48": (0, 40, 50, 60, 40, 60, 60, 70),
    "72.29": (0, 40, 50, 60, 40, 70, 70, 80),
    "73.55": (0, 60, 60, 70, 50, 70, 70, 80),
    "80.87": (0, 70, 70, 75, 60, 80, 80, 85),
    "87.08": (0, 80, 80, 85, 40, 85, 85, 95),
    "90.51": (30, 85, 85, 90, 60, 90, 90, 95),
    "95.45": (0, 85, 85, 85, 75, 95, 98, 98),
    "97.00": (0, 93, 94, 96, 97, 95.97, 98, 97),
    "98.00": (0, 95, 96, 97, 97, 98, 98.65, 98),
    "99.00": (0, 94, 96, 99, 99, 99, 99, 99.2),
}


class Ablation(NamedTuple):
    """A smaller L3 audio network. printed: the paper's reduction in per cent, whose definition it does not state."""

    filters: tuple[int, ...]
    printed: float

    @property
    def reduction(self) -> float:
        """Per cent of L3's convolution parameters (4,684,224, Table I) that this network lacks."""
        return 100 * (1 - parameters(self.filters) / parameters(L3_FILTERS))


# Table III, by the last convolution; Table IV, by its printed reduction.
TABLE_III: dict[str, Ablation] = {
    "conv7": Ablation(L3_FILTERS[:7], 50.42),
    "conv6": Ablation(L3_FILTERS[:6], 72.34),
    "conv5": Ablation(L3_FILTERS[:5], 86.66),
}
TABLE_IV: dict[str, Ablation] = {
    "43.14": Ablation((64, 48, 64, 64, 128, 128, 256, 256), 43.14),
    "64.54": Ablation((64, 48, 64, 64, 128, 128, 128, 128), 64.54),
    "69.89": Ablation((64, 48, 64, 64, 64, 64, 128, 128), 69.89),
}

Row = TypeVar("Row")


def find(name: str) -> tuple[float, ...]:
    """Return Table II's plan of this name ("95.45"; "97" is "97.00"). Raises L3Error that lists the names."""
    return _row(TABLE_II, name, "pruning plan")


def depth(name: str) -> Ablation:
    """Return Table III's network of this name ("conv7"). Raises L3Error that lists the names."""
    return _row(TABLE_III, name, "depth")


def width(name: str) -> Ablation:
    """Return Table IV's network of this name ("43.14"). Raises L3Error that lists the names."""
    return _row(TABLE_IV, name, "width")


def _row(table: Mapping[str, Row], name: str, what: str) -> Row:
    if f"{name}.00" in table:
        name = f"{name}.00"
    if name not in table:
        raise L3Error(f"unknown {what} {name!r}: choose from {', '.join(table)}")
    return table[name]


def parameters(filters: Sequence[int]) -> int:
    """Return the number of parameters, biases included, of 3x3 convolutions with these filters on one channel."""
    return sum((9 * inputs + 1) * outputs for inputs, outputs in zip((1, *filters), filters, strict=False))
