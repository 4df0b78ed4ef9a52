"""`l3mote monitor --keep`: the windows of events and of near misses as WAVs, from the sound that a board streams.

A board that listens has no room for a window of samples, so while this goes on it streams what its microphone hears, as for
`l3mote record`, and this computer runs the model that is deployed there, with its settings. Afterwards the board listens again.
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np

from l3host.deploy import recording
from l3host.deploy.recording import Block
from l3host.deploy.targets import Board
from l3host.engines import Engine, engine_for
from l3host.errors import L3Error, reading
from l3host.l3m.load import load_graph
from l3host.reference.listening import loud, rules_of
from l3host.text import file_name
from l3mote import settings as app
from l3mote import start
from l3mote.format import NEVER
from l3mote.listener import STILL, Detector
from l3mote.seconds import Seconds

NEAR = 0.2  # below its threshold a score is still a near miss
NEAR_FOLDER = "near-"


class Keeper:
    """Cuts windows out of a stream as the app would, lets the model judge them and saves those that are worth it.

    settings: the app's. rate: of the stream, in Hz. saved: the paths.
    """

    def __init__(self, folder: Path, engine: Engine, settings: dict, rate: int):
        graph = engine.graph
        self.folder, self.engine, self.rate = folder, engine, rate
        self.labels, self.rules = graph.labels, rules_of(graph, settings, rate)
        rules = self.rules
        self.detector = Detector(rules.thresholds, rules.window, rules.smooth, rules.votes, rules.of, rules.refractory)
        self.samples = np.zeros(0, np.int16)
        self.levels = np.zeros(0)  # of each sample, so that they are cut alike
        self.still = 0  # samples of one and the same value until now
        self.at, self.lost = 0, 0  # number of the first sample in `samples`, not counting lost ones; those, of the source
        self.saved: list[Path] = []

    def add(self, block: Block) -> Iterator[dict]:
        """Take a block; yield the app's events of the windows that are full, and a line for each file."""
        if block.lost != self.lost:  # a window with a gap is not what anybody heard
            self.at += len(self.samples)
            self.lost, self.samples, self.levels = block.lost, self.samples[:0], self.levels[:0]
            self.detector.begin()
            yield {"event": "warning", "label": "overrun", "score": block.lost, "t": self.seconds(self.at)}
        before, self.still = self.still, self.still + len(block.samples) if np.ptp(block.samples) == 0 else 0
        if before < STILL * self.rate <= self.still:
            yield {"event": "warning", "label": "silent", "t": self.seconds(self.at + len(self.samples))}
        self.samples = np.concatenate([self.samples, block.samples])
        self.levels = np.concatenate([self.levels, np.full(len(block.samples), block.level)])
        while len(self.samples) >= max(self.rules.window, self.rules.hop):
            yield from self.judge(self.samples[: self.rules.window], self.levels[: self.rules.window])
            self.at += self.rules.hop
            self.samples, self.levels = self.samples[self.rules.hop :], self.levels[self.rules.hop :]

    def judge(self, window: np.ndarray, levels: np.ndarray) -> Iterator[dict]:
        level = 10 * math.log10(np.mean(10 ** (levels / 10)))
        scores = loud(self.rules, self.engine(window[None]).output, np.array([level]))[0]
        for kind, i, score, loudness, sample in self.detector.feed(scores, self.at, level):
            values = {"score": round(float(score), 4), "level": round(float(loudness), 1), "t": self.seconds(sample)}
            yield {"event": kind, "label": self.labels[i], **values}
        scores = np.array([self.detector.mean(i) for i in range(len(self.labels))])
        above = np.where(self.rules.thresholds == NEVER, -np.inf, scores - self.rules.thresholds)
        best = int(above.argmax())
        if above[best] >= -NEAR:
            name = file_name(("" if above[best] >= 0 else NEAR_FOLDER) + self.labels[best])  # the board's model chose the label
            score = round(float(scores[best]), 4)
            path = recording.write(self.folder / name, window, self.rate, f"-{score:.2f}")
            self.saved.append(path)
            yield {"event": "kept", "label": name, "score": score, "file": str(path), "t": self.seconds(self.at)}

    def seconds(self, sample: int) -> float:
        return float(str(Seconds(sample, self.rate)))


def events(board: Board, folder: Path) -> Generator[tuple[dict, str] | None]:
    """Yield what monitor.lines yields, and save windows on the way. None twice a second without sound. Raises L3Error."""
    at, engine, settings = deployed(board)
    board.reset()
    rate, blocks = recording.open_stream(board.link, at, engine.graph.frontend.sample_rate, None)
    with contextlib.closing(blocks):
        keeper, due = Keeper(folder, engine, settings, rate), 0
        for block in blocks:
            if block is None:
                yield None
                continue
            for event in keeper.add(block):
                yield event, json.dumps(event)
            now = keeper.at + len(keeper.samples)
            if now >= due:  # once a second
                due = now + rate
                event = {"event": "level", "level": block.level, "t": keeper.seconds(now)}
                yield event, json.dumps(event)


def deployed(board: Board) -> tuple[str, Engine, dict]:
    """Return the folder of the version that a board runs, its model and the app's settings. Raises L3Error."""
    root = board.root + start.ROOT
    _, running, _ = board.call("running", root)
    if running is None:
        raise L3Error("no version runs on the board: deploy a model first; its settings say where the microphone is")
    folder = f"{root}/{running}"
    with reading(f"{folder}/settings.json on the board"):
        settings = app.check(json.loads(board.read(f"{folder}/settings.json")))
    with tempfile.TemporaryDirectory() as temporary:
        model = Path(temporary) / "model.l3m"
        model.write_bytes(board.read(f"{folder}/model.l3m"))
        graph = load_graph(str(model))
    if not graph.labels:
        raise L3Error("the model on the board has no labels: it computes embeddings, and has no events")
    return folder, engine_for(graph), settings
