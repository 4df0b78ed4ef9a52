"""Check the listening app's settings on the host, with the board's own code."""

from __future__ import annotations

from collections.abc import Callable

from l3host.errors import L3Error
from l3host.graph.network import Graph
from l3mote import settings
from l3mote.reader import Reader


def check(given: dict, model: Reader | Graph, name: str, has: Callable[[str], bool] | None = None) -> None:
    """Raise L3Error unless the app would start with these settings, this model, and firmware that has what `has` says."""
    if not model.labels:
        raise L3Error(f"{name} has no labels, it computes embeddings: the app needs a classifier")
    try:
        settings.check(given, model, has)
    except settings.SettingsError as e:
        raise L3Error(f"{e} (--set KEY=VALUE)") from None
