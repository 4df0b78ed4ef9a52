"""`l3mote selftest`."""

from __future__ import annotations

import argparse

from l3host.cli.arguments import KERNEL, MODEL, RUNTIME
from l3host.show import results, say, waiting

HELP = "Run the self-test of a model file."
EXAMPLE = "l3mote selftest esc10 --runtime wasm"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("--runtime", default="cpython", help=f"{RUNTIME} (default cpython)")
    sub.add_argument("--kernel", help=KERNEL)


def run(args: argparse.Namespace) -> int:
    import numpy as np

    from l3host.emulate import emulate
    from l3host.l3m.load import load_graph

    graph = load_graph(args.model)
    silence = np.zeros((1, graph.frontend.window), np.int16)
    with waiting(args.runtime, args.json):
        facts = emulate(args.model, silence, args.runtime, kernel=args.kernel).facts
    result = {"ok": facts["selftest"], "error": facts["selftest_error"], "runtime": args.runtime, "kernel": facts["kernel"]}
    results(args.json, result, lambda: selftested(result))
    return 0 if result["ok"] else 1


def selftested(result: dict) -> None:
    verdict = "passed" if result["ok"] else "FAILED"
    say(f"self-test {verdict}: runtime {result['runtime']}, kernel {result['kernel']}, error {result['error']:.1e}")
