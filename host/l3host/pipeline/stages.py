"""The stages of a recipe: each reads what the ones before it left in the run folder, writes its own files, and returns its note.

A note is ready for JSON, and is written last: a stage without a note is done again, so every stage may be repeated.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from l3host import files
from l3host.boards import estimates
from l3host.datasets import fingerprints
from l3host.errors import L3Error, reading
from l3host.files import read_json
from l3host.graph.network import frontend
from l3host.l3m.load import open_reader
from l3host.pipeline import sounds
from l3host.pipeline.recipe import RANDOM, Convert, Evaluate, Recipe, depth, target, width
from l3host.pipeline.result import Weights
from l3host.runs import recipe_of

WINDOWS = 16  # in a batch outside training
BATCHNORM_WINDOWS = 512  # for re-estimated statistics
CALIBRATION_WINDOWS = 64
BOARD, KERNEL = "rp2040", "native"  # for which times are compared
MODEL = "model.l3m"
SOURCE, CUT = "source", "cut"

OnProgress = Callable[[str, int, int], None]  # called with (what is done, how much of it, of how much)


@dataclass(frozen=True)
class Run:
    """The input of every stage. inputs: SHA-256 of the source's weights and of each data set."""

    recipe: Recipe
    folder: Path
    inputs: dict[str, str]
    on_progress: OnProgress

    def network(self, name: str):
        """Return a network that an earlier stage saved."""
        from l3host.networks import layers  # noqa: F401  (a .keras file names LogMel)
        from l3host.networks.backend import keras

        path = self.folder / f"{name}.keras"
        with reading(path, "; delete the run folder to start over"):
            return keras.saving.load_model(path)

    def save(self, model, name: str) -> None:
        """Write NAME.keras, if this worker is the chief."""
        from l3host.networks import backend

        if not backend.is_chief():
            return
        path = self.folder / f"{name}.keras"
        with files.replace(path) as temporary:
            staged = Path(f"{temporary}.keras")  # Keras chooses the format by the suffix
            model.save(staged)
            staged.replace(temporary)

    @property
    def last(self) -> str:
        """The name of the network that the recipe ends with."""
        return f"recover-{len(self.recipe.recover)}" if self.recipe.recover else CUT

    def video(self):
        """Return the source's video network, or a new one. Raises L3Error for a file that is not one."""
        from l3convert import bounded
        from l3host.networks import build
        from l3host.networks.backend import keras

        path = self.recipe.source.video
        if path is not None:
            bounded.look(Path(path))
            with reading(f"{path} as a Keras model"):
                model = keras.saving.load_model(path)
            if len(model.input_shape) != 4:
                raise L3Error(f"{path}: not a video network: its input is {model.input_shape}, not (batch, side, side, 3)")
            return model
        keras.utils.set_random_seed(self.recipe.seed)
        return build.video()

    def note(self, name: str) -> dict:
        """Return the note of a finished stage."""
        return read_json(self.folder / f"{name}.json")

    def dataset(self, part: Evaluate):
        return sounds.labelled(self.recipe.data[part.data], part.subset, None, self.recipe.skip_bad)


def load(run: Run) -> dict:
    """Load the source as a network that can be trained: source.keras."""
    from l3host.networks import build, weights
    from l3host.networks.backend import keras

    source = run.recipe.source
    if source.weights == RANDOM:
        keras.utils.set_random_seed(run.recipe.seed)
        model = build.audio(frontend(source.frontend), source.filters, bool(source.final_norm))
    else:
        model = weights.load(source.weights, source.final_norm)
    run.save(model, SOURCE)
    return {"source": called(source.weights)} | figures(model)


def called(weights: str) -> str:
    """Return what a source is called: the recipe that made it, if it stands in a run folder, else the file's name."""
    recipe = recipe_of(Path(weights).parent) if weights != RANDOM else None
    return recipe["name"] if recipe else Path(weights).name


def cut(run: Run) -> dict:
    """Cut the network that becomes the result, before any training: cut.keras."""
    from l3host.compress import ablate, prune
    from l3host.networks import build
    from l3host.networks.backend import keras

    recipe = run.recipe
    model = run.network(SOURCE)
    if recipe.student:
        keras.utils.set_random_seed(recipe.seed)
        model = build.audio(frontend(recipe.student.frontend), recipe.student.filters, recipe.student.final_norm)
    if recipe.ablate:
        convs, filters = depth(recipe.ablate), width(recipe.ablate)
        model = ablate.depth(model, convs) if convs else ablate.width(model, filters or ())
    if recipe.prune and not recipe.prune.gradual:
        prune.zero(model, target(recipe.prune))
    run.save(model, CUT)
    return dict(figures(model))


def figures(model) -> Weights:
    """Return the filters and density of each convolution, and the counts that the papers' reductions are made of."""
    from l3host.compress import prune

    kernels = prune.kernels(model)
    return {
        "filters": [kernel.shape[3] for kernel in kernels.values()],
        "density": {name: float(np.mean(kernel != 0)) for name, kernel in kernels.items()},
        "weights": int(sum(kernel.size for kernel in kernels.values())),
        "nonzeros": int(sum(np.count_nonzero(kernel) for kernel in kernels.values())),
        "parameters": int(model.count_params()),
    }


def sensitivity(run: Run) -> dict:
    """Prune each convolution of the source alone; every measurement is saved as soon as it is made."""
    from l3host.compress import batchnorm
    from l3host.compress import sensitivity as study

    part = run.recipe.sensitivity
    assert part is not None  # a recipe without [sensitivity] does not have this stage
    dataset = run.dataset(part)
    model = run.network(SOURCE)
    fe = model.get_layer("log_mel").frontend
    waves = sounds.windows([clip.path for clip in dataset.clips], fe, BATCHNORM_WINDOWS, run.recipe.seed) / np.float32(32768)
    kept = run.folder / "sensitivity-rows.json"
    rows = read_json(kept) if kept.exists() else []
    total = len(study.trials(model))

    def judge(network) -> float:
        batchnorm.reestimate(network, waves, WINDOWS)
        return headline(judged(network, dataset, part))[1]

    for row in study.study(model, judge, [(row["layer"], row["percent"]) for row in rows]):
        rows.append(row)
        files.write_json(kept, rows)
        run.on_progress("sensitivity", len(rows), total)
    return {"rows": rows} | described(part, dataset)


def evaluate(run: Run, number: int) -> dict:
    """Evaluate with probe `number` (from 1) on the result's embeddings, which are kept until it is done."""
    return _evaluated(run, number, run.last, "evaluate")


def baseline(run: Run, number: int) -> dict:
    """Evaluate the source as evaluate() does the result: what compression starts from."""
    return _evaluated(run, number, SOURCE, "baseline")


def _evaluated(run: Run, number: int, network: str, what: str) -> dict:
    part = run.recipe.evaluate[number - 1]
    dataset = run.dataset(part)
    kept = run.folder / f"embeddings-{what}-{number}"
    kept.mkdir(exist_ok=True)
    on_progress = partial(run.on_progress, f"{what} {part.data}")
    result = judged(run.network(network), dataset, part, kept, lambda clips: on_progress(clips, len(dataset.clips)))
    shutil.rmtree(kept)
    return result


def judged(
    model, dataset, part: Evaluate, kept: Path | None = None, on_progress: Callable[[int], None] = lambda clips: None
) -> dict:
    """Evaluate a network's embeddings, a head left out. kept: folder of those computed; on_progress: called with clips done."""
    from l3host.evaluate import embeddings, protocol
    from l3host.networks import build

    protocol.planned(dataset, part.probe, part.folds, part.seeds)
    network = build.embedding(model, build.architecture(model).final_norm)
    done = 0

    def on_clips(clips: int) -> None:
        nonlocal done
        done += clips
        on_progress(done)

    embedded = embeddings.of_clips(dataset, embedder(network), network.get_layer("log_mel").frontend, part.hop, kept, on_clips)
    return protocol.evaluate(dataset, embedded, part.probe, part.folds, part.seeds) | described(part, dataset)


def embedder(network) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from windows (N, samples) to embeddings, a few at a time."""

    def embed(windows: np.ndarray) -> np.ndarray:
        parts = range(0, len(windows), WINDOWS)
        return np.concatenate([network.predict_on_batch(np.float32(windows[i : i + WINDOWS])) for i in parts])

    return embed


def described(part: Evaluate, dataset) -> dict:
    """Return what a report must say about an evaluation besides its figures."""
    row = {"data": part.data, "dataset": dataset.name, "probe": part.probe, "hop_seconds": part.hop}
    return row | {"folds": part.folds or dataset.folds}


def headline(result: dict) -> tuple[str, float]:
    """Return the figure that stands for an evaluation: clip accuracy, or micro AUPRC of several labels."""
    key = "accuracy_mean" if "accuracy_mean" in result else "auprc_micro_mean"
    return key.removesuffix("_mean"), result[key]


def convert(run: Run) -> dict:
    """Write model.l3m, calibrated for fixed point. The note says how far float16 moved the embedding."""
    from l3host.l3m.finish import finish
    from l3host.l3m.writer import to_bytes
    from l3host.networks import build, weights

    model = run.network(run.last)
    graph = weights.to_graph(model, **provenance(run))
    for number in range(1, len(run.recipe.recover) + 1):
        note = run.note(f"recover-{number}")
        if "labels" in note:
            graph.labels = note["labels"]
            judged_by(graph, note)
        if fingerprints.KEY in note:
            graph.provenance[fingerprints.KEY] = note[fingerprints.KEY]
    graph.provenance["passes"] = [*graph.provenance.get("passes", []), *passes(run)]
    pcm, sounds_of = calibration(run, run.recipe.convert, graph)
    data = to_bytes(finish(graph, run.recipe.convert.encoding, pcm, sounds_of), run.recipe.convert.encoding)
    files.write_bytes(run.folder / MODEL, data)
    network = build.embedding(model, build.architecture(model).final_norm)
    return {"bytes": len(data), "cosine_to_keras": cosine(network, run.folder / MODEL, pcm[:: max(1, len(pcm) // 8)])}


def judged_by(graph, note: dict) -> None:
    """Put into the graph what its classifier's training has found: thresholds and held-out figures."""
    graph.provenance["held_out"] = {"accuracy": note["evaluation"]["accuracy_mean"], "clips": note["evaluation"]["clips"]}
    if "tuned" in note:
        graph.thresholds = [note["tuned"]["thresholds"][label] for label in graph.labels]
        graph.provenance["tuned"] = {key: value for key, value in note["tuned"].items() if key != "thresholds"}


def calibration(run: Run, part: Convert, graph) -> tuple[np.ndarray, str]:
    """Return int16 windows, and a description of them."""
    if part.calibrate is None:
        from l3host.sound.windows import calibration_windows

        return calibration_windows(graph.frontend), "synthetic sounds"
    paths = sounds.recordings(run.recipe.data[part.calibrate], skip_bad=run.recipe.skip_bad).paths
    return sounds.windows(paths, graph.frontend, CALIBRATION_WINDOWS, run.recipe.seed), part.calibrate


def provenance(run: Run) -> dict[str, str]:
    """Return the source, and licences of the known data sets that were trained on."""
    notes = [run.note(f"recover-{i}") for i in range(1, len(run.recipe.recover) + 1)]
    return {
        "source": f"l3mote compress {run.recipe.name}, from {run.note('load')['source']}, seed {run.recipe.seed}",
        "licence": "; ".join(dict.fromkeys(note["licence"] for note in notes if note["licence"])),
        "attribution": "; ".join(dict.fromkeys(note["attribution"] for note in notes if note["attribution"])),
    }


def passes(run: Run) -> list[str]:
    """Return what was done to the network, one line each."""
    recipe = run.recipe
    cuts = [("student", recipe.student), ("ablate", recipe.ablate), ("prune", recipe.prune)]
    lines = [f"{name} {settings_text(vars(part))}" for name, part in cuts if part]
    return lines + [f"recover by {step.method} on {step.data}" for step in recipe.recover]


def settings_text(values: dict) -> str:
    """'depth conv7': what is set of a table."""
    given = {key: value for key, value in values.items() if value is not None and value is not False}
    return ", ".join(key if value is True else f"{key} {value}" for key, value in given.items())


def cosine(network, model: Path, pcm: np.ndarray) -> float:
    """Return the smallest cosine between a network's embeddings and those of the file made of it."""
    from l3host.embed import run_windows
    from l3host.l3m.load import load_graph

    waves = pcm / np.float32(32768)
    ours, files_ = embedder(network)(waves), run_windows(load_graph(str(model)), waves)[0]
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(files_, axis=1)
    return float(np.min(np.sum(ours * files_, axis=1) / np.where(norms, norms, 1)))


def plan(run: Run) -> dict:
    """Return the layers, bytes, multiply-accumulates, and what the file needs on each board.

    estimate: a time even where it does not fit.
    """
    from l3host.l3m.describe import describe

    reader = open_reader(str(run.folder / MODEL))
    try:
        result = describe(reader)
        seconds, basis = estimates.estimate_seconds(KERNEL, BOARD, result["macs_nonzero"], reader)
        return result | {"estimate": {"board": BOARD, "kernel": KERNEL, "seconds": seconds, "basis": basis}}
    finally:
        reader.close()
