"""`l3mote emulate`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from l3host.cli.arguments import AUDIO, KERNEL, MODEL, RUNTIME, byte_count
from l3host.cli.classify import timeline
from l3host.show import draw, plural, results, say, size, table, waiting

if TYPE_CHECKING:
    from l3host.graph.network import Graph

HELP = "Run the unchanged device package in a real MicroPython and compare it with the reference."
EXAMPLE = "l3mote emulate esc10 street.wav --runtime unix --heap 256k"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", help=AUDIO)
    sub.add_argument("--runtime", default="wasm", help=f"{RUNTIME} (default wasm)")
    sub.add_argument("--heap", type=byte_count, help="bytes of heap for the whole board, e.g. 192k")
    sub.add_argument("--kernel", help=KERNEL)


def run(args: argparse.Namespace) -> int:
    from l3host.emulate import emulate
    from l3host.l3m.load import load_graph
    from l3host.sound.windows import pcm_windows

    graph = load_graph(args.model)
    pcm = pcm_windows(graph.frontend, args.audio)
    with waiting(f"{args.runtime}: {len(pcm)} windows", args.json):
        emulation = emulate(args.model, pcm, args.runtime, heap=args.heap, kernel=args.kernel)
    result = emulation.to_json()
    results(args.json, result, lambda: emulated(result, graph))
    return 0 if emulation.ok and emulation.facts["selftest"] else 1


def emulated(result: dict, graph: Graph) -> None:
    import numpy as np

    from l3host.classify import best_of

    fe = graph.frontend
    windows = plural(result["windows"], "window")
    say(f"runtime {result['runtime']}, kernel {result['kernel']} ({result['arithmetic']}), {windows}")
    if result["scores"]:
        scores = np.array(result["scores"])
        draw(timeline(best_of(graph.labels, scores, fe.hop / fe.sample_rate, fe.window / fe.sample_rate)))
    parity = result["parity"]
    t = table("Against the reference", "layer", "largest difference", "relative")
    for row in parity["layers"]:
        t.add_row(row["name"], f"{row['max_abs']:.2e}", f"{row['max_rel']:.2e}")
    draw(t)
    tolerance = f"tolerance ({parity['tolerance']:g} of its largest value)" if parity["tolerance"] else "tolerance (every bit)"
    say(f"every layer within {tolerance}" if parity["ok"] else f"first layer out of {tolerance}: {parity['first_failure']}")
    embedding = parity["embedding"]
    say(f"embedding, front-end included: largest difference {embedding['max_abs']:.2e}, cosine {embedding['cosine']:.6f}")
    say(f"self-test {'passed' if result['selftest']['ok'] else 'FAILED'} (error {result['selftest']['error']:.1e})")
    peak = result["heap_peak_bytes"]
    heap = f"heap peak {size(peak)}" if peak else "heap peak not known to this runtime"
    say(
        f"{heap} (package {size(result['base_bytes'])}, planned buffers {size(result['plan_bytes'])}), "
        f"{size(result['flash_bytes_read'])} of flash and {result['seconds_per_window']:.3f} s a window"
    )
    if result["runtime"] == "wasm":
        say("in WebAssembly floats take 8 bytes and garbage counts: use --runtime unix for the effect of a limited heap")
