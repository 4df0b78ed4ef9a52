"""`l3mote embed`."""

from __future__ import annotations

import argparse
import io
from functools import partial
from pathlib import Path

from l3host.cli.arguments import AUDIO, MODEL
from l3host.errors import L3Error
from l3host.files import claim_output, write_bytes
from l3host.show import plural, progress, results, say

HELP = "Write the embeddings of audio files to .npz (embedding, timestamps)."
EXAMPLE = "l3mote embed sea64.l3m street.wav --hop-size 0.5"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", nargs="+", help=AUDIO)
    sub.add_argument("--output-dir", help="folder for the .npz files (default: beside each input)")
    sub.add_argument("--suffix", help="written as NAME_SUFFIX.npz")
    sub.add_argument("--hop-size", type=float, default=0.1, help="seconds between windows (default 0.1)")
    sub.add_argument("--no-centering", dest="center", action="store_false", help="do not pad half a window before the start")
    sub.add_argument("--quiet", action="store_true", help="print nothing but errors")
    sub.add_argument("--force", action="store_true", help="overwrite existing .npz files")


def run(args: argparse.Namespace) -> int:
    import numpy as np

    from l3host.embed import get_embedding
    from l3host.l3m.load import load_graph
    from l3host.sound import audio

    graph = load_graph(args.model)
    outputs = [npz_path(args, name) for name in args.audio]
    if len(set(outputs)) < len(outputs):
        raise L3Error("two of the inputs would be written to the same file: use --output-dir or --suffix, one at a time")
    rows = []
    with progress(args.quiet or args.json) as bar:
        for name, out in zip(args.audio, outputs, strict=True):
            task = bar.add_task(Path(name).name, total=None)
            with audio.naming(name):
                samples, rate = audio.read(name)
                embedding, timestamps = get_embedding(
                    samples, rate, graph, args.center, args.hop_size, progress=partial(bar.advance, task)
                )
            buffer = io.BytesIO()
            np.savez(buffer, embedding=embedding, timestamps=timestamps)
            write_bytes(out, buffer.getvalue())
            rows.append({"file": name, "output": str(out), "shape": list(embedding.shape)})
    results(args.json, rows, lambda: embedded(rows, args.quiet))
    return 0


def npz_path(args: argparse.Namespace, name: str) -> Path:
    folder = Path(args.output_dir) if args.output_dir else Path(name).parent
    if not folder.is_dir():
        raise L3Error(f"no such directory: {folder}")
    suffix = f"_{args.suffix}" if args.suffix else ""
    return claim_output(str(folder / f"{Path(name).stem}{suffix}.npz"), args.force)


def embedded(rows: list[dict], quiet: bool) -> None:
    for row in [] if quiet else rows:
        say(f"{row['output']}: {plural(row['shape'][0], 'embedding')} of {row['shape'][1]} values")
