"""Pictures of sound, by matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from l3host.errors import L3Error, reading
from l3host.sound import audio

COLUMNS = 1200  # of a picture: more than it has pixels


class Measured(Protocol):
    """Levels over time: of a recording (sound/levels.py), or of a board."""

    offset: float

    @property
    def seconds(self) -> float: ...

    def exceeded(self, per_cent: float) -> float: ...

    def over_time(self, every: float) -> Iterator[dict]: ...


def figure(width: float, height: float):
    """Return a matplotlib figure that no window shows. Raises L3Error without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise L3Error("pictures need matplotlib: pip install 'l3mote[report]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def time_axis(ax, seconds: float) -> float:
    """Label the axis of time in a unit that suits so many seconds; return the unit's seconds."""
    unit, name = next(((size, name) for size, name in ((3600, "hours"), (60, "minutes")) if seconds > 3 * size), (1, "seconds"))
    ax.set_xlabel(name)
    return unit


def events_over_spectrograms(path: Path, rate: int, bands: np.ndarray, recordings: list[tuple[str, Sequence[Any]]]) -> None:
    """Draw what a network sees of each recording, all its bands over time, and a bar for each event above, by label.

    rate, bands: as spectrogram has them. recordings: (path, events) each, an event with label, start and end.
    """
    page = figure(11, 3.4 * len(recordings))
    pairs = page.subplots(2 * len(recordings), 1, squeeze=False, height_ratios=[1, 3] * len(recordings))[:, 0]
    for (name, events), bars, ax in zip(recordings, pairs[::2], pairs[1::2], strict=True):
        plane, seconds = spectrogram(audio.recording(name), rate, bands)
        unit = time_axis(ax, seconds)
        ax.imshow(plane, origin="lower", aspect="auto", extent=(0, seconds / unit, 0, len(plane)), cmap="magma", vmin=-80, vmax=0)
        ax.set_ylabel("band")
        labels = list(dict.fromkeys(event["label"] for event in events))
        for event in events:
            row, length = labels.index(event["label"]), max(event["end"] - event["start"], seconds / 500)
            bars.broken_barh([(event["start"] / unit, length / unit)], (row + 0.1, 0.8), color=f"C{row % 10}")
        bars.set(xlim=(0, seconds / unit), ylim=(0, max(1, len(labels))), title=Path(name).name, xticks=[])
        bars.set_yticks([row + 0.5 for row in range(len(labels))], labels)
        if not events:
            bars.text(0.5, 0.5, "no events", transform=bars.transAxes, ha="center", va="center", color="gray")
    save(page, path)


def spectrogram(sound: audio.Recording, rate: int, bands: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a recording's spectrogram in dB, (bands, columns), 0 at its maximum, and its seconds. At most COLUMNS columns.

    rate: in Hz, to which it is resampled. bands: the filterbank (n_fft / 2 + 1, bands).
    """
    n = 2 * (len(bands) - 1)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    columns, waiting, step, samples, left = [np.zeros(bands.shape[1])], 0, 1, 0, np.zeros(n // 2)
    for block in audio.prepared(sound, rate):
        samples += len(block)
        left = np.concatenate([left, block])
        count = max(0, 2 * len(left) // n - 1)
        for start in range(0, count * n // 2, n // 2):
            power = np.square(np.abs(np.fft.rfft(left[start : start + n] * hann))) @ bands
            if waiting == step:
                columns.append(np.zeros_like(power))
                waiting = 0
            columns[-1] += power
            waiting += 1
            if len(columns) > COLUMNS:  # from here on, a column has twice as many frames
                columns = [a + b for a, b in zip(columns[:-1:2], columns[1:-1:2], strict=True)] + columns[-1:]
                step *= 2
        left = left[count * n // 2 :]
    plane = np.array(columns[:-1] or columns).T
    return 10 * np.log10(np.maximum(plane / max(plane.max(), 1e-300), 1e-20)), samples / rate


def save(page, path: Path) -> None:
    """Write a figure in the format that its name ends in. Raises L3Error for another, and where it cannot be written."""
    with reading(path, ": name it .png, .svg or .pdf"):
        page.savefig(path, dpi=100)


def levels_over_time(path: Path, by_file: Mapping[str, Measured], every: float) -> None:
    """Draw LAeq of each `every` seconds, with L10 and L90, of one recording below the other."""
    page = figure(9, 2.6 * len(by_file))
    axes = page.subplots(len(by_file), 1, squeeze=False)[:, 0]
    for ax, (name, levels) in zip(axes, by_file.items(), strict=True):
        rows = list(levels.over_time(every))
        unit = time_axis(ax, levels.seconds)
        ax.plot([row["t"] / unit for row in rows], [row["LAeq"] for row in rows], label=f"LAeq, {every:g} s")
        for share, style in ((10, "--"), (90, ":")):
            ax.axhline(levels.exceeded(share), linestyle=style, color="gray", label=f"L{share}")
        ax.set(title=Path(name).name, ylabel="dB SPL" if levels.offset else "dB of full scale")
        ax.legend(loc="upper right", fontsize="small")
    save(page, path)
