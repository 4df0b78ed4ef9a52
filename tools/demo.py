"""Classify sounds with the host's reference and with the device package in real MicroPython, and compare (`make demo`).

python tools/demo.py [AUDIO...]: without a file, it makes sounds with synth.py.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from l3host.emulate import emulate
from l3host.errors import L3Error
from l3host.l3m.load import load_graph
from l3host.show import say, waiting
from l3host.sound import synth
from l3host.sound.windows import pcm_windows

MODEL, RUNTIME, HEAP = "esc10", "unix", 256 << 10
SOUNDS = ("rain", "chainsaw", "clock_tick")  # those of synth's sounds that the model recognises: it was trained on recordings


def run(path: str) -> bool:
    """Print the labels of a file; return whether the device package agrees with the reference in every layer."""
    graph = load_graph(MODEL)
    pcm = pcm_windows(graph.frontend, path)
    with waiting(f"{Path(path).name}: in MicroPython with {HEAP >> 10} kB of heap", False):
        emulation = emulate(MODEL, pcm, RUNTIME, heap=HEAP)
    for where, output in (("the reference", emulation.reference.output), ("the board's code", emulation.outputs)):
        scores = output.mean(axis=0)
        say(f"{Path(path).name}, {where}: {graph.labels[scores.argmax()]} {scores.max():.2f}")
    if not emulation.ok:
        say(f"  they differ: {emulation.first_failure}")
    return emulation.ok


def main(argv: list[str]) -> int:
    try:
        with tempfile.TemporaryDirectory() as folder:
            agreed = [run(path) for path in argv or made(folder)]
    except L3Error as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    if not all(agreed):
        say("The board's code does NOT agree with the reference: please open an issue with this output")
        return 1
    say("The board's code agrees with the reference: every layer, every bit, in real MicroPython")
    if not argv:
        say("These sounds are synthetic. Your own: make demo AUDIO=street.wav; a board without a board: .venv/bin/l3mote board")
    return 0


def made(folder: str) -> list[str]:
    """Write the sounds into a folder; return their paths."""
    import soundfile

    paths = [str(Path(folder, f"{name}.wav")) for name in SOUNDS]
    for name, path in zip(SOUNDS, paths, strict=True):
        soundfile.write(path, synth.sound(name), synth.RATE)
    return paths


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
