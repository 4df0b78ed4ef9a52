"""The listening app on a recording, in any runtime: what a board would report, as events with times."""

from __future__ import annotations

import json
import re
import wave
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from l3host import audio
from l3host.emulate import runtimes
from l3host.emulate.run import job_folder
from l3host.errors import L3Error
from l3host.load import load_graph

SCRIPT = Path(__file__).parent / "board" / "listen.py"
EXPECTATION = re.compile(r"(?P<label>.+)@(?P<first>\d+(\.\d+)?)-(?P<last>\d+(\.\d+)?)")


@dataclass(frozen=True)
class Expectation:
    """A label that is to be reported as heard at some time between `first` and `last` seconds."""

    label: str
    first: float
    last: float

    def __str__(self) -> str:
        return f"{self.label}@{self.first:g}-{self.last:g}"


def expectation(text: str) -> Expectation:
    """'dog@2.0-4.5'. Raises L3Error."""
    found = EXPECTATION.fullmatch(text)
    if not found or float(found["first"]) > float(found["last"]):
        raise L3Error(f"{text!r} is no expectation: write LABEL@FROM-TO in seconds, for example dog@2.0-4.5")
    return Expectation(found["label"], float(found["first"]), float(found["last"]))


@dataclass
class Heard:
    """What the app reported. events: as it printed them, t in seconds; facts: windows, skipped, lost, kernel, costs."""

    runtime: str
    labels: list[str]
    events: list[dict]
    facts: dict

    def spans(self, label: str) -> list[tuple[float, float]]:
        """(start, end) in seconds of each time that the label was heard; one that had no end lasted to the recording's."""
        spans, started = [], None
        for event in self.events:
            if event.get("label") == label and event["event"] == "start":
                started = event["t"]
            elif event.get("label") == label and event["event"] == "end" and started is not None:
                spans.append((started, event["t"]))
                started = None
        return spans if started is None else [*spans, (started, self.facts["seconds"])]

    def heard(self, label: str, first: float = 0.0, last: float = float("inf")) -> bool:
        """Was the label reported as heard at any time between first and last seconds? Raises L3Error for an unknown label."""
        if label not in self.labels:
            raise L3Error(f"the model has no label {label!r}, but {', '.join(self.labels)}")
        return any(start <= last and end >= first for start, end in self.spans(label))

    def missed(self, expectations: Sequence[Expectation]) -> list[Expectation]:
        return [wanted for wanted in expectations if not self.heard(wanted.label, wanted.first, wanted.last)]

    def to_json(self) -> dict:
        return {"runtime": self.runtime, "events": self.events, **self.facts}
