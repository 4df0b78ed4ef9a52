"""Clips that cannot be used: missing, empty, undecodable, listed twice, or the same recording in two folds."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from l3host.datasets.dataset import Clip, Dataset
from l3host.errors import L3Error
from l3host.sound.audio import REMEDY, UNREADABLE, opened

SHOWN = 3  # clips named in an error
BLOCK = 1 << 20  # samples decoded at once


def usable(dataset: Dataset, skip_bad: bool) -> Dataset:
    """Return the data set, if every clip can be used; with skip_bad without those that cannot. Raises L3Error."""
    good, bad = [], []
    seen: dict[str, Clip] = {}  # by path and by what is heard: the first clip of each
    for clip in dataset.clips:
        reason = unusable(clip, seen)
        if reason:
            bad.append(f"{clip.path} ({reason})")
        else:
            good.append(clip)
    if bad and (not skip_bad or not good):
        refuse(bad, len(dataset.clips))
    return replace(dataset, clips=good, skipped=(*dataset.skipped, *bad))


def read_through(path: str) -> tuple[str, bytes]:
    """Return why a file cannot be read to its end, or '', and the SHA-256 of its decoded samples: the same in WAV and in FLAC."""
    digest = hashlib.sha256()
    if not Path(path).is_file():
        return "not a regular file" if Path(path).exists() else "missing", b""
    try:
        with opened(path) as file:
            length = 0
            digest.update(f"{file.samplerate} {file.channels}".encode())
            while len(block := file.read(BLOCK, always_2d=True)):
                if not np.isfinite(block).all():
                    return "has NaN or infinite samples", b""
                digest.update(block.astype(np.float32).tobytes())
                length += len(block)
    except UNREADABLE as e:
        return str(e) if REMEDY in str(e) else "unreadable", b""
    return ("", digest.digest()) if length else ("empty", b"")


def unusable(clip: Clip, seen: dict[str, Clip]) -> str:
    """Return why a clip cannot be used beside those seen, or ''. A copy inside a fold does no harm; across folds it is a leak."""
    path = os.path.realpath(clip.path)  # Path.resolve() raises for a link that leads to itself
    if path in seen:
        return "listed twice"
    seen[path] = clip
    reason, contents = read_through(clip.path)
    if reason:
        return reason
    first = seen.setdefault(contents.hex(), clip)
    if first.fold != clip.fold:
        return f"the same contents as {Path(first.path).name} in fold {first.fold}"
    if first.tags != clip.tags:
        return f"the same contents as {Path(first.path).name}, which has another label"
    return ""


def undecodable(path: str) -> str:
    """Return why a file cannot be read to its end, or ''."""
    return read_through(path)[0]


def refuse(bad: list[str], total: int) -> None:
    """Raise L3Error naming the first few bad clips, their count and what to do, if there are any."""
    if bad:
        rest = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise L3Error(f"{len(bad)} of {total} clips cannot be used: {', '.join(bad[:SHOWN])}{rest}; --skip-bad leaves them out")
