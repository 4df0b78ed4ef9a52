"""A run folder: which recipe and which inputs it belongs to, one process at a time in it, and the notes of its finished stages."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from l3host.errors import L3Error
from l3host.files import write_json
from l3host.pipeline.recipe import RANDOM, VIDEO, WEIGHTS, Recipe

NOTE = "run.json"
RESULT = "result.json"
LOCK = "lock"


def inputs(recipe: Recipe) -> dict[str, str]:
    """SHA-256 by name of the source's files and of each data set (names and contents of all its files)."""
    files = {WEIGHTS: recipe.source.weights, VIDEO: recipe.source.video}
    names = {name: Path(file) for name, file in files.items() if file not in (None, RANDOM)}
    names |= {name: Path(recipe.data[name]) for name in recipe.needs()}
    try:
        return {name: contents(path) for name, path in names.items()}
    except OSError as e:
        raise L3Error(f"cannot read {e.filename}: {e.strerror}") from None


def contents(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files in a folder but hidden ones."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    digest = hashlib.sha256()
    for file in files:
        if path.is_dir():
            digest.update(f"{file.relative_to(path).as_posix()}\n".encode())
        with open(file, "rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


@contextmanager
def claimed(folder: Path, recipe: Recipe) -> Iterator[dict[str, str]]:
    """The folder for this recipe alone and for this process alone; gives inputs(recipe).

    Raises L3Error if it belongs to another recipe (and says what differs), or if another process is at work in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(p.name for p in folder.iterdir() if p.name != LOCK)
    except OSError as e:
        raise L3Error(f"cannot make the run folder {folder}: {e.strerror}") from None
    if others and NOTE not in others:
        raise L3Error(f"{folder} is no run folder, it holds {others[0]}: choose a new or an empty one")
    with locked(folder):
        mine = {"recipe": json.loads(json.dumps(recipe.told())), "inputs": inputs(recipe)}
        if not (folder / NOTE).exists():
            write_json(folder / NOTE, mine)
        differs = differences(read_json(folder / NOTE), mine)
        if differs:
            what = ", ".join(differs)
            raise L3Error(f"{folder} is the run of another recipe (other {what}): choose another folder or delete it")
        for left in folder.rglob("*.tmp*"):  # by a process that was killed while it wrote
            left.unlink()
        yield mine["inputs"]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else may have the folder; the lock goes with the process, however it ends."""
    import fcntl  # POSIX alone

    with open(folder / LOCK, "a+") as file:
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


def read_json(path: Path):
    """Raises L3Error if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise L3Error(f"cannot read {path}: {e}") from None
