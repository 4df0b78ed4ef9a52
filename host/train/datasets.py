"""Data sets of labelled clips, recognised by the files present. No TensorFlow and no audio is loaded here."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from l3host.errors import L3Error

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
FOLDS = 4  # of a folder per class, which has none of its own
SHOWN = 3  # clips named in an error

ESC_CREDIT = "K. J. Piczak, 'ESC: Dataset for Environmental Sound Classification', ACM MM 2015; clips from freesound.org"
URBANSOUND_CREDIT = "J. Salamon, C. Jacoby, J. P. Bello, 'A Dataset and Taxonomy for Urban Sound Research', ACM MM 2014"


class Clip(NamedTuple):
    path: str
    label: int  # index into Dataset.labels
    fold: int


@dataclass(frozen=True)
class Dataset:
    """Clips with their labels (sorted by name) and folds; licence and attribution are empty when unknown."""

    name: str
    clips: list[Clip]
    labels: list[str]
    licence: str = ""
    attribution: str = ""

    @property
    def folds(self) -> list[int]:
        return sorted({clip.fold for clip in self.clips})


def load(path: str, subset: str | None = None) -> Dataset:
    """Read a data set's list of clips and check that every clip is there and opens as audio.

    path: ESC-50 as published (audio/, meta/esc50.csv), ESC-50 with meta.csv beside its clips, UrbanSound8K as published
    (audio/fold1/..., metadata/UrbanSound8K.csv), or a folder that has one folder of clips for each class.
    subset: "esc10", for ESC-50 only. Raises L3Error: no known layout, a column missing, clips missing or unreadable.
    """
    root = Path(path)
    if not root.is_dir():
        raise L3Error(f"no such data set directory: {path}")
    if subset not in (None, "esc10"):
        raise L3Error(f"unknown subset {subset!r}: only esc10 is known")
    layouts = ((root / "meta.csv", root), (root / "meta" / "esc50.csv", root / "audio"))
    for table, audio in layouts:
        if table.exists():
            return checked(esc50(table, audio, subset))
    if subset:
        raise L3Error(f"subset {subset} needs ESC-50: neither meta.csv nor meta/esc50.csv is in {path}")
    if (root / "metadata" / "UrbanSound8K.csv").exists():
        return checked(urbansound8k(root))
    return checked(folder_per_class(root))


def _rows(table: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a CSV file that has at least these columns and whose fold is a number."""
    try:
        with open(table, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise L3Error(f"cannot read {table}: {e}") from None
    if not rows:
        raise L3Error(f"{table} lists no clips")
    for number, row in enumerate(rows, 2):
        missing = [column for column in columns if not row.get(column)]
        if missing:
            raise L3Error(f"{table}, line {number}: no value for {', '.join(missing)} (expected columns: {', '.join(columns)})")
        if not row["fold"].isdecimal():
            raise L3Error(f"{table}, line {number}: fold {row['fold']!r} is not a number")
    return rows


def _dataset(name: str, entries: list[tuple[Path, str, int]], licence: str = "", attribution: str = "") -> Dataset:
    """entries: (path, label, fold) of each clip."""
    labels = sorted({label for _, label, _ in entries})
    clips = [Clip(str(path), labels.index(label), fold) for path, label, fold in entries]
    return Dataset(name, clips, labels, licence, attribution)


def esc50(table: Path, audio: Path, subset: str | None) -> Dataset:
    """ESC-50 (Piczak 2015), or its ESC-10 subset, which has a freer licence."""
    rows = _rows(table, ("filename", "fold", "category", "esc10"))
    if subset:
        rows = [row for row in rows if row["esc10"].lower() == "true"]
        if not rows:
            raise L3Error(f"{table}: no clip is marked esc10")
    entries = [(audio / row["filename"], row["category"], int(row["fold"])) for row in rows]
    if subset:
        return _dataset("ESC-10", entries, "CC BY 3.0", f"ESC-10: {ESC_CREDIT}")
    return _dataset("ESC-50", entries, "CC BY-NC 3.0", f"ESC-50: {ESC_CREDIT}")


def urbansound8k(root: Path) -> Dataset:
    """UrbanSound8K (Salamon et al. 2014), its ten official folds."""
    rows = _rows(root / "metadata" / "UrbanSound8K.csv", ("slice_file_name", "fold", "class"))
    entries = [(root / "audio" / f"fold{row['fold']}" / row["slice_file_name"], row["class"], int(row["fold"])) for row in rows]
    return _dataset("UrbanSound8K", entries, "CC BY-NC 3.0", f"UrbanSound8K: {URBANSOUND_CREDIT}")


def folder_per_class(root: Path) -> Dataset:
    """One folder of clips for each class; folds 1 to 4 in turn, over each class's clips sorted by name."""
    entries = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        clips = sorted(p for p in folder.iterdir() if p.suffix.lower() in AUDIO_SUFFIXES)
        entries += [(clip, folder.name, i % FOLDS + 1) for i, clip in enumerate(clips)]
    if len({label for _, label, _ in entries}) < 2:
        raise L3Error(
            f"{root} is no known data set: expected meta.csv or meta/esc50.csv (ESC-50), metadata/UrbanSound8K.csv, "
            f"or at least two folders of clips ({', '.join(AUDIO_SUFFIXES)}), one for each class"
        )
    return _dataset(root.resolve().name, entries)


def checked(dataset: Dataset) -> Dataset:
    """The data set, if every clip exists, opens as audio and has samples. Raises L3Error with the first few that do not."""
    import soundfile

    bad = []
    for clip in dataset.clips:
        try:
            if not soundfile.info(clip.path).frames:
                bad.append(f"{clip.path} (empty)")
        except (soundfile.LibsndfileError, OSError, RuntimeError):
            bad.append(f"{clip.path} ({'unreadable' if Path(clip.path).exists() else 'missing'})")
    refuse(bad, len(dataset.clips))
    return dataset


def refuse(bad: list[str], total: int) -> None:
    """Raise L3Error naming the first few bad clips and their count, if there are any."""
    if bad:
        rest = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise L3Error(f"{len(bad)} of {total} clips cannot be used: {', '.join(bad[:SHOWN])}{rest}")
