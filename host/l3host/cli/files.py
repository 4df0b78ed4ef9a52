"""What commands that take many files share: one progress bar, and a line for each file that fails without stopping the others."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from l3host.errors import L3Error, in_words
from l3host.show import say, sounds
from l3host.text import clean


def sounds_in(names: Sequence[str]) -> list[str]:
    """Return the files that a command's arguments name: files and patterns, and of folders the sounds below, in order of names.

    Raises L3Error for a folder without sounds, or one that cannot be read, and for a pattern that nothing matches.
    """
    from l3host.archive.walk import matching, walk

    files = []
    for name in matching(names):
        if not os.path.isdir(name):
            files.append(name)
            continue
        below = list(walk([name], Path()))
        unread = [at for at in below if at.failed]
        if unread:
            raise L3Error(f"{unread[0].path}: {unread[0].failed}")
        sounds_below = sorted(at.path for at in below if not at.skipped)
        if not sounds_below:
            raise L3Error(f"{name}: no sounds in this folder (WAV, FLAC, OGG, MP3...)")
        files += sounds_below
    return files


class Files:
    """Process many files. status: 0, or 1 once one of them failed. hop: seconds from one window to the next."""

    def __init__(self, args: argparse.Namespace, hop: float, quiet: bool = False):
        self.args, self.hop, self.quiet, self.status = args, hop, quiet or args.json, 0
        self.done = 0  # files that did not fail

    def each(self, task: Callable, items: Sequence, jobs: int) -> Iterator[Any]:
        """Yield what task(item, progress) returns for each item that does not fail, in order; see work.each."""
        from l3host.work import each

        with sounds(self.quiet, len(items)) as bar:
            for outcome in each(task, items, jobs, lambda windows: bar.sound(windows * self.hop)):
                bar.file(failed=outcome.error is not None)
                with bar.aside():
                    for text in outcome.warnings:
                        warnings.warn(text, stacklevel=2)
                    if outcome.error:
                        self.failed(outcome.error)
                    else:
                        self.done += 1
                        yield outcome.value

    def failed(self, error: Exception) -> None:
        if self.args.debug:
            raise error
        self.status = 1
        print(f"l3mote: {clean(in_words(error))}", file=sys.stderr)


def by(engine: str) -> None:
    """Say which engine computed the numbers."""
    say(f"computed by {engine}")
