"""`l3mote train`: cross-validate over a data set's folds, train the final model on all of it, export it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from l3host import datasets
from l3host.datasets import Dataset, chosen_folds, clips, fingerprint
from l3host.errors import L3Error
from l3host.evaluate import crossval
from l3host.evaluate.crossval import FINAL, Split
from l3host.files import read_json, write_bytes, write_json
from l3host.graph.network import frontend
from l3host.runs import RESULT, claimed
from l3host.train import jobs
from l3host.train.settings import Settings

DEFAULTS = Settings()
OnProgress = Callable[[str, str, int, int], None]  # called with what is trained, what is done with it, how much, of how much


@dataclass(frozen=True)
class Job:
    """One training of a cross-validation, in a folder of its own below the run folder."""

    run: Path
    dataset: Dataset
    settings: Settings
    split: Split

    @property
    def folder(self) -> Path:
        return self.run / self.split.name


def train(
    path: str,
    out: str,
    subset: str | None = None,
    settings: Settings = DEFAULTS,
    run_dir: str | None = None,
    folds: Sequence[int] | None = None,
    skip_bad: bool = False,
    on_progress: OnProgress = lambda name, what, done, of: None,
) -> dict:
    """Train on the data set at `path` (see datasets.load), write the final model to `out` (.l3m) and return the metrics.

    folds: held out in turn for cross-validation; None for all of the data set's, [] for no cross-validation.
    skip_bad: as in datasets.load.
    run_dir: takes checkpoints, metrics.json, confusion.png and final/model.keras; `out` with the suffix .run by default.
    The same call goes on where a killed one stopped, and ends with the same weights.
    Raises L3Error: TensorFlow or matplotlib absent, no folder for `out`, a bad data set or fold, a NaN loss, a run
    directory of another training.
    """
    for module, name in (("tensorflow", "TensorFlow"), ("matplotlib", "matplotlib")):  # now, not after hours
        if not importlib.util.find_spec(module):
            raise L3Error(f"training needs {name}: pip install 'l3mote[train]'")
    if not Path(out).parent.is_dir():
        raise L3Error(f"no such directory for the model: {Path(out).parent}")
    dataset = datasets.load(path, subset, skip_bad)
    if dataset.multilabel:
        raise L3Error(f"{dataset.name} has several labels a clip, train learns one: l3mote evaluate judges embeddings on it")
    held_out = chosen_folds(dataset, folds)
    run = Path(run_dir or Path(out).with_suffix(".run"))
    clips_sha256 = fingerprint(dataset)
    plan = {FINAL: Job(run, dataset, settings, crossval.split(dataset, None))}  # the longest job first
    plan |= {f"fold {fold}": Job(run, dataset, settings, crossval.split(dataset, fold)) for fold in held_out}
    about = {"dataset": dataset.name, "clips_sha256": clips_sha256} | asdict(settings)
    with claimed(run, lambda: about, "training"):
        results = finish(run, dataset, settings, plan, on_progress)
        metrics = gather(dataset, settings, results)
        write_json(run / "metrics.json", metrics)
        if held_out:
            title = f"{dataset.name}: {100 * metrics['accuracy_mean']:.1f} % of clips, cross-validated over {len(held_out)} folds"
            crossval.draw_confusion(run / "confusion.png", dataset.labels, metrics["confusion"], title)
        from l3host.train.export import export

        write_bytes(Path(out), export(str(plan[FINAL].folder / "model.keras"), dataset, clips_sha256, settings))
    return metrics


def finish(run: Path, dataset: Dataset, settings: Settings, plan: dict[str, Job], on_progress: OnProgress) -> dict[str, dict]:
    """Do the jobs that have no result yet; return all results by name."""
    open_jobs = {name: job for name, job in plan.items() if not (job.folder / RESULT).exists()}
    cache = run / clips.CACHE
    if open_jobs:
        paths, rate, decoded = [clip.path for clip in dataset.clips], frontend(settings.frontend).sample_rate, count(1)
        clips.prepare(cache, paths, rate, lambda: on_progress("clips", "decode", next(decoded), len(paths)))

        def on_epoch(name: str, message: tuple[int, float]) -> None:
            epochs, loss = message
            on_progress(name, f"loss {loss:.3f}", epochs, settings.epochs)

        jobs.run(work, open_jobs, str(run / "log.txt"), on_epoch)
        cache.unlink()
    return {name: read_json(job.folder / RESULT) for name, job in plan.items()}


def work(job: Job, send: jobs.Send) -> None:
    """In a child process: train, test on the fold held out, write the result."""
    from l3host.networks import backend
    from l3host.train import fit

    backend.one_thread()
    job.folder.mkdir(exist_ok=True)
    pcm = clips.read(job.run / clips.CACHE)
    trainer = fit.fit(
        *crossval.chosen(job.dataset, pcm, job.split.train), len(job.dataset.labels), job.settings, job.folder,
        lambda epochs, loss: send((epochs, loss)),
    )  # fmt: skip
    result = {"seconds": round(trainer.seconds, 1)}
    if job.split.test:
        held_out = crossval.chosen(job.dataset, pcm, job.split.test)
        result |= fit.tested(trainer.model, *held_out, frontend(job.settings.frontend))
    write_json(job.folder / RESULT, result)


def gather(dataset: Dataset, settings: Settings, results: dict[str, dict]) -> dict:
    """The contents of metrics.json. Accuracies and confusion counts are those of clips, in cross-validation."""
    metrics = {
        "dataset": dataset.name,
        "labels": dataset.labels,
        "skipped": list(dataset.skipped),
        "settings": asdict(settings),
        "seconds": {name: result["seconds"] for name, result in results.items()},
    }
    tested = {name.removeprefix("fold "): result for name, result in results.items() if name != FINAL}
    return metrics | crossval.summary(dataset.labels, tested) if tested else metrics
