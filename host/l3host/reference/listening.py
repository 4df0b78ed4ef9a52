"""What a listening board should report for a recording: the reference for device/l3mote/listener.py and ring.py.

Written differently from the device's state machines: over whole recordings, in NumPy arrays. The offset's mean is that of
kernels/capture.py, bit for bit, computed from the whole list of its shifts. The low pass has the device's coefficients
(l3mote.filters), the A-weighting is the analogue formula of IEC 61672-1 applied to the recording's spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate

import numpy as np

from l3host.graph.half import rounded
from l3host.graph.network import Graph
from l3host.reference import fixed_point, floats
from l3mote.filters import lowpass
from l3mote.format import NEVER, Frontend, silent
from l3mote.limits import SILENCE

SLOTS = 8  # in a window: a board measures a level for each
FULL_SCALE = 32768**2 / 2  # mean square of a sine at full scale: 0 dB


@dataclass(frozen=True)
class Rules:
    """How scores become events.

    hop, window, refractory: samples at the model's rate; thresholds: one a label; silence: dB(A), windows below have scores of 0.
    """

    hop: int
    window: int
    thresholds: np.ndarray
    smooth: int = 1
    votes: int = 1
    of: int = 1
    refractory: int = 0
    silence: float = -np.inf


def rules_of(graph: Graph, settings: dict, rate: int) -> Rules:
    """Return the model's defaults, overridden by the app's settings (device/l3mote/settings.py). rate: of kept samples, in Hz."""
    fe, given = graph.frontend, {key: value for key, value in settings.items() if value is not None}
    own = [given.get("threshold", t) for t in graph.thresholds]
    thresholds = [
        NEVER if silent(label) else given.get(f"threshold.{label}", t) for label, t in zip(graph.labels, own, strict=True)
    ]  # fmt: skip
    votes = given.get("votes", 1)
    hop = possible(fe, samples(given["hop"], rate) if "hop" in given else fe.hop)
    return Rules(
        hop=hop,
        window=fe.window,
        thresholds=np.array(thresholds, np.float32),
        smooth=given.get("smooth", max(1, int(np.floor(fe.window / hop + 0.5)))),  # windows that hear the same moment
        votes=votes,
        of=given.get("of", votes),
        refractory=samples(given.get("refractory", 0), rate),
        silence=given.get("silence", SILENCE),
    )


def possible(fe: Frontend, hop: int) -> int:
    """Return the hop in samples: overlapping windows start whole frames apart, and no closer than a board has room for.

    A board keeps a quarter more rows of the log-mel than a window has, and, for two windows, the frames that reach beyond the ends.
    """
    if hop >= fe.window:
        return hop
    starts = fe.hop_length * np.arange(fe.frames) - fe.pad_before
    before, after = int((starts < 0).sum()), int(((starts >= 0) & (starts + fe.n_fft > fe.window)).sum())
    for frames in range(max(1, before, after), fe.frames):
        others = int(np.ceil(fe.frames / frames))  # windows that begin within one
        if (others - 2) * (before + after) <= fe.frames // 4 and frames * fe.hop_length >= hop - hop % fe.hop_length:
            return min(frames * fe.hop_length, fe.window)
    return fe.window


def samples(seconds: float, rate: int) -> int:
    """Return a setting in seconds as samples, first rounded to the millisecond."""
    return int((Decimal(int(seconds * 1000 + 0.5)) * rate / 1000).quantize(Decimal(1), ROUND_HALF_UP))


def seconds(sample: int, rate: float) -> float:
    """Return the time of a sample as a board prints it: three decimals, a half rounded up."""
    return float((Decimal(sample) / Decimal(rate)).quantize(Decimal("0.001"), ROUND_HALF_UP))


def without_offset(pcm: np.ndarray, rate: int) -> np.ndarray:
    """Subtract from int16 samples their running mean.

    In the mean the n-th sample has a weight of 1 / 2^floor(log2 n), but never less than about 32 Hz / rate.
    """
    last = min(12, int(np.floor(np.log2(rate / 32))) + 1)
    shifts = np.minimum(np.floor(np.log2(np.arange(1, len(pcm) + 1))), last).astype(int)
    fine = (pcm.astype(int) * 8192).tolist()
    means = accumulate(zip(fine, shifts.tolist(), strict=True), lambda mean, new: mean + ((new[0] - mean) >> new[1]), initial=0)
    resting = np.floor(np.array(list(means)[1:]) / 8192 + 0.5)
    return np.clip(pcm - resting, -32768, 32767).astype(np.int16)


def decimate(pcm: np.ndarray, factor: int) -> np.ndarray:
    """Return int16 samples at 1 / factor of the rate, bit for bit as the integer kernels compute them (kernels/capture.py)."""
    if factor == 1:
        return pcm
    taps = np.array(lowpass(factor), np.int64)
    half = len(taps) // 2
    pair = np.minimum(np.arange(len(taps)), np.arange(len(taps))[::-1])
    padded = np.pad(pcm.astype(np.int64), half)
    even, odd = (np.convolve(padded, np.where(pair % 2 == k, taps, 0), "valid")[: len(pcm) : factor] for k in (0, 1))
    return np.clip(((even >> 1) + (odd >> 1) + 8192) >> 14, -32768, 32767).astype(np.int16)


def a_weighting(hertz: np.ndarray) -> np.ndarray:
    """Return the gain of A-weighting, 1 at 1 kHz (IEC 61672-1, annex E)."""
    low, second, third, high = 20.598997, 107.65265, 737.86223, 12194.217

    def gain(f):
        f2 = np.square(f)
        return f2 * f2 / ((f2 + low**2) * (f2 + high**2) * np.sqrt((f2 + second**2) * (f2 + third**2)))

    return gain(np.asarray(hertz, float)) / gain(1000.0)


def decibels(mean_square: np.ndarray) -> np.ndarray:
    """Return the level in dB of full scale: 0 for a full-scale sine, -120 for digital silence."""
    return np.maximum(10 * np.log10(np.maximum(mean_square, 1e-9) / FULL_SCALE), -120)


def a_levels(pcm: np.ndarray, rate: int, slot: int) -> np.ndarray:
    """Return the A-weighted mean squares of each whole slot of samples."""
    spectrum = np.fft.rfft(pcm.astype(float), 2 * len(pcm))
    weighted = np.fft.irfft(spectrum * a_weighting(np.fft.rfftfreq(2 * len(pcm), 1 / rate)))[: len(pcm) // slot * slot]
    return np.square(weighted).reshape(-1, slot).mean(axis=1)


def scores_of(graph: Graph, windows: np.ndarray) -> np.ndarray:
    """Return the scores (N, labels) of int16 windows: computed in integers for a calibrated model, else in floats."""
    if graph.fixed:
        return fixed_point.run(graph, graph.fixed, windows).output
    return floats.run(rounded(graph), windows / 32768, np.float32).output


def events(labels: list[str], rate: int, rules: Rules, scores: np.ndarray, levels: np.ndarray) -> list[dict]:
    """Return the start and end events of successive windows, in the order in which a board reports them.

    levels: dB of each window.
    """
    n, entries = len(scores), []
    smooth = np.array([scores[max(0, k - rules.smooth + 1) : k + 1].mean(axis=0) for k in range(n)])
    votes = smooth >= rules.thresholds
    enough = np.array([votes[max(0, k - rules.of + 1) : k + 1].sum(axis=0) >= rules.votes for k in range(n)])

    def event(kind, now, i, score, level, sample):
        report = {"event": kind, "label": labels[i], "score": float(score), "level": float(level), "t": seconds(sample, rate)}
        entries.append((now, i, report))

    for i in range(len(labels)):
        now, earliest = 0, 0
        while now < n:
            if not enough[now, i] or now * rules.hop + rules.window < earliest:
                now += 1
                continue
            stop = next((k for k in range(now, n) if not enough[k, i]), n)
            first = next(k for k in range(max(0, now - rules.of + 1), now + 1) if votes[k, i])
            last = max(k for k in range(min(stop + 1, n)) if votes[k, i])
            event("start", now, i, smooth[now, i], levels[now], first * rules.hop)
            event("end", stop, i, smooth[now:stop, i].max(), levels[now:stop].max(), last * rules.hop + rules.window)
            earliest = last * rules.hop + rules.window + rules.refractory
            now = stop
    return [report for _, _, report in sorted(entries, key=lambda entry: entry[:2])]


def listen(graph: Graph, pcm: np.ndarray, rate: int, settings: dict | None = None) -> list[dict]:
    """Return the events that a board without lost samples reports for a recording.

    pcm: int16 at `rate` Hz, which is about a multiple of the model's rate.
    """
    fe, factor = graph.frontend, round(rate / graph.frontend.sample_rate)
    kept = rate // factor if rate % factor == 0 else rate / factor
    rules, pcm = rules_of(graph, settings or {}, int(kept + 0.5)), without_offset(pcm, rate)
    decimated = decimate(pcm, factor)
    windows = np.lib.stride_tricks.sliding_window_view(decimated, fe.window)[:: rules.hop]
    levels = window_levels(pcm, rate, rules, factor, len(windows))
    return events(graph.labels, kept, rules, loud(rules, scores_of(graph, windows), levels), levels)


def window_levels(pcm: np.ndarray, rate: int, rules: Rules, factor: int, n: int) -> np.ndarray:
    """Return the A-weighted level of each of n windows, in dB of full scale; factor: samples of pcm for each of the model's."""
    slot = rules.window // SLOTS
    squares = a_levels(pcm, rate, slot * factor)
    starts = rules.hop * np.arange(n)
    return decibels(np.array([squares[s // slot : (s + rules.window) // slot].mean() for s in starts]))


def loud(rules: Rules, scores: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the scores (N, labels), 0 for windows that are too quiet to be of any label."""
    return np.where(levels[:, None] < rules.silence, 0, scores)
