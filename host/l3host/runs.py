"""A run folder: what it belongs to, one process at a time in it, and what was finished in it."""

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


@contextmanager
def claimed(folder: Path, whose: Callable[[], dict], what: str) -> Iterator[dict]:
    """Hold the folder for this process and this work alone; gives whose(), ready for JSON.

    whose: all that tells this work from another one, asked for once the folder is locked; what: a word for such work
    ("recipe", "training"). Raises L3Error if the folder belongs to other work (and says what differs), holds files but no
    note, or if another process is at work in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(p.name for p in folder.iterdir() if p.name != LOCK)
    except OSError as e:
        raise L3Error(f"cannot make the run folder {folder}: {e.strerror}") from None
    if others and NOTE not in others:
        raise L3Error(f"{folder} is not a run folder, it holds {others[0]}: choose a new or an empty one")
    with locked(folder):
        mine = json.loads(json.dumps(whose()))  # tuples to lists, as the file gives them back
        if not (folder / NOTE).exists():
            write_json(folder / NOTE, mine)
        differs = differences(read_json(folder / NOTE), mine)
        if differs:
            raise L3Error(f"{folder} is the run of another {what} (other {', '.join(differs)}): choose another folder or delete it")
        for left in folder.rglob("*.tmp*"):  # by a process that was killed while it wrote
            left.unlink()
        yield mine


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else may have the folder; the lock goes with the process, however it ends."""
    import fcntl  # POSIX alone

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
            raise L3Error(f"{who} is at work in {folder}: wait for it, or choose another folder") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def differences(a: object, b: object, name: str = "") -> list[str]:
    """Names, with dots, of what is not the same in two values of JSON."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = dict.fromkeys([*a, *b])
        return [d for key in keys for d in differences(a.get(key), b.get(key), f"{name}.{key}" if name else key)]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b) and any(isinstance(v, dict) for v in a + b):
        return [d for i, pair in enumerate(zip(a, b, strict=True), 1) for d in differences(*pair, f"{name} {i}")]
    return [] if a == b else [name.removeprefix("recipe.")]
