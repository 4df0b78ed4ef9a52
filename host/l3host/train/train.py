"""`l3mote train`: cross-validate over a data set's folds, train the final model on all of it, export it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

from l3host import datasets
from l3host.datasets import Dataset, chosen_folds, clips, fingerprint, one_label
from l3host.errors import L3Error
from l3host.evaluate import crossval, events
from l3host.evaluate.crossval import FINAL, Split
from l3host.evaluate.events import Timelines
from l3host.files import read_json, write_bytes, write_json
from l3host.graph.network import frontend
from l3host.runs import RESULT, claimed
from l3host.sound.audio import rate_of
from l3host.train import jobs
from l3host.train.settings import Settings, TaughtSettings

DEFAULTS = Settings()
AUTO = Settings.frontend
HELD_OUT = "held-out.npz"  # scores of the fold that a training has not heard
LESSONS = "lessons"  # the job that makes them
MATERIAL = "material.npz"  # recordings at the rate at which teacher and student hear them
OnProgress = Callable[[str, str, int, int], None]  # called with what is trained, what is done with it, how much, of how much


@dataclass(frozen=True)
class Job:
    """One training of a cross-validation, in a folder of its own below the run folder."""

    run: Path
    dataset: Dataset
    settings: Settings | TaughtSettings
    split: Split
    teacher: str | None = None  # path; settings are then TaughtSettings

    @property
    def folder(self) -> Path:
        return self.run / self.split.name


def train(
    path: str,
    out: str,
    subset: str | None = None,
    settings: Settings | TaughtSettings = DEFAULTS,
    run_dir: str | None = None,
    folds: Sequence[int] | None = None,
    skip_bad: bool = False,
    on_progress: OnProgress = lambda name, what, done, of: None,
    other: str | None = None,
    teacher: str | None = None,
) -> dict:
    """Train on the data set at `path` (see datasets.load), write the final model to `out` (.l3m) and return the metrics.

    folds: held out in turn for cross-validation; None for all of the data set's, [] for no cross-validation.
    skip_bad, other: as in datasets.load. teacher: a file as teachers.load takes it; settings are then TaughtSettings.
    run_dir: takes checkpoints, metrics.json, confusion.png and final/model.keras; `out` with the suffix .run by default.
    The same call continues where a killed one stopped, and ends with the same weights.
    Raises L3Error: TensorFlow or matplotlib absent, no folder for `out`, a bad data set or fold, a NaN loss, a run
    directory of another training.
    """
    for module, name in (("tensorflow", "TensorFlow"), ("matplotlib", "matplotlib")):  # now, not after hours
        if not importlib.util.find_spec(module):
            raise L3Error(f"training needs {name}: pip install 'l3mote[train]'")
    if not Path(out).parent.is_dir():
        raise L3Error(f"no such directory for the model: {Path(out).parent}")
    dataset = datasets.load(path, subset, skip_bad, other)
    one_label(dataset, "train")
    held_out = chosen_folds(dataset, folds)
    if settings.frontend == AUTO:
        settings = replace(settings, frontend=frontend_for([clip.path for clip in dataset.clips], teacher))
    run = Path(run_dir or Path(out).with_suffix(".run"))
    clips_sha256 = fingerprint(dataset)
    plan = {FINAL: Job(run, dataset, settings, crossval.split(dataset, None), teacher)}  # the longest job first
    plan |= {f"fold {fold}": Job(run, dataset, settings, crossval.split(dataset, fold), teacher) for fold in held_out}
    about = {"dataset": dataset.name, "clips_sha256": clips_sha256} | asdict(settings)
    if teacher:
        from l3host.train import teachers

        about["teacher"] = teachers.load(teacher).digest  # refused now, not after an hour
    with claimed(run, lambda: about, "training"):
        results = finish(run, dataset, settings, plan, on_progress)
        metrics = gather(dataset, settings, results, run)
        write_json(run / "metrics.json", metrics)
        if held_out:
            named = [label for i, label in enumerate(dataset.labels) if i not in dataset.silent]
            title = f"{dataset.name}: {100 * metrics['accuracy_mean']:.1f} % of clips, cross-validated over {len(held_out)} folds"
            crossval.draw_confusion(run / "confusion.png", named, metrics["confusion"], title)
        from l3host.train.export import export

        write_bytes(Path(out), export(str(plan[FINAL].folder / "model.keras"), dataset, clips_sha256, settings, metrics))
    return metrics


def frontend_for(paths: Sequence[str], teacher: str | None = None) -> str:
    """Return the name of the front-end of the model that ships: the same at 8 kHz where a recording has no more to hear.

    A teacher that hears one second only, as the published networks do, gets a student of one second. Raises L3Error.
    """
    if teacher:
        from l3host.train import teachers

        if teachers.load(teacher).seconds == 1:
            return "sea"
    best, half = "two-seconds-16k", "two-seconds"
    return best if min(map(rate_of, paths)) >= frontend(best).sample_rate else half


def finish(
    run: Path, dataset: Dataset, settings: Settings | TaughtSettings, plan: dict[str, Job], on_progress: OnProgress
) -> dict[str, dict]:
    """Do the jobs that have no result yet; return all results by name."""
    open_jobs = {name: job for name, job in plan.items() if not (job.folder / RESULT).exists()}
    cache = run / clips.CACHE
    if open_jobs:
        paths, rate, decoded = [clip.path for clip in dataset.clips], frontend(settings.frontend).sample_rate, count(1)
        clips.prepare(cache, paths, rate, lambda: on_progress("clips", "decode", next(decoded), len(paths)))

        if isinstance(settings, TaughtSettings):
            of = settings.windows * len(dataset.folds)
            lessons = {LESSONS: next(iter(open_jobs.values()))}
            jobs.run(hear_teacher, lessons, str(run / "log.txt"), lambda name, made: on_progress(name, "of all folds", made, of))

        def on_epoch(name: str, message: tuple[int, float]) -> None:
            epochs, loss = message
            on_progress(name, f"loss {loss:.3f}", epochs, settings.epochs)

        jobs.run(work, open_jobs, str(run / "log.txt"), on_epoch)
        cache.unlink()
        (run / MATERIAL).unlink(missing_ok=True)
    return {name: read_json(job.folder / RESULT) for name, job in plan.items()}


def hear_teacher(job: Job, send: jobs.Send) -> None:
    """In a child process: make the lessons of every fold."""
    from l3host.networks import backend

    backend.one_thread()
    maker = lesson_maker(job)
    windows = maker.settings.windows
    for number, fold in enumerate(job.dataset.folds):
        maker.make(job.run, fold, lambda done, before=number * windows: send(before + done))


def lesson_maker(job: Job):
    """Return what makes the lessons of a job, which are those of the whole run; decodes the recordings once."""
    assert job.teacher and isinstance(job.settings, TaughtSettings)
    from l3host.networks.build import audio
    from l3host.train import lessons, taught, teachers

    dataset, fe = job.dataset, frontend(job.settings.frontend)
    teacher, paths = teachers.load(job.teacher), [clip.path for clip in dataset.clips]
    rate = lessons.material_rate(paths, teacher.sample_rate, fe.sample_rate)
    cache = job.run / (clips.CACHE if rate == fe.sample_rate else MATERIAL)
    clips.prepare(cache, paths, rate)
    material = lessons.of_dataset(dataset, clips.read(cache), rate)
    return taught.maker(audio(fe, job.settings.filters, use_bias=False), teacher, material, job.settings)


def work(job: Job, send: jobs.Send) -> None:
    """Train in a child process, test on the held-out fold, write the result."""
    from l3host.networks import backend
    from l3host.train import fit, taught

    backend.one_thread()
    job.folder.mkdir(exist_ok=True)
    pcm = clips.read(job.run / clips.CACHE)

    def progress(epochs: int, loss: float) -> None:
        send((epochs, loss))

    if isinstance(job.settings, TaughtSettings):
        maker = lesson_maker(job)
        folds = [maker.make(job.run, fold) for fold in job.dataset.folds if fold != job.split.fold]
        model, seconds = taught.fit(folds, job.settings, job.folder, progress)
    else:
        trainer = fit.fit(
            *crossval.chosen(job.dataset, pcm, job.split.train), len(job.dataset.labels), job.settings, job.folder, progress
        )  # fmt: skip
        model, seconds = trainer.model, trainer.seconds
    result: dict = {"seconds": round(seconds, 1)}
    if job.split.test:
        held_out = crossval.chosen(job.dataset, pcm, job.split.test)
        actual = fit.timelines(model, *held_out, frontend(job.settings.frontend))
        actual.save(job.folder / HELD_OUT)
        result["confusion"] = fit.confusion(actual, job.dataset.silent)
    write_json(job.folder / RESULT, result)


def gather(dataset: Dataset, settings: Settings | TaughtSettings, results: dict[str, dict], run: Path) -> dict:
    """Return the contents of metrics.json. Accuracies and confusion counts are those of clips, in cross-validation.

    tuned: thresholds and what they give, where sounds that are none of the labels were held out too.
    """
    metrics = {
        "dataset": dataset.name,
        "labels": dataset.labels,
        "skipped": list(dataset.skipped),
        "settings": asdict(settings),
        "seconds": {name: result["seconds"] for name, result in results.items()},
    }
    tested = {name.removeprefix("fold "): result for name, result in results.items() if name != FINAL}
    if not tested:
        return metrics
    named = [label for i, label in enumerate(dataset.labels) if i not in dataset.silent]
    metrics |= crossval.summary(named, tested)
    if dataset.silent:
        fe = frontend(settings.frontend)
        report = [Timelines.read(run / f"fold-{fold}" / HELD_OUT) for fold in tested]
        metrics["tuned"] = events.tuned([events.of_app(actual, fe, dataset.silent) for actual in report], dataset.labels)
    return metrics
