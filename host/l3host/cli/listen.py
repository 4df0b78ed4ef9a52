"""`l3mote listen`."""

from __future__ import annotations

import argparse
import contextlib

from l3host.cli.arguments import AUDIO, MODEL, RUNTIME, byte_count, setting
from l3host.show import draw, plural, results, say, steps, table, waiting

HELP = "Run the listening app on a recording, in a real MicroPython, and print its events."
DEFAULT = "wasm"
EXAMPLE = "l3mote listen esc10 street.wav --runtime rp2040 --expect dog@2.0-4.5"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", help=AUDIO)
    sub.add_argument("--runtime", help=f"{RUNTIME} (default {DEFAULT}; with mqtt_host, unix)")
    sub.add_argument("--heap", type=byte_count, help="bytes of heap for the whole board, e.g. 192k")
    sub.add_argument(
        "--expect", action="append", default=[], metavar="LABEL@FROM-TO",
        help="exit status 1 unless LABEL is reported between these seconds, e.g. dog@2.0-4.5",
    )  # fmt: skip
    sub.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=VALUE", help="a setting of the app")


def run(args: argparse.Namespace) -> int:
    from l3host.emulate.listen import expectation, listen, runtime_for
    from l3host.package.broker import in_clear_text

    expectations, settings = [expectation(text) for text in args.expect], dict(args.set)
    runtime = runtime_for(settings, args.runtime, DEFAULT)
    if warning := in_clear_text(settings):
        steps(args.json)(warning)
    live = bool(settings.get("mqtt_host"))
    with contextlib.nullcontext() if live else waiting(f"{runtime}: listening", args.json):
        report = listen(args.model, args.audio, runtime, settings, args.heap, say if live and not args.json else None)
    missed = [str(wanted) for wanted in report.missed(expectations)]
    result = report.to_json() | {"missed": missed}
    results(args.json, result, lambda: print_report(result, live))
    return 1 if missed else 0


def print_report(result: dict, live: bool) -> None:
    t = table("Events", "", "label", "score", "level", "seconds")
    for event in sorted(result["events"], key=lambda event: event["t"]):
        if event["event"] not in ("level", "status"):
            score = "" if event.get("score") is None else f"{event['score']:.2f}"
            level = "" if event.get("level") is None else f"{event['level']:.1f} dB"
            t.add_row(event["event"], event["label"], score, level, f"{event['t']:.1f}")
    draw(t) if t.row_count else say("no events")
    say(f"runtime {result['runtime']}, kernel {result['kernel']}: {plural(result['windows'], 'window')} in {result['t']:.1f} s")
    if not live:  # where waiting counts as work
        pace = "keeps up" if result["seconds_per_window"] <= result["hop"] else "it would skip windows: set a longer hop"
        say(f"a window took {result['seconds_per_window']:.2f} s on its clock, one is due every {result['hop']:.2f} s: {pace}")
    for wanted in result["missed"]:
        say(f"MISSED {wanted}")
