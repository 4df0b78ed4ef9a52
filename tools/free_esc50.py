"""Link the clips of ESC-50 that are CC0 or CC BY into a folder of their own, with meta.csv and each clip's attribution.

    tools/free_esc50.py ESC-50-clips licences.csv free-esc50

licences.csv: filename, fold, category, esc10, licence, author, title, freesound_id; a clip's suffix may differ from the file's.
free-esc50/attribution.csv is what goes beside a model that was trained on them.
"""

import csv
import sys
from pathlib import Path

FREE = ("CC0", "CC-BY")


def main(clips: str, licences: str, out: str) -> None:
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    files = {path.stem: path.resolve() for path in Path(clips).iterdir() if path.suffix in (".wav", ".flac", ".ogg")}
    with open(licences, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["licence"] in FREE and Path(row["filename"]).stem in files]
    for row in rows:
        source = files[Path(row["filename"]).stem]
        row["filename"] = source.name
        link = folder / source.name
        if not link.exists():
            link.symlink_to(source)
    write(folder / "meta.csv", rows)
    write(folder / "attribution.csv", [attribution(row) for row in rows])
    print(f"{folder}: {len(rows)} clips, {sum(row['esc10'] == 'True' for row in rows)} of ESC-10")


def attribution(row: dict[str, str]) -> dict[str, str]:
    return {
        "clip": Path(row["filename"]).stem,
        "licence": row["licence"].replace("-", " "),
        "author": row["author"],
        "title": row["title"],
        "source": f"https://freesound.org/s/{row['freesound_id']}/",
    }


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
