"""What calibration adds to a graph: scales of its layers, tables and scale of the integer log-mel. Arithmetic: l3host.reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class LayerScale:
    exponent: int  # of the output: x = integer * 2^-exponent
    bits: int  # outputs saturate at 2^bits - 1
    shifts: np.ndarray  # (filters,): weight = integer * 2^-shift


@dataclass
class Tables:
    """Tables of the integer log-mel.

    hann (n/2 + 1,) 0..65535; cos (n/4 + 1,) in 2^-17; log2 (65,) in 2^-16; first, count (bands,); weights, 16 bits.
    silence: the least level, that of the front-end's floor.
    """

    hann: np.ndarray
    cos: np.ndarray
    log2: np.ndarray
    first: np.ndarray
    count: np.ndarray
    weights: np.ndarray
    silence: int


@dataclass
class Scale:
    """The step from a level relative to the window's maximum to the network's input: (max(d, floor) * factor + offset) >> shift."""

    floor: int
    factor: int
    offset: int  # rounding included
    shift: int


@dataclass
class FixedPoint:
    """Everything that the fixed-point path adds to a graph."""

    input_exponent: int
    input_bits: int
    layers: list[LayerScale]
    tables: Tables
    scale: Scale
