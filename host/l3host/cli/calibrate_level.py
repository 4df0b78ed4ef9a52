"""`l3mote calibrate-level`."""

from __future__ import annotations

import argparse

from l3host.cli.arguments import AUDIO
from l3host.show import results, say

HELP = "Find the offset from dB of full scale to dB SPL, from a recording of a sound level calibrator."
EXAMPLE = "l3mote calibrate-level calibrator.wav --spl 94"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("audio", help=f"the calibrator's tone of 1 kHz through the microphone, some seconds: {AUDIO}")
    sub.add_argument("--spl", type=float, default=94.0, metavar="DB", help="what it gives in dB SPL (default 94)")


def run(args: argparse.Namespace) -> int:
    from l3host.sound import audio
    from l3host.sound.levels import calibration, measure

    with audio.naming(args.audio):
        offset = calibration(measure(audio.recording(args.audio)), args.spl, args.audio)
    results(args.json, {"file": args.audio, "spl": args.spl, "level_offset": offset}, lambda: found(offset))
    return 0


def found(offset: float) -> None:
    say(f"full scale is {offset:.1f} dB SPL")
    say(f"on this computer:  l3mote levels street.wav --offset {offset}")
    say(f"on the board:      l3mote deploy ... --set level_offset={offset}")
