"""`l3mote convert`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.cli.arguments import encoding
from l3host.cli.files import sounds_in
from l3host.files import claim_output, write_bytes
from l3host.show import results, say, size

if TYPE_CHECKING:
    from l3host.graph.network import Graph

HELP = "Convert a published, Keras, ONNX or TFLite model to .l3m."
EXAMPLE = "l3mote convert edgel3_sea_ust_audio_emb_64.h5 -o sea64.l3m"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "input", help="a published .h5 weight file (or .h5.gz), a Keras .keras or .h5, ONNX or TFLite model, or a .l3m"
    )
    sub.add_argument("-o", "--output", required=True, help=".l3m file to write")
    sub.add_argument("--frontend", help="front-end, if the file does not name it: sea, mel256, mel128, linear or two-seconds")
    sub.add_argument("--embedding-size", type=int, help="512 or 6144 values, for published models that end in a convolution")
    sub.add_argument(
        "--calibrate",
        nargs="*",
        metavar="AUDIO",
        help="add fixed-point scales, measured on these files or folders (none: synthetic sounds)",
    )
    sub.add_argument("--labels", help="comma-separated names of the outputs")
    sub.add_argument(
        "--scores", choices=["softmax", "sigmoid"], help="make scores of logits, which PyTorch's networks often end in"
    )
    encoding(sub)
    sub.add_argument("--force", action="store_true", help="overwrite the output")


def run(args: argparse.Namespace) -> int:
    from l3convert import convert as read
    from l3host.graph.half import flushed
    from l3host.l3m.finish import finish
    from l3host.sound.windows import calibration_windows

    out = claim_output(args.output, args.force)
    graph = read(args.input, frontend=args.frontend, embedding_size=args.embedding_size, scores=args.scores)
    if args.labels:
        graph.labels = [label.strip() for label in args.labels.split(",")]
    lost = flushed(graph)
    windows, sounds = None, ""
    if args.calibrate is not None:
        windows = calibration_windows(graph.frontend, sounds_in(args.calibrate))
        sounds = ", ".join(Path(name).name for name in args.calibrate) or "synthetic sounds"
    return write_model(args, out, finish(graph, args.encoding, windows, sounds), lost)


def write_model(args: argparse.Namespace, out: Path, graph: Graph, flushed_subnormals: int) -> int:
    """Write a graph, with args.encoding, and print what was written."""
    from l3host.l3m.writer import to_bytes

    data = to_bytes(graph, args.encoding)
    write_bytes(out, data)
    result = {"file": str(out), "layers": len(graph.layers), "flushed_subnormals": flushed_subnormals, "bytes": len(data)}
    result["notes"] = notes(graph)
    results(args.json, result, lambda: converted(result))
    return 0


def notes(graph: Graph) -> list[str]:
    """Return what somebody should know about a converted network."""
    from l3convert.l3shape import DEQUANTISED

    lines = []
    if DEQUANTISED in graph.provenance.get("passes", ()):
        lines.append("its integer weights became floats again: answers differ a little from the integer network's")
    if graph.labels and graph.denses[-1].activation == "none":
        lines.append(
            "its outputs are logits, not scores from 0 to 1: convert with --scores softmax, or sigmoid for several at a time"
        )
    return lines


def converted(result: dict) -> None:
    say(f"{result['file']}: {result['layers']} layers, {size(result['bytes'])} ({result['bytes']} bytes)")
    if result["flushed_subnormals"]:
        say(f"{result['flushed_subnormals']} weights below 2^-14 were set to zero")
    for line in result["notes"]:
        say(line)
