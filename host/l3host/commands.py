"""What each command does: takes parsed arguments, returns an exit status. cli.py parses and reports errors."""

from __future__ import annotations

import argparse
import io
from json import JSONDecodeError
from pathlib import Path

import numpy as np

from l3host import audio, hearing, show, synth
from l3host.deploy.commands import bench, deploy, monitor  # noqa: F401  (cli.py finds handlers here)
from l3host.embed import get_embedding, recording_windows, run_windows, windows_of
from l3host.errors import L3Error
from l3host.files import claim_output, write_bytes
from l3host.graph import Graph
from l3host.load import load_graph, open_reader
from l3host.pipeline.commands import compress, report, sweep  # noqa: F401
from l3mote import FormatError

PALETTE_PASS = "palettes of at most 256 float16 values a layer"

def convert(args: argparse.Namespace) -> int:
    from l3convert import convert as read
    from l3host.half import flushed, rounded

    out = claim_output(args.output, args.force)
    graph = read(args.input, frontend=args.frontend, embedding_size=args.embedding_size)
    if args.labels:
        graph.labels = [label.strip() for label in args.labels.split(",")]
    lost = flushed(graph)
    if args.encoding == "palette":
        note_pass(graph, PALETTE_PASS)
    if args.calibrate is not None:
        from l3host.fixed import calibrate

        graph = rounded(graph, args.encoding)  # scales are measured with the weights that the file holds
        graph.fixed = calibrate(graph, calibration_windows(graph, args.calibrate))
        sounds = ", ".join(Path(name).name for name in args.calibrate) or "synthetic sounds"
        note_pass(graph, f"fixed-point scales calibrated on {sounds}")
    return write_model(args, out, graph, lost)


def write_model(args: argparse.Namespace, out: Path, graph: Graph, flushed_subnormals: int) -> int:
    from l3host.writer import to_bytes

    data = to_bytes(graph, args.encoding)
    write_bytes(out, data)
    result = {"file": str(out), "layers": len(graph.layers), "flushed_subnormals": flushed_subnormals, "bytes": len(data)}
    show.results(args.json, result, lambda: show.converted(result))
    return 0


def note_pass(graph: Graph, text: str) -> None:
    graph.provenance["passes"] = [*graph.provenance.get("passes", []), text]


def make_random(args: argparse.Namespace) -> int:
    from l3host.compress.random_model import random_edgel3

    out = claim_output(args.output, args.force)
    with show.waiting("a minute of arithmetic", args.json):
        graph = random_edgel3(args.plan, args.seed, args.encoding)
    if args.encoding == "palette":
        note_pass(graph, PALETTE_PASS)
    return write_model(args, out, graph, 0)


def calibration_windows(graph: Graph, files: list[str]) -> np.ndarray:
    """int16 windows of the recordings given, or of synthesised sounds when none is."""
    fe = graph.frontend
    if files:
        return np.concatenate([pcm_windows(graph, name) for name in files])
    sounds = [hearing.hear(synth.sound(name), synth.RATE, fe.sample_rate) for name in synth.CALIBRATION]
    return np.concatenate([windows_of(sound, fe.window, fe.window // 2, center=False) for sound in sounds])


def inspect(args: argparse.Namespace) -> int:
    from l3host.describe import describe
    from l3mote.verify import verify

    reader = open_reader(args.model)
    try:
        verify(reader)
        result = {"file": args.model, **describe(reader, args.heap)}
    except (FormatError, JSONDecodeError) as e:
        raise L3Error(f"{args.model}: {e}") from None
    finally:
        reader.close()
    show.results(args.json, result, lambda: show.inspection(result))
    fits = all(board["fits"] for board in result["boards"].values())
    return 0 if args.heap is None or fits else 1


def npz_path(args: argparse.Namespace, name: str) -> Path:
    folder = Path(args.output_dir) if args.output_dir else Path(name).parent
    if not folder.is_dir():
        raise L3Error(f"no such directory: {folder}")
    suffix = f"_{args.suffix}" if args.suffix else ""
    return claim_output(str(folder / f"{Path(name).stem}{suffix}.npz"), args.force)


def embed(args: argparse.Namespace) -> int:
    graph = load_graph(args.model)
    outputs = [npz_path(args, name) for name in args.audio]
    if len(set(outputs)) < len(outputs):
        raise L3Error("two of the inputs would be written to the same file: use --output-dir or --suffix, one at a time")
    results = []
    with show.progress(args.quiet or args.json) as bar:
        for name, out in zip(args.audio, outputs, strict=True):
            task = bar.add_task(Path(name).name, total=None)
            with audio.naming(name):
                samples, rate = audio.read(name)
                embedding, timestamps = get_embedding(
                    samples, rate, graph, args.center, args.hop_size, progress=lambda n, task=task: bar.advance(task, n)
                )
            buffer = io.BytesIO()
            np.savez(buffer, embedding=embedding, timestamps=timestamps)
            write_bytes(out, buffer.getvalue())
            results.append({"file": name, "output": str(out), "shape": list(embedding.shape)})
    show.results(args.json, results, lambda: show.embedded(results, args.quiet))
    return 0


def labelled(model: str) -> Graph:
    graph = load_graph(model)
    if not graph.labels:
        raise L3Error(f"{model} has no labels, it gives embeddings: use l3mote embed")
    return graph


def classify(args: argparse.Namespace) -> int:
    graph = labelled(args.model)
    results, timelines = [], []
    with show.progress(args.json) as bar:
        for name in args.audio:
            task = bar.add_task(Path(name).name, total=None)
            windows = pcm_windows(graph, name)
            _, scores = run_windows(graph, windows, lambda n, task=task: bar.advance(task, n))
            mean = scores.mean(axis=0)
            results.append(
                {
                    "file": name,
                    "label": graph.labels[int(mean.argmax())],
                    "scores": {label: float(p) for label, p in zip(graph.labels, mean, strict=True)},
                    "windows": len(windows),
                }
            )
            timelines.append(scores)
    show.results(args.json, results, lambda: show.classified(results, timelines, graph))
    return 0


def pcm_windows(graph: Graph, name: str) -> np.ndarray:
    """The int16 windows of a file that a board would classify one after the other."""
    fe = graph.frontend
    with audio.naming(name):
        return recording_windows(hearing.load(name, fe.sample_rate), fe, fe.hop)


def emulate(args: argparse.Namespace) -> int:
    from l3host.emulate import emulate as run

    if args.listen:
        return listen(args)
    if args.expect or args.set:
        raise L3Error("--expect and --set are for the listening app: add --listen")
    graph = load_graph(args.model)
    pcm = pcm_windows(graph, args.audio)
    with show.waiting(f"{args.runtime}: {len(pcm)} windows", args.json):
        emulation = run(args.model, pcm, args.runtime, heap=args.heap, kernel=args.kernel)
    result = emulation.to_json()
    show.results(args.json, result, lambda: show.emulated(result, graph))
    return 0 if emulation.ok and emulation.facts["selftest"] else 1


def listen(args: argparse.Namespace) -> int:
    from l3host.emulate.listen import expectation
    from l3host.emulate.listen import listen as run

    if args.kernel:
        raise L3Error("--kernel: the listening app takes the first kernel that loads, leave it out")
    expectations = [expectation(text) for text in args.expect or ()]
    with show.waiting(f"{args.runtime}: listening", args.json):
        heard = run(args.model, args.audio, args.runtime, dict(args.set or ()), args.heap)
    missed = [str(wanted) for wanted in heard.missed(expectations)]
    result = heard.to_json() | {"missed": missed}
    show.results(args.json, result, lambda: show.heard(result))
    return 1 if missed else 0


def selftest(args: argparse.Namespace) -> int:
    from l3host.emulate import emulate as run

    graph = load_graph(args.model)
    silence = np.zeros((1, graph.frontend.window), np.int16)
    with show.waiting(args.runtime, args.json):
        facts = run(args.model, silence, args.runtime, kernel=args.kernel).facts
    result = {"ok": facts["selftest"], "error": facts["selftest_error"], "runtime": args.runtime, "kernel": facts["kernel"]}
    show.results(args.json, result, lambda: show.selftested(result))
    return 0 if result["ok"] else 1


def train(args: argparse.Namespace) -> int:
    from l3host.train.settings import Settings
    from l3host.train.train import train as run

    out = claim_output(args.output, args.force)
    settings = Settings(epochs=args.epochs, seed=args.seed)
    folds = [] if args.no_cv else args.folds
    metrics = run(args.dataset, str(out), args.subset, settings, args.run_dir, folds, args.skip_bad)
    show.results(args.json, metrics, lambda: show.trained(metrics, str(out)))
    return 0



def evaluate(args: argparse.Namespace) -> int:
    from l3host import datasets
    from l3host.evaluate import embeddings, protocol

    dataset = datasets.load(args.dataset, args.subset, args.skip_bad)
    plan = protocol.planned(dataset, args.probe, args.folds, args.seeds)
    with show.progress(args.json, f"of {len(dataset.clips)}") as bar:
        task = bar.add_task("clips", total=None)
        found = embeddings.of_model(args.model, dataset, args.run_dir, args.hop_size, lambda n: bar.advance(task, n))
    probes = len(plan) * len(protocol.seed_numbers(args.probe, args.seeds))
    with show.progress(args.json, f"of {probes}") as bar:
        task = bar.add_task("probes", total=None)
        result = protocol.evaluate(dataset, found, args.probe, args.folds, args.seeds, lambda n: bar.advance(task, n))
    result |= {"model": args.model, "hop_seconds": args.hop_size}
    show.results(args.json, result, lambda: show.evaluated(result))
    return 0
