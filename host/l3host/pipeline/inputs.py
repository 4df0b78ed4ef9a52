"""The contents that a recipe is made from: a run continues only with the same ones."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from l3host.errors import L3Error
from l3host.pipeline.recipe import RANDOM, TEACHER, VIDEO, WEIGHTS, Recipe, without_names


def inputs(recipe: Recipe) -> dict[str, str]:
    """Return the SHA-256 by name of the source's files and of each data set (names and contents of all its files)."""
    files = {WEIGHTS: recipe.source.weights, VIDEO: recipe.source.video, **without_names(recipe.source)}
    names = {name: Path(file) for name, file in files.items() if file not in (None, RANDOM)}
    if recipe.teacher:
        names[TEACHER] = Path(recipe.teacher.file)  # its digest, of an ONNX file too, is in the lessons
    names |= {name: Path(recipe.data[name]) for name in recipe.needs()}
    try:
        return {name: contents(path) for name, path in names.items()}
    except OSError as e:
        raise L3Error(f"cannot read {e.filename}: {e.strerror}") from None


def contents(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files in a folder but hidden ones."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    digest = hashlib.sha256()
    for file in files:
        if path.is_dir():
            digest.update(os.fsencode(f"{file.relative_to(path).as_posix()}\n"))
        with open(file, "rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
