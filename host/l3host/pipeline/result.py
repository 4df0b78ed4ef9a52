"""What a finished run leaves in result.json, and a report reads."""

from __future__ import annotations

from typing import Any, TypedDict

from l3host.boards.estimates import OnBoard
from l3host.l3m.describe import LayerRow


class Weights(TypedDict):
    """Of a network's convolutions. density: by layer."""

    filters: list[int]
    density: dict[str, float]
    weights: int
    nonzeros: int
    parameters: int  # of the whole network


class OfBoard(TypedDict):
    """The time of a window on one board, estimated even where the model does not fit."""

    board: str
    kernel: str
    seconds: float
    basis: str


class Needed(TypedDict):
    """What a report cannot do without."""

    name: str
    version: str
    recipe: dict[str, Any]
    before: Weights
    after: Weights
    evaluations: list[dict[str, Any]]
    layers: list[LayerRow]
    boards: dict[str, OnBoard]
    estimate: OfBoard
    macs: int
    bytes: int


class Result(Needed, total=False):
    """And what it shows where it is there."""

    source: str
    inputs: dict[str, str]  # SHA-256 by name
    recover: list[dict[str, Any]]
    baseline: list[dict[str, Any]]  # evaluations of the source
    sensitivity: dict[str, Any] | None
    values_bytes: int
    macs_dense: int
    frontend: dict[str, float]
    cosine_to_keras: float
    seconds: dict[str, float]  # by stage
