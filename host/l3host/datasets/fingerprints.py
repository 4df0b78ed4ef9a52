"""Fingerprints of the clips that a model was trained on, as its file lists them, so that such clips can be left out of a test."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence

from l3host.datasets.check import read_through

KEY = "trained_on"  # in a file's provenance
BYTES = 4  # of each: one new clip in three million is taken for one of 1,400 known ones


def text(paths: Sequence[str]) -> str:
    """Return the fingerprints of recordings, sorted, in base64."""
    return b64encode(b"".join(sorted({one(path) for path in paths}))).decode()


def one(path: str) -> bytes:
    """Return the fingerprint of a recording: the beginning of the SHA-256 of its decoded samples."""
    return read_through(path)[1][:BYTES]


def known(provenance: dict) -> set[bytes]:
    """Return the fingerprints in a file's provenance, which may be none."""
    try:
        result = b64decode(provenance.get(KEY, ""), validate=True)
    except (ValueError, TypeError):
        return set()
    return {result[at : at + BYTES] for at in range(0, len(result), BYTES)}
