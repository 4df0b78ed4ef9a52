"""The listening app on a recording, in any runtime: what a board would report, as events with times."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from l3host.emulate import runtimes
from l3host.emulate.emulation import job_folder
from l3host.errors import L3Error
from l3host.graph.network import Graph
from l3host.l3m.load import load_graph
from l3host.package import app_settings, broker
from l3host.sound import hearing
from l3mote.log import unseal

SCRIPT = Path(__file__).parent / "guest" / "listen_job.py"
EXPECTATION = re.compile(r"(?P<label>.+)@(?P<first>\d+(\.\d+)?)-(?P<last>\d+(\.\d+)?)")
# settings that say where sound comes from and lines go
OURS = {"mic": "wav", "wav": "sound.wav", "log": "", "wifi_ssid": "", "wifi_password": ""}
NETWORKED = "unix"  # the runtime that has sockets


@dataclass(frozen=True)
class Expectation:
    """A label that must be reported at some time between `first` and `last` seconds."""

    label: str
    first: float
    last: float

    def __str__(self) -> str:
        return f"{self.label}@{self.first:g}-{self.last:g}"


def ignore(_: str) -> None:
    """Ignore a line: nobody waits for it, but the app is to run in its own folder, where its queue is."""


def expectation(text: str) -> Expectation:
    """Parse 'dog@2.0-4.5'. Raises L3Error."""
    match = EXPECTATION.fullmatch(text)
    if not match or float(match["first"]) > float(match["last"]):
        raise L3Error(f"{text!r} is not an expectation: write LABEL@FROM-TO in seconds, for example dog@2.0-4.5")
    return Expectation(match["label"], float(match["first"]), float(match["last"]))


@dataclass(frozen=True)
class Report:
    """What the app reported.

    events: as it printed them, t in seconds. facts: the app's last status: t, windows, skipped, lost, overruns, kernel, and
    seconds_per_window, on the runtime's own clock.
    """

    runtime: str
    labels: list[str]
    hop: float  # seconds
    events: list[dict]
    facts: dict

    def spans(self, label: str) -> list[tuple[float, float]]:
        """Return (start, end) in seconds of each time that the label was on. Raises L3Error for a label that the model lacks."""
        if label not in self.labels:
            raise L3Error(f"the model has no label {label!r}; its labels are {', '.join(self.labels)}")
        mine = [event for event in self.events if event.get("label") == label]
        starts, ends = ([event["t"] for event in mine if event["event"] == kind] for kind in ("start", "end"))
        return list(zip(starts, ends, strict=True))  # the end of a recording ends its labels

    def has(self, label: str, first: float = 0.0, last: float = float("inf")) -> bool:
        """Return whether the label was on between first and last seconds. Raises L3Error for a label that the model lacks."""
        return any(start <= last and end >= first for start, end in self.spans(label))

    def missed(self, expectations: Sequence[Expectation]) -> list[Expectation]:
        return [wanted for wanted in expectations if not self.has(wanted.label, wanted.first, wanted.last)]

    def to_json(self) -> dict:
        return {"runtime": self.runtime, "hop": self.hop, "events": self.events, **self.facts}


def settings_of(given: dict, graph: Graph, model: str) -> dict:
    """Return the app's settings for a recording. Raises L3Error for settings that are fixed here, and as app_settings.check."""
    taken = sorted(OURS.keys() & given.keys())
    if taken:
        raise L3Error(f"setting {taken[0]}: this command plays a recording and prints its events: leave it out")
    app_settings.check(given | OURS, graph, model)
    return given | OURS


def runtime_for(settings: dict, runtime: str | None, default: str) -> str:
    """Return the runtime to listen in: the one asked for or, with MQTT, the one that has a network. Raises L3Error."""
    if not settings.get("mqtt_host"):
        return runtime or default
    if runtime in runtimes.RUNTIMES and runtime != NETWORKED:
        raise L3Error(f"setting mqtt_host: runtime {runtime} has no network, use --runtime {NETWORKED}")
    return runtime or NETWORKED


def listen(
    model: str,
    recording: str,
    runtime: str,
    settings: dict | None = None,
    heap: int | None = None,
    line: Callable[[str], None] | None = None,
) -> Report:
    """Play an audio file to the app in a runtime. Its time is the recording's: no window is skipped, however slow the runtime.

    With `mqtt_host` among the settings it plays in real time and publishes. settings: the app's (device/l3mote/settings.py),
    those that differ from its defaults. heap: bytes for the whole interpreter. line: called with each line of it.
    Raises L3Error.
    """
    graph = load_graph(model)
    given = settings_of(settings or {}, graph, model)
    fe = graph.frontend
    pcm = hearing.load_pcm(recording, fe.sample_rate)  # the app takes the offset off
    where = runtimes.find(runtime)
    live = bool(given.get("mqtt_host"))
    given, files = broker.certified(given)
    with job_folder(model, np.zeros((0, fe.window), np.int16), settings=given, live=live) as (library, folder):
        soundfile.write(folder / "sound.wav", pcm, fe.sample_rate, subtype="PCM_16")
        for name, data in files.items():
            (folder / name).write_bytes(data)
        facts, printed = runtimes.run_job(where, library, folder, heap, SCRIPT, line or (ignore if live else None))
    events = [event for line in printed.splitlines() if (event := unseal(line.encode()))]
    facts["seconds_per_window"] = facts.pop("us") / 1e6 / max(1, facts["windows"])
    hop = next(event["hop"] for event in events if event["event"] == "status")
    return Report(where.name, graph.labels, hop, events, facts)
