"""Link the clips of ESC-50 that are CC0 or CC BY into a folder of their own, with meta.csv and each clip's attribution.

    tools/free_esc50.py ESC-50-clips licences.csv free-esc50

licences.csv: filename, fold, category, esc10, licence, author, title, freesound_id; a clip's suffix may differ from the file's.
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
    with open(folder / "meta.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print(f"{folder}: {len(rows)} clips, {sum(row['esc10'] == 'True' for row in rows)} of ESC-10")


if __name__ == "__main__":
    main(*sys.argv[1:])
