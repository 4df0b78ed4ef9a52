"""The listening app's settings on the host, checked by the code that the board has."""

from __future__ import annotations

from l3host.errors import L3Error
from l3mote import settings


def check(given: dict, labels: list[str], model: str) -> None:
    """Would the app start with these settings and a model of these labels? Raises L3Error."""
    if not labels:
        raise L3Error(f"{model} has no labels, it gives embeddings: the app needs a classifier")
    try:
        settings.check(given)
    except settings.SettingsError as e:
        raise L3Error(f"{e}: use --set KEY=VALUE") from None
    for key in given:
        label = key.removeprefix(settings.PER_LABEL)
        if label != key and label not in labels:
            raise L3Error(f"setting {key}: the model has no label {label!r}, it has {', '.join(labels)}")
