"""SONYC-UST (Cartwright et al., DCASE 2019 and 2020): urban sound tagging, several tags a clip, three splits.

annotations.csv has one row for each clip and annotator. What is taken from the publisher's baseline (DCASE 2020, task 5):
a training clip has a tag when at least one citizen annotator (annotator_id > 0) heard it; validation and test clips count only
if the SONYC team agreed on them (annotator_id 0), and have the team's tags. The evaluation here is of the 8 coarse tags.

Assumed: a training clip that no citizen annotated is left out (the baseline would give it no tags at all); a presence other
than 1 (-1 stands for "not annotated" among the fine tags) is absence.
"""

from __future__ import annotations

import re
from pathlib import Path

from l3host.datasets.dataset import Clip, Dataset
from l3host.datasets.layouts import table_rows
from l3host.errors import L3Error

SPLITS = ("train", "validate", "test")  # folds 1, 2, 3
COARSE = re.compile(r"\d+_.*_presence")  # 1_engine_presence; a fine tag is 1-1_small-sounding-engine_presence
TEAM = 0  # annotator_id of what the SONYC team agreed on
CREDIT = "M. Cartwright et al., 'SONYC-UST-V2: An Urban Sound Tagging Dataset with Spatiotemporal Context', DCASE 2020"


def read(root: Path) -> Dataset:
    """Read SONYC-UST as published: annotations.csv, clips in `audio/` or, as unpacked from several archives, in `audio-*/`."""
    table = root / "annotations.csv"
    rows = table_rows(table, ("split", "audio_filename", "annotator_id"), "audio_filename")
    columns = [column for column in rows[0] if COARSE.fullmatch(column or "")]
    if not columns:
        raise L3Error(f"{table} has no coarse tags: expected columns such as 1_engine_presence")
    tagged: dict[str, tuple[int, set[int]]] = {}
    for number, row in enumerate(rows, 2):
        fold, counts = judged(row, f"{table}, line {number}")
        if counts:
            first, tags = tagged.setdefault(row["audio_filename"], (fold, set()))
            if first != fold:
                raise L3Error(f"{table}, line {number}: {row['audio_filename']} is in two splits")
            tags |= {i for i, column in enumerate(columns) if row[column] == "1"}
    if not tagged:
        raise L3Error(f"{table} has no annotation that counts (citizens' for train, annotator_id 0 for validate and test)")
    where = clip_paths(root)
    clips = [Clip(where.get(name, str(root / "audio" / name)), tuple(sorted(tags)), f) for name, (f, tags) in tagged.items()]
    labels = [column.removesuffix("_presence") for column in columns]
    return Dataset("SONYC-UST", clips, labels, "CC BY 4.0", f"SONYC-UST: {CREDIT}", multilabel=True, split=True)


def judged(row: dict[str, str], place: str) -> tuple[int, bool]:
    """Fold of an annotation, and whether it counts there. Raises L3Error for an unknown split or annotator."""
    if row["split"] not in SPLITS:
        raise L3Error(f"{place}: split {row['split']!r} is none of {', '.join(SPLITS)}")
    try:
        annotator = int(row["annotator_id"])
    except ValueError:
        raise L3Error(f"{place}: annotator_id {row['annotator_id']!r} is not a number") from None
    return SPLITS.index(row["split"]) + 1, annotator > TEAM if row["split"] == "train" else annotator == TEAM


def clip_paths(root: Path) -> dict[str, str]:
    """Return the paths of the clips by name."""
    folders = [root / "audio", *sorted(root.glob("audio-*"))]
    return {path.name: str(path) for folder in folders if folder.is_dir() for path in folder.iterdir()}
