"""`l3mote record`."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.cli.arguments import SERIAL, finite, tool
from l3host.cli.deploy import target_of
from l3host.errors import L3Error
from l3host.show import plural, results, say, steps

if TYPE_CHECKING:
    from l3host.deploy.recording import Block, Clips

HELP = "Record WAVs from a board's microphone, to train with. Keys 1 to 9 change the label while it runs; Ctrl-C ends it."
EXAMPLE = "l3mote record --port /dev/ttyACM0 --label dog --label _other --seconds 60"
BAR, LOWEST = 20, -80.0  # characters, and dB at its left end


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--port", required=True, help=f"{SERIAL}; a model was deployed to it")
    sub.add_argument(
        "--label", action="append", required=True, help="label of the sound; give several to switch between them by key"
    )
    sub.add_argument("-o", "--output", default="sounds", help="folder for LABEL/TIME.wav (default sounds)")
    sub.add_argument("--seconds", type=finite, help="duration (default: until Ctrl-C)")
    sub.add_argument("--rate", type=int, help="sample rate in Hz (default: the microphone's own)")
    sub.add_argument("--clip", type=finite, default=5.0, help="length of each WAV in seconds (default 5)")
    tool(sub)


def run(args: argparse.Namespace) -> int:
    from l3host.deploy import recording
    from l3host.deploy.links import connected, port_of
    from l3host.deploy.targets import Board
    from l3mote import start

    for label in args.label:
        if not label or "/" in label or label.startswith("."):
            raise L3Error(f"label {label!r}: it names a folder, without / and not hidden")
    if not 0.5 <= args.clip <= 3600 or (args.seconds is not None and args.seconds < 0.5):
        raise L3Error("--clip is 0.5 to 3600 seconds, --seconds at least 0.5")
    port = port_of(args.port)
    with connected(port, args.tool) as link:
        board, _ = target_of(port, link)
        assert isinstance(board, Board)
        root = board.root + start.ROOT
        _, running, _ = board.call("running", root)
        if running is None:
            raise L3Error("no version runs on the board: deploy a model first; its settings say where the microphone is")
        steps(args.json)(f"{port} begins to record; its level appears here, and Ctrl-C ends it")
        board.reset()
        rate, blocks = recording.open_stream(link, f"{root}/{running}", args.rate, args.seconds)
        clips = recording.Clips(Path(args.output), rate, args.clip)
        clips.switch(args.label[0])
        with contextlib.suppress(KeyboardInterrupt), pressed() as key:
            for block in blocks:
                chosen = key()
                if chosen and chosen <= len(args.label):
                    clips.switch(args.label[chosen - 1])
                if block is not None:
                    clips.add(block)
                    level(args.json, clips, block)
        blocks.close()
        clips.close()
    if not args.json and sys.stderr.isatty():
        print(file=sys.stderr)
    if not clips.saved and not clips.dropped:
        raise L3Error("nothing was recorded: less than half a second of sound came")
    result = {"rate": clips.rate, "files": list(map(str, clips.saved)), "dropped": clips.dropped, "lost": clips.lost}
    results(args.json, result, lambda: recorded(result, args.output))
    return 1 if clips.dropped else 0


def level(quiet: bool, clips: Clips, block: Block) -> None:
    """Show the label, the level and the number of lost samples on one line of the terminal."""
    if quiet or not sys.stderr.isatty():
        return
    width = shutil.get_terminal_size().columns - 1
    print(f"\r{meter(clips, block.level)[:width]:{width}}", end="", file=sys.stderr)


def meter(clips: Clips, level: float) -> str:
    """Return the label, the level in dB(A) and what was saved and lost, in less than 80 columns."""
    filled = round(BAR * min(1.0, max(0.0, 1 - level / LOWEST)))
    counted = f"{plural(len(clips.saved), 'clip')}, {clips.lost} samples lost"
    return f"{clips.label[:12]:>12} {'█' * filled}{' ' * (BAR - filled)} {level:6.1f} dB(A)  {counted}"


@contextlib.contextmanager
def pressed() -> Iterator[Callable[[], int | None]]:
    """Yield a function that returns the digit pressed since its last call, or None; always None without a terminal."""
    if not sys.stdin.isatty():
        yield lambda: None
        return
    import select
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)

    def key() -> int | None:
        if not select.select([sys.stdin], [], [], 0)[0]:
            return None
        text = sys.stdin.read(1)
        return int(text) if text.isdecimal() else None

    try:
        tty.setcbreak(sys.stdin)
        yield key
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def recorded(result: dict, folder: str) -> None:
    say(f"{folder}: {plural(len(result['files']), 'clip')} at {result['rate']} Hz")
    if result["dropped"]:
        say(f"{plural(result['dropped'], 'clip')} not saved: {result['lost']} samples were lost; try a lower --rate or faster port")
