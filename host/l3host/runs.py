"""A run folder: whose it is, one process in it at a time, and what is finished."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from l3host.errors import L3Error
from l3host.files import read_json, write_json

NOTE = "run.json"
RESULT = "result.json"
LOCK = "lock"


def recipe_of(folder: Path) -> dict | None:
    """Return the recipe whose run folder this is; None for any other folder."""
    try:
        note = read_json(folder / NOTE)
    except L3Error:
        return None
    recipe = note.get("recipe") if isinstance(note, dict) else None
    return recipe if isinstance(recipe, dict) and "name" in recipe else None


@contextmanager
def claimed(folder: Path, whose: Callable[[], dict], what: str) -> Iterator[dict]:
    """Hold the folder for this process and this work alone; give whose(), ready for JSON.

    whose: called once the folder is locked, returns all that distinguishes this work from other work. what: a word for it
    ("recipe", "training"). Raises L3Error if the folder belongs to other work (naming what differs), has files but no
    note, or if another process works in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(p.name for p in folder.iterdir() if p.name != LOCK)
    except OSError as e:
        raise L3Error(f"cannot make the run folder {folder}: {e.strerror}") from None
    if others and NOTE not in others:
        raise L3Error(f"{folder} is not a run folder, it holds {others[0]}: choose a new or an empty one")
    with locked(folder):
        mine = json.loads(json.dumps(whose()))  # tuples become lists, as in the file
        if not (folder / NOTE).exists():
            write_json(folder / NOTE, mine)
        differs = differences(read_json(folder / NOTE), mine)
        if differs:
            raise L3Error(f"{folder} is the run of another {what} (other {', '.join(differs)}): choose another folder or delete it")
        for left in folder.rglob("*.tmp*"):  # left by a process that was killed while it wrote
            left.unlink()
        yield mine


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process, however that ends."""
    import fcntl  # POSIX only

    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        opened = os.open(folder / LOCK, flags, 0o666)
    except OSError as e:
        reason = "is a link, delete it" if (folder / LOCK).is_symlink() else e.strerror
        raise L3Error(f"cannot lock {folder}: {folder / LOCK}: {reason}") from None
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise L3Error(f"cannot lock {folder}: {folder / LOCK}: is not a file, delete it")
    with os.fdopen(opened, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            who = f"process {file.read()}"
            raise L3Error(f"{who} works in {folder}: wait for it, or choose another folder") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def differences(a: object, b: object, name: str = "") -> list[str]:
    """Return the dotted names of what differs between two values of JSON."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = dict.fromkeys([*a, *b])
        return [d for key in keys for d in differences(a.get(key), b.get(key), f"{name}.{key}" if name else key)]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b) and any(isinstance(v, dict) for v in a + b):
        return [d for i, pair in enumerate(zip(a, b, strict=True), 1) for d in differences(*pair, f"{name} {i}")]
    return [] if a == b else [name.removeprefix("recipe.")]
