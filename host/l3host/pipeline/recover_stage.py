"""[[recover]]: what each method does with the network of the stage before; the training itself is in l3host.train.recover."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from l3host import datasets, npz
from l3host.datasets import fingerprints
from l3host.datasets.clips import CACHE
from l3host.pipeline import folds, sounds, taught
from l3host.pipeline.recipe import Recover, target
from l3host.pipeline.sounds import Recordings
from l3host.pipeline.stages import BATCHNORM_WINDOWS, CUT, SOURCE, WINDOWS, Run
from l3host.train import settings

S = TypeVar("S", bound=settings.Schedule)

APART, PAIRS = 10, 1000  # AVC: one video in so many is held out, and tested with so many pairs
VIDEOS = "videos"  # folder of decoded videos, until the stage is finished


def recover(run: Run, number: int) -> dict:
    """Do step `number` (from 1): make recover-N.keras of the network before it.

    Its trainings keep their checkpoints in recover-N/.
    """
    from l3host.networks import backend

    step = run.recipe.recover[number - 1]
    name = f"recover-{number}"
    backend.barrier()  # the network before it is written
    with backend.strategy().scope():
        before = run.network(f"recover-{number - 1}" if number > 1 else CUT)
        model, note = METHODS[step.method](run, step, before, run.folder / name)
    run.save(model, name)
    backend.barrier()  # no worker reads these any more
    (run.folder / name / CACHE).unlink(missing_ok=True)
    shutil.rmtree(run.folder / name / taught.MATERIAL, ignore_errors=True)
    shutil.rmtree(run.folder / name / VIDEOS, ignore_errors=True)
    return {"method": step.method, "data": step.data, **note}


def gradual(run: Run, folder: Path):
    """Return what the step's trainings prune to on their way.

    None for all but the first step, and where pruning was done before.
    """
    part = run.recipe.prune
    return target(part) if part and part.gradual and folder.name == "recover-1" else None


def by_batchnorm(run: Run, step: Recover, model, folder: Path):
    """Measure batch norm statistics anew: every pruned network needs that, and it takes no training."""
    from l3host.compress import batchnorm

    recordings = unlabelled(run, step)
    fe = model.get_layer("log_mel").frontend
    pcm = sounds.windows(recordings.paths, fe, BATCHNORM_WINDOWS, run.recipe.seed)
    batchnorm.reestimate(model, pcm / np.float32(32768), WINDOWS)
    return model, {"windows": len(pcm)} | credit(recordings)


def by_kd(run: Run, step: Recover, model, folder: Path):
    """Relearn the source's embedding of the same sounds."""
    if run.recipe.teacher:
        return by_teacher(run, step, model, folder)
    from l3host.train import recover as training

    recordings = unlabelled(run, step)
    pcm = sounds.clips(recordings.paths, model.get_layer("log_mel").frontend.sample_rate, folder)
    on_progress = progress(run, folder.name, step)
    model = training.kd(run.network(SOURCE), model, pcm, of_kind(step, settings.Kd), folder, on_progress, gradual(run, folder))
    return model, credit(recordings) | history(folder)


def by_palette(run: Run, step: Recover, model, folder: Path):
    """Train weights that share a value in the file, sharing it, to the network's former output; a head stays as it is."""
    from l3host.compress import palette_tuning
    from l3host.networks import build
    from l3host.train import recover as training

    recordings = unlabelled(run, step)
    pcm = sounds.clips(recordings.paths, model.get_layer("log_mel").frontend.sample_rate, folder)
    folded = palette_tuning.fold(model)
    palette_tuning.share(folded, palette_tuning.groups(folded))
    teacher = build.embedding(model, build.architecture(model).final_norm)
    folded = training.kd(teacher, folded, pcm, of_kind(step, settings.Kd), folder, progress(run, folder.name, step))
    return build.like(model, folded), credit(recordings) | history(folder)


def by_sea(run: Run, step: Recover, model, folder: Path):
    """Train a new network to the source's embedding, reduced to the student's size."""
    if run.recipe.teacher:
        model, recordings = taught.by_embedding(
            run, step, model, folder, lambda _: progress(run, folder.name, step), gradual(run, folder)
        )  # fmt: skip
        return model, credit(recordings) | history(folder) | {fingerprints.KEY: fingerprints.text(recordings.paths)}
    from l3host.train import recover as training

    recordings, source = unlabelled(run, step), run.network(SOURCE)
    rate = max(network.get_layer("log_mel").frontend.sample_rate for network in (source, model))
    pcm = sounds.clips(recordings.paths, rate, folder)
    model = training.sea(source, model, pcm, rate, of_kind(step, settings.Sea), folder, progress(run, folder.name, step))
    return model, credit(recordings) | history(folder)


def by_avc(run: Run, step: Recover, model, folder: Path):
    """Train the AVC net of the network and the source's video half; the embedding is then taken where L3's is, before batch norm.

    Every tenth video is held out for the accuracy, if there are enough of them. A video network that was trained is saved
    as video.keras, for recipes that freeze it.
    """
    from l3host.networks import build
    from l3host.train import avc, videos
    from l3host.train import recover as training

    video = run.video()
    paths = sounds.films(run.recipe.data[step.data])
    rate = model.get_layer("log_mel").frontend.sample_rate
    decoded = itertools.count(1)

    def on_file(_: int) -> None:
        run.on_progress(f"{folder.name}, videos", next(decoded), len(paths))

    recordings, bad = videos.load(paths, folder / VIDEOS, rate, video.input_shape[1], on_file, run.recipe.skip_bad)
    enough = len(recordings) >= 2 * APART
    unseen = recordings[::APART] if enough else []
    seen = [r for i, r in enumerate(recordings) if i % APART] if enough else recordings
    on_progress = progress(run, folder.name, step)
    chosen = of_kind(step, settings.Avc)
    net = training.avc(model, video, seen, chosen, folder, on_progress, gradual(run, folder))
    if chosen.train_video:
        run.save(video, "video")
    note = {"recordings": len(seen), "licence": "", "attribution": "", "skipped": bad} | history(folder)
    if enough:
        reached = avc.accuracy(net, unseen, PAIRS, run.recipe.seed)
        note["evaluation"] = {
            "dataset": "AVC", "data": step.data, "clips": len(unseen), "labels": ["another", "the same"], "probe": "unseen videos",
            "seeds": [run.recipe.seed], "folds": [f"every {APART}th"], "accuracy_mean": reached, "accuracy_per_fold": {},
        }  # fmt: skip
    return build.embedding(model, final_norm=False), note


def by_teacher(run: Run, step: Recover, model, folder: Path):
    """Return a classifier by a teacher's class scores.

    The note has its thresholds, set on the folds that its trainings had not heard.
    """
    from l3host.evaluate import events

    dataset, trained = taught.by_scores(
        run, step, model, folder, lambda name: progress(run, f"{folder.name} {name}", step), gradual(run, folder)
    )  # fmt: skip
    note = classified(run, step, dataset, trained)
    if dataset.silent and trained.tested:
        fe = model.get_layer("log_mel").frontend
        judged = [events.of_app(result, fe, dataset.silent) for result in trained.tested.values()]
        note["tuned"] = events.tuned(judged, dataset.labels, step.price, step.recall)
    return trained.classifier, note


def by_labels(run: Run, step: Recover, model, folder: Path):
    """Train a classifier on the network, on all folds, and once with each fold left out to measure how good it is."""
    from l3host.evaluate import crossval
    from l3host.train import recover as recovering

    dataset = sounds.labelled(run.recipe.data[step.data], step.subset, step.folds, run.recipe.skip_bad)
    datasets.one_label(dataset, "recover by labels")
    begin = folds.starts(run, model, dataset)
    pcm = sounds.clips([clip.path for clip in dataset.clips], model.get_layer("log_mel").frontend.sample_rate, folder)

    def training(part, where: Path):
        return recovering.labels(
            model, *crossval.chosen(dataset, pcm, part.train), len(dataset.labels), of_kind(step, settings.Labels), where,
            progress(run, f"{folder.name} {part.name}", step), gradual(run, folder),
        )  # fmt: skip

    trained = folds.train(model, begin, dataset, pcm, folder, training)
    return trained.classifier, classified(run, step, dataset, trained)


def classified(run: Run, step: Recover, dataset: datasets.Dataset, trained: folds.Trained) -> dict:
    """Return the note of a classifier that was cross-validated: of whose clips, and how good."""
    from l3host.evaluate import crossval
    from l3host.train import fit

    tested = {fold: {"confusion": fit.confusion(result, dataset.silent)} for fold, result in trained.tested.items()}
    histories = {name: history(path) for name, path in trained.folders.items()}
    labels = taught.reported(dataset.labels)
    evaluation = {
        "dataset": dataset.name, "data": step.data, "clips": sum(clip.label not in dataset.silent for clip in dataset.clips),
        "labels": labels, "probe": "the classifier", "seeds": [run.recipe.seed], "folds": dataset.folds,
        **crossval.summary(labels, tested),
    }  # fmt: skip
    note = credit(sounds.of_dataset(dataset)) | histories[crossval.FINAL] | {"folds": histories}
    known = fingerprints.text([clip.path for clip in dataset.clips])
    return note | {"labels": dataset.labels, "evaluation": evaluation, fingerprints.KEY: known}


def unlabelled(run: Run, step: Recover) -> Recordings:
    return sounds.recordings(run.recipe.data[step.data], step.subset, step.folds, run.recipe.skip_bad)


def credit(recordings: Recordings) -> dict:
    """Return what a note says about the sounds that a step has trained on."""
    return {"recordings": len(recordings.paths)} | {key: getattr(recordings, key) for key in ("licence", "attribution", "skipped")}


def history(folder: Path) -> dict:
    """Return the losses and seconds of a finished training, from its checkpoint."""
    from l3host.train.loop import CHECKPOINT

    with npz.opened(folder / CHECKPOINT) as saved:
        return {"losses": saved["losses"].tolist(), "training_seconds": round(float(saved["seconds"]), 1)}


def progress(run: Run, what: str, step: Recover) -> Callable[[int, float], None]:
    """Return the progress callback of a step, for loop.run."""
    total = of_kind(step, settings.Schedule).epochs
    return lambda epochs, loss: run.on_progress(f"{what}, loss {loss:.4f}", epochs, total)


def of_kind(step: Recover, kind: type[S]) -> S:
    """Return the step's settings, which its method decides."""
    assert isinstance(step.settings, kind)
    return step.settings


METHODS = {
    "batchnorm": by_batchnorm, "kd": by_kd, "sea": by_sea, "avc": by_avc, "labels": by_labels, "palette": by_palette,
}  # fmt: skip
