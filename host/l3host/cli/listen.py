"""`l3mote listen`."""

from __future__ import annotations

import argparse

from l3host.cli.arguments import AUDIO, MODEL, RUNTIME, byte_count, setting
from l3host.show import draw, plural, results, say, table, waiting

HELP = "Run the listening app on a recording, in a real MicroPython, and print its events."
EXAMPLE = "l3mote listen esc10 street.wav --runtime rp2040 --expect dog@2.0-4.5"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", help=AUDIO)
    sub.add_argument("--runtime", default="wasm", help=f"{RUNTIME} (default wasm)")
    sub.add_argument("--heap", type=byte_count, help="bytes of heap for the whole board, e.g. 192k")
    sub.add_argument(
        "--expect", action="append", default=[], metavar="LABEL@FROM-TO",
        help="exit status 1 unless LABEL is reported between these seconds, e.g. dog@2.0-4.5",
    )  # fmt: skip
    sub.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=VALUE", help="a setting of the app")


def run(args: argparse.Namespace) -> int:
    from l3host.emulate.listen import expectation, listen

    expectations = [expectation(text) for text in args.expect]
    with waiting(f"{args.runtime}: listening", args.json):
        report = listen(args.model, args.audio, args.runtime, dict(args.set), args.heap)
    missed = [str(wanted) for wanted in report.missed(expectations)]
    result = report.to_json() | {"missed": missed}
    results(args.json, result, lambda: print_report(result))
    return 1 if missed else 0


def print_report(result: dict) -> None:
    t = table("Events", "", "label", "score", "level", "seconds")
    for event in result["events"]:
        if event["event"] not in ("level", "status"):
            score = "" if event.get("score") is None else f"{event['score']:.2f}"
            level = "" if event.get("level") is None else f"{event['level']:.1f} dB"
            t.add_row(event["event"], event["label"], score, level, f"{event['t']:.1f}")
    draw(t) if t.row_count else say("no events")
    say(f"runtime {result['runtime']}, kernel {result['kernel']}: {plural(result['windows'], 'window')} in {result['t']:.1f} s")
    pace = "keeps up" if result["seconds_per_window"] <= result["hop"] else "it would skip windows: set a longer hop"
    say(f"a window took {result['seconds_per_window']:.2f} s on its clock, one is due every {result['hop']:.2f} s: {pace}")
    for wanted in result["missed"]:
        say(f"MISSED {wanted}")
