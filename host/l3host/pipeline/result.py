"""What a finished run leaves in result.json, and a report reads."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

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


class Result(TypedDict):
    """Keys that are required are those that a report cannot do without."""

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
    source: NotRequired[str]
    inputs: NotRequired[dict[str, str]]  # SHA-256 by name
    recover: NotRequired[list[dict[str, Any]]]
    sensitivity: NotRequired[dict[str, Any] | None]
    values_bytes: NotRequired[int]
    macs_dense: NotRequired[int]
    frontend: NotRequired[dict[str, float]]
    cosine_to_keras: NotRequired[float]
    seconds: NotRequired[dict[str, float]]  # by stage
