"""`l3mote embed`."""

from __future__ import annotations

import argparse

from l3host.cli.archive import absolute, archived, store
from l3host.cli.arguments import MODEL, SOUNDS, spread
from l3host.cli.files import Files, by, sounds_in
from l3host.show import plural, print_json, say

HELP = "Write the embeddings of audio files to .npz (embedding, timestamps)."
EXAMPLE = "l3mote embed sea64.l3m street.wav --hop-size 0.5"


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help=MODEL)
    sub.add_argument("audio", nargs="+", help=SOUNDS)
    sub.add_argument("-o", "--output-dir", help="folder for the .npz files, made if need be (default: beside each input)")
    sub.add_argument("-x", "--suffix", help="write NAME_SUFFIX.npz")
    sub.add_argument("-t", "--hop-size", type=float, default=0.1, help="seconds between windows (default 0.1)")
    sub.add_argument("-n", "--no-centering", dest="center", action="store_false", help="do not pad half a window before the start")
    spread(sub)
    store(sub)
    sub.add_argument("-q", "--quiet", action="store_true", help="print only errors")
    sub.add_argument("--force", action="store_true", help="overwrite existing .npz files")


def run(args: argparse.Namespace) -> int:
    if args.to:
        from l3host.archive.tasks import EmbedTask
        from l3host.engines import chosen

        return archived(args, EmbedTask(absolute(args.model), args.center, args.hop_size, chosen(args.engine)), args.quiet)
    from l3host.embed import Embed, hop_samples, loaded, outputs_for
    from l3host.work import jobs_for

    engine = loaded(args.model, args.engine)
    hop_samples(engine.graph.frontend, args.hop_size)
    sounds = sounds_in(args.audio)
    outputs = outputs_for(sounds, args.output_dir, args.suffix, args.force)
    jobs = jobs_for(len(sounds), args.jobs)
    task = Embed(args.model, args.center, args.hop_size, args.engine, threads=1 if jobs > 1 else None)
    files = Files(args, args.hop_size, args.quiet)
    rows = []
    for path, out, shape in files.each(task, list(zip(sounds, outputs, strict=True)), jobs):
        rows.append({"file": path, "output": str(out), "shape": list(shape)})
        if not (args.json or args.quiet):
            say(f"{out}: {plural(shape[0], 'embedding')} of {shape[1]} values")
    if args.json:
        print_json(rows)
    elif files.done and not args.quiet:
        by(engine.name)
    return files.status
