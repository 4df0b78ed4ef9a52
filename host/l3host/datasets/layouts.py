"""Published layouts with one label a clip: ESC-50, UrbanSound8K, and a folder per class."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

from l3host import costs
from l3host.datasets.dataset import Clip, Dataset
from l3host.errors import L3Error, reading
from l3host.files import read_text

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
UNREAD_SUFFIXES = (".m4a", ".aac", ".mp4", ".wma", ".amr", ".3gp", ".webm", ".mka", ".caf", ".raw", ".pcm")  # sounds as well
SPLITS = ("train", "training", "test", "testing", "val", "valid", "validation", "dev", "development", "eval", "evaluation")
FOLD = re.compile(r"fold[ _-]?\d+")
FOLDS = 4  # of a folder per class, which has none of its own

ESC_CREDIT = "K. J. Piczak, 'ESC: Dataset for Environmental Sound Classification', ACM MM 2015; clips from freesound.org"
URBANSOUND_CREDIT = "J. Salamon, C. Jacoby, J. P. Bello, 'A Dataset and Taxonomy for Urban Sound Research', ACM MM 2014"


def table_rows(table: Path, columns: tuple[str, ...], named: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file that has a value for each of these columns. Raises L3Error.

    named: the column that names a file; a path that leads elsewhere is refused.
    """
    with reading(table):
        text = read_text(table, costs.FILE_BYTES).removeprefix("\ufeff")  # a byte order mark, as spreadsheets write it
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    if not rows:
        raise L3Error(f"{table} lists no clips")
    for number, row in enumerate(rows, 2):
        missing = [column for column in columns if not row.get(column)]
        if missing:
            raise L3Error(f"{table}, line {number}: no value for {', '.join(missing)} (expected columns: {', '.join(columns)})")
        if re.search(r"[/\\]|^\.+$", row[named]):
            raise L3Error(f"{table}, line {number}: {named} {row[named]!r} is not the name of a file")
    return rows


def folded_rows(table: Path, columns: tuple[str, ...], named: str) -> list[dict[str, str]]:
    """Return table_rows() whose fold is a number."""
    rows = table_rows(table, columns, named)
    for number, row in enumerate(rows, 2):
        if not row["fold"].isdecimal():
            raise L3Error(f"{table}, line {number}: fold {row['fold']!r} is not a number")
    return rows


def _dataset(name: str, entries: list[tuple[Path, str, int]], licence: str = "", attribution: str = "") -> Dataset:
    """Return the data set of entries (path, label, fold), one for each clip. Labels are sorted by name."""
    labels = sorted({label for _, label, _ in entries})
    clips = [Clip(str(path), (labels.index(label),), fold) for path, label, fold in entries]
    return Dataset(name, clips, labels, licence, attribution)


def esc50(table: Path, audio: Path, subset: str | None) -> Dataset:
    """Read ESC-50 (Piczak 2015), or its ESC-10 subset, which has a freer licence."""
    rows = folded_rows(table, ("filename", "fold", "category", "esc10"), "filename")
    if subset:
        rows = [row for row in rows if row["esc10"].lower() == "true"]
        if not rows:
            raise L3Error(f"{table}: no clip is marked esc10")
    entries = [(audio / row["filename"], row["category"], int(row["fold"])) for row in rows]
    name, licence = ("ESC-10", "CC BY 3.0") if subset else ("ESC-50", "CC BY-NC 3.0")
    if all(row.get("licence") for row in rows):
        licence = f"clip by clip: {', '.join(sorted({row['licence'] for row in rows}))}"
    return _dataset(name, entries, licence, f"{name}: {ESC_CREDIT}")


def urbansound8k(root: Path) -> Dataset:
    """Read UrbanSound8K (Salamon et al. 2014), its ten official folds."""
    rows = folded_rows(root / "metadata" / "UrbanSound8K.csv", ("slice_file_name", "fold", "class"), "slice_file_name")
    entries = [(root / "audio" / f"fold{row['fold']}" / row["slice_file_name"], row["class"], int(row["fold"])) for row in rows]
    return _dataset("UrbanSound8K", entries, "CC BY-NC 3.0", f"UrbanSound8K: {URBANSOUND_CREDIT}")


def sounds_below(root: Path) -> list[str]:
    """Return every audio file of a folder, at any depth, sorted."""
    return sorted(str(p) for p in root.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and not p.name.startswith("."))


def folder_per_class(root: Path, expected: str) -> Dataset:
    """Read one folder of clips for each class, at any depth; folds 1 to 4 in turn, over each class's clips sorted by path.

    Folders without a clip are named in .skipped; clips of a kind that is not read are in .clips, for the check to refuse.
    expected: what else the folder might have had, for the L3Error when it has no two classes either.
    """
    entries, skipped = [], []
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    splits = [folder.name for folder in folders if folder.name.lower() in SPLITS or FOLD.fullmatch(folder.name.lower())]
    if len(splits) > 1:
        raise L3Error(f"{root}: {', '.join(splits)} look like splits, not classes: put their clips into one folder for each class")
    for folder in folders:
        clips = sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES + UNREAD_SUFFIXES and not p.is_dir())
        if not clips:
            skipped.append(f"{folder} (no clips in it)")
        entries += [(clip, folder.name, i % FOLDS + 1) for i, clip in enumerate(clips)]
    if len({label for _, label, _ in entries}) < 2:
        raise L3Error(
            f"{root} is not a known data set: expected {expected}, "
            f"or at least two folders of clips ({', '.join(AUDIO_SUFFIXES)}), one for each class"
        )
    return replace(_dataset(root.resolve().name, entries), skipped=tuple(skipped))
