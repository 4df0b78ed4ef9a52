"""Judge a classifier as it will be used: its own head on labelled clips, with the listening app's windows, smoothing and votes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from l3host.datasets import Dataset, fingerprints
from l3host.embed import answers, batches, joined
from l3host.engines import engine_for
from l3host.errors import L3Error
from l3host.evaluate import events
from l3host.evaluate.events import Peaks, Timelines
from l3host.graph.network import Graph
from l3host.reference import listening
from l3host.sound import hearing
from l3mote.format import silent

Progress = Callable[[int], None]  # called with clips done

NOTHING = "nothing"  # the last column of the confusion counts: clips without an event


def timelines(graph: Graph, dataset: Dataset, settings: dict | None = None, on_progress: Progress | None = None) -> Timelines:
    """Return the scores of the windows that the app would run on each clip; labels are the model's numbers, -1 for none of them.

    settings: the app's; on_progress: called with clips done. Raises L3Error for a class that the model does not have.
    """
    numbers = labels_of(graph, dataset)
    fe = graph.frontend
    rules = listening.rules_of(graph, settings or {}, fe.sample_rate)
    engine, scores, seconds = engine_for(graph), [], []
    for clip in dataset.clips:
        pcm = hearing.load(clip.path, fe.sample_rate)
        seconds.append(len(pcm) / fe.sample_rate)
        pcm = np.pad(pcm, (0, max(0, fe.window - len(pcm))))
        windows = np.lib.stride_tricks.sliding_window_view(pcm, fe.window)[:: rules.hop]
        levels = listening.window_levels(pcm, fe.sample_rate, rules, 1, len(windows))
        scores.append(listening.loud(rules, joined(answers(engine, batches(graph, windows))).output, levels))
        if on_progress:
            on_progress(1)
    return Timelines(scores, np.array([numbers[clip.label] for clip in dataset.clips]), np.array(seconds))


def labels_of(graph: Graph, dataset: Dataset) -> list[int]:
    """Return the model's number of each label of the data set, -1 for silent ones. Raises L3Error for a label that it lacks."""
    known = [label for label in graph.labels if not silent(label)]
    strange = [label for label in dataset.labels if not silent(label) and label not in known]
    if strange:
        what = f"{', '.join(strange[:3])}: the model has no such label, but {', '.join(known)}"
        remedy = "name the folder of a class that is none of them _NAME (l3mote evaluate --probe mlp judges embeddings)"
        raise L3Error(f"{dataset.name} has {what}; {remedy}")
    return [-1 if silent(label) else graph.labels.index(label) for label in dataset.labels]


def new_to(graph: Graph, dataset: Dataset) -> Dataset:
    """Return the clips that the model was not trained on, as far as its file says."""
    known = fingerprints.known(graph.provenance)
    return replace(dataset, clips=[clip for clip in dataset.clips if not (len(known) and fingerprints.is_known(clip.path, known))])


def peaks(graph: Graph, result: Timelines, settings: dict | None = None) -> Peaks:
    """Return the peaks of timelines() with the app's settings."""
    mute = tuple(i for i, label in enumerate(graph.labels) if silent(label))
    rules = listening.rules_of(graph, settings or {}, graph.frontend.sample_rate)
    return events.peaks(result, (*mute, -1), rules.smooth, rules.votes, rules.of)


def judge(graph: Graph, dataset: Dataset, settings: dict | None = None, on_progress: Progress | None = None) -> dict:
    """Judge a model on a labelled data set, without the clips that it was trained on; return figures that are ready for JSON.

    recall: of the clips of labels, how many are reported; precision: of the labels that are reported, how many are right;
    false: of unrelated clips, how many raise an event. A figure without clips is None.
    """
    labels_of(graph, dataset)
    left = new_to(graph, dataset)
    result = {
        "dataset": dataset.name,
        "clips": len(dataset.clips),
        "trained_on": len(dataset.clips) - len(left.clips),
        "skipped": list(dataset.skipped),
        "held_out": graph.provenance.get("held_out"),
        "tuned": graph.provenance.get("tuned"),
        "labels": [label for label in graph.labels if not silent(label)],
    }
    if not left.clips:
        return result
    thresholds = listening.rules_of(graph, settings or {}, graph.frontend.sample_rate).thresholds
    thresholds = np.where([silent(label) for label in graph.labels], np.inf, thresholds)
    measured = peaks(graph, timelines(graph, left, settings, on_progress), settings)
    return result | figures(graph.labels, measured, thresholds)


def figures(labels: list[str], result: Peaks, thresholds: np.ndarray) -> dict:
    """Return the figures of judge() from peaks."""
    named = [i for i, label in enumerate(labels) if not silent(label)]
    reported = result.values >= thresholds
    unrelated = result.unrelated
    right = reported & (result.labels[:, None] == np.arange(len(labels)))
    total = events.figures(result, thresholds)
    hours = float(result.seconds[unrelated].sum()) / events.HOUR
    return {
        "thresholds": {labels[i]: round(float(thresholds[i]), 4) for i in named},
        "judged": len(result.labels),
        "unrelated_clips": int(unrelated.sum()),
        "unrelated_hours": round(hours, 4),
        "recall": number(total.recall),
        "precision": number(right.sum() / reported.sum()) if reported.any() else None,
        "false": number(total.false),
        "false_per_hour": number(total.per_hour),
        "interval": {name: [number(v) for v in pair] for name, pair in events.intervals(result, thresholds).items()},
        "per_label": {labels[i]: of_label(i, result, reported) for i in named},
        "confusion": confusion(named, result, thresholds),
        "confusion_columns": [*(labels[i] for i in named), NOTHING],
    }


def of_label(i: int, result: Peaks, reported: np.ndarray) -> dict:
    """Return the recall and precision of a label, and its false events an hour of unrelated clips."""
    own, hits, unrelated = result.labels == i, reported[:, i], result.unrelated
    hours = float(result.seconds[unrelated].sum()) / events.HOUR
    return {
        "clips": int(own.sum()),
        "recall": number(hits[own].mean()) if own.any() else None,
        "precision": number(hits[own].sum() / hits.sum()) if hits.any() else None,
        "false_per_hour": number(hits[unrelated].sum() / hours) if hours else None,
    }


def confusion(named: list[int], result: Peaks, thresholds: np.ndarray) -> list[list[int]]:
    """Return counts [true label, last row: unrelated clips][label that exceeds its threshold most, last column: none]."""
    counts = np.zeros((len(named) + 1, len(named) + 1), int)
    above = (result.values - thresholds)[:, named]
    for label, margins in zip(result.labels, above, strict=True):
        row = named.index(label) if label in named else len(named)
        counts[row, margins.argmax() if margins.max() >= 0 else len(named)] += 1
    return counts.tolist()


def number(value) -> float | None:
    """Return a figure for JSON, which has no NaN."""
    return float(value) if np.isfinite(value) else None
