"""`l3mote calibrate-level`."""

from __future__ import annotations

import argparse

from l3host.cli.arguments import AUDIO, SERIAL, finite
from l3host.errors import L3Error
from l3host.show import results, say

HELP = "Measure the offset from dBFS to dB SPL, with a sound level calibrator on the microphone."
EXAMPLE = "l3mote calibrate-level calibrator.wav --spl 94"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("audio", nargs="?", help=f"a few seconds of its 1 kHz tone, recorded by the microphone: {AUDIO}")
    sub.add_argument("--port", help=f"measure with a listening board instead: {SERIAL}")
    sub.add_argument("--spl", type=finite, default=94.0, metavar="DB", help="level of the calibrator in dB SPL (default 94)")


def run(args: argparse.Namespace) -> int:
    if bool(args.audio) == bool(args.port):
        raise L3Error("name a recording of the calibrator, or the --port of a board that listens to it")
    offset = of_board(args.port, args.spl) if args.port else of_file(args.audio, args.spl)
    results(args.json, {"spl": args.spl, "level_offset": offset}, lambda: print_offset(offset))
    return 0


def of_file(path: str, spl: float) -> float:
    from l3host.sound import audio
    from l3host.sound.levels import calibration, measure

    with audio.naming(path):
        return calibration(measure(audio.recording(path)), spl, path)


def of_board(port: str, spl: float) -> float:
    from l3host.deploy.levels import of_steady_sound
    from l3host.deploy.links import port_of

    return round(spl - of_steady_sound(port_of(port)), 2)


def print_offset(offset: float) -> None:
    say(f"full scale is {offset:.1f} dB SPL")
    say(f"on this computer:  l3mote levels street.wav --offset {offset}")
    say(f"on the board:      l3mote deploy ... --set level_offset={offset}")
