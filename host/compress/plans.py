"""Rows of the EdgeL3 paper's tables by name (Kumari et al., PAISE 2019): pruning plans."""

from __future__ import annotations

from l3host.errors import L3Error

L3_FILTERS = (64, 64, 128, 128, 256, 256, 512, 512)  # Table I

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


def find(name: str) -> tuple[float, ...]:
    """Table II's plan of this name ("95.45"; "97" is "97.00"). Raises L3Error that lists the names."""
    if f"{name}.00" in TABLE_II:
        name = f"{name}.00"
    if name not in TABLE_II:
        raise L3Error(f"unknown pruning plan {name!r}: choose from {', '.join(TABLE_II)}")
    return TABLE_II[name]
