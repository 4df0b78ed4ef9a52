"""`l3mote levels`."""

from __future__ import annotations

import argparse
import contextlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.cli.arguments import SERIAL, SOUNDS, finite, seconds
from l3host.cli.files import sounds_in
from l3host.errors import L3Error
from l3host.files import claim_output, csv_rows
from l3host.show import draw, is_wide, print_json, results, say, table

if TYPE_CHECKING:
    from l3host.sound.levels import Levels

HELP = "Measure sound levels (IEC 61672-1): LAeq, LAFmax, L10, L50, L90, LZeq, third octaves."
EXAMPLE = "l3mote levels street.wav --offset 120.3 --csv street.csv --picture street.png"
COLUMNS = "LAeq", "LAFmax", "L10", "L50", "L90", "LZeq", "LASmax"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("audio", nargs="*", help=SOUNDS)
    sub.add_argument("--port", help=f"the levels that a listening board measures, until Ctrl-C: {SERIAL}")
    sub.add_argument("--seconds", type=seconds, metavar="S", help="with --port: stop after S seconds")
    sub.add_argument(
        "--offset", type=finite, default=0.0, metavar="DB", help="dB SPL of full scale, from calibrate-level (default: print dBFS)"
    )
    sub.add_argument("--thirds", action="store_true", help="print the level in each third octave")
    sub.add_argument("--csv", metavar="FILE", help="write the levels over time to FILE")
    sub.add_argument(
        "--every", type=seconds, default=1.0, metavar="SECONDS", help="time step of the CSV and the picture (default 1)"
    )
    sub.add_argument("--picture", metavar="FILE", help="draw the levels over time into FILE (needs matplotlib)")
    sub.add_argument("--force", action="store_true", help="overwrite FILEs")


def run(args: argparse.Namespace) -> int:
    if bool(args.audio) == bool(args.port):
        raise L3Error("name recordings, or the --port of a board that listens")
    outputs = [claim_output(path, args.force) if path else None for path in (args.csv, args.picture)]
    return of_board(args, *outputs) if args.port else of_files(args, *outputs)


def of_files(args: argparse.Namespace, table_file: Path | None, picture: Path | None) -> int:
    from l3host.sound import audio
    from l3host.sound.levels import measure

    by_file = {}
    for path in sounds_in(args.audio):
        with audio.naming(path):
            by_file[path] = measure(audio.recording(path), args.offset)
    if table_file:
        write_csv(table_file, by_file, args.every)
    if picture:
        from l3host.sound.pictures import levels_over_time

        levels_over_time(picture, by_file, args.every)
    if args.json:
        print_json([{"file": path, **levels.to_json()} for path, levels in by_file.items()])
    else:
        print_levels(by_file, args.thirds)
    return 0


def of_board(args: argparse.Namespace, table_file: Path | None, picture: Path | None) -> int:
    """Print each level line of a board as it comes, and the figures of all of them at the end: Ctrl-C, or --seconds."""
    from l3host.deploy import levels
    from l3host.deploy.links import port_of

    port, measured = port_of(args.port), None
    if args.thirds:
        raise L3Error("--thirds needs a recording: l3mote record saves what a board hears")
    with csv_rows(table_file) as write, contextlib.suppress(KeyboardInterrupt):
        write(("time", "t", "LAeq"))
        for measured in levels.of_board(port, args.seconds, args.offset):
            now, t, level = datetime.now(), measured.times[-1], measured.values[-1]
            write((now.isoformat(timespec="seconds"), f"{t:.1f}", f"{level:.1f}"))
            if not args.json:
                say(f"{now:%H:%M:%S}  {level:6.1f} dB")
    if measured is None:
        raise L3Error(f"{port}: no level line yet: is the app there, with level_every set (--set level_every=1)?")
    if picture:
        from l3host.sound.pictures import levels_over_time

        levels_over_time(picture, {port: measured}, args.every)
    figures = measured.to_json()
    summary = ", ".join(f"{name} {value:.1f}" for name, value in figures.items() if name.startswith("L"))
    results(args.json, {"port": port, **figures}, lambda: say(f"{figures['seconds']:g} s: {summary}"))
    return 0


def print_levels(by_file: dict[str, Levels], with_thirds: bool) -> None:
    unit = "dB SPL" if any(levels.offset for levels in by_file.values()) else "dB of full scale: a full-scale sine is 0"
    columns = COLUMNS if is_wide() else COLUMNS[:6]
    t = table(f"Levels ({unit})", "file", "seconds", *columns)
    for path, levels in by_file.items():
        row = levels.to_json()
        t.add_row(path, f"{row['seconds']:.1f}", *(f"{row[name]:.1f}" for name in columns))
    draw(t)
    if with_thirds:
        for path, levels in by_file.items():
            say(f"third octaves of {path}: " + ", ".join(f"{hertz:g} Hz {level:.1f}" for hertz, level in levels.thirds.items()))


def write_csv(path: Path, by_file: dict[str, Levels], every: float) -> None:
    from l3host.text import cell

    with csv_rows(path) as write:
        write(("file", "t", "LAeq", "LAFmax", "LAS", "LZeq"))
        for name, levels in by_file.items():
            for row in levels.over_time(every):
                write((cell(name), *row.values()))
