"""Sound files under folders, one after the other, without asking the file system about each."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from l3host.datasets.layouts import AUDIO_SUFFIXES, UNREAD_SUFFIXES
from l3host.errors import L3Error

SOUNDS = (*AUDIO_SUFFIXES, *UNREAD_SUFFIXES, ".au", ".snd", ".w64", ".rf64", ".aifc", ".oga", ".wv")


class Found(NamedTuple):
    """A file or a folder by its absolute path; why it is not taken, or why it cannot be read."""

    path: str
    skipped: str = ""
    failed: str = ""


def matching(names: Sequence[str]) -> list[str]:
    """Return the names, each pattern that reached us in quotes (*, ?, [...], ** for folders below) replaced by what it matches.

    A name that exists is no pattern: street[1].wav. Raises L3Error for a pattern that nothing matches.
    """
    result: list[str] = []
    for name in names:
        if os.path.exists(name) or not glob.has_magic(name):
            result.append(name)
        elif found := sorted(glob.glob(name, recursive=True)):
            result += found
        else:
            raise L3Error(f"no file matches {name!r}")
    return result


def roots(paths: Sequence[str]) -> list[str]:
    """The absolute paths of files and folders. Raises L3Error for one that is not there, or that lies within another."""
    result: list[str] = []
    for path in paths:
        root = os.path.abspath(path)
        if not os.path.exists(root):
            raise L3Error(f"no such file or folder: {path}")
        result.append(root)
    for outer in result:
        if inner := [root for root in result if root is not outer and (root + os.sep).startswith(outer.rstrip(os.sep) + os.sep)]:
            raise L3Error(f"{inner[0]} lies within {outer}: its files would be taken twice, name one of them")
    return result


def walk(paths: Sequence[str], leave_out: Path) -> Iterator[Found]:
    """Every file of roots(paths), however deep; links to folders and hidden names are not followed. leave_out: a folder.

    A folder that cannot be read is yielded as failed.
    """
    folders = [path for path in paths if os.path.isdir(path)]
    yield from (Found(path) for path in paths if not os.path.isdir(path))
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path != str(leave_out):
                            folders.append(entry.path)
                    elif entry.name.lower().endswith(SOUNDS):
                        yield Found(entry.path)
                    else:
                        yield Found(entry.path, "not the name of a sound")
        except OSError as e:
            yield Found(folder, failed=f"cannot read the folder: {e.strerror}")
