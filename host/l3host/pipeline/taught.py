"""[[recover]] by kd and by sea where the recipe has a [teacher]: lessons, trainings, and for classes a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from l3host import datasets
from l3host.pipeline import folds, sounds
from l3host.pipeline.recipe import Recover
from l3host.pipeline.stages import Run
from l3host.train import settings
from l3mote.format import silent

MATERIAL = "material"  # folder of the recordings at the rate that teacher and student hear them at


def by_scores(run: Run, step: Recover, model, folder: Path, on_progress, gradual):
    """A classifier taught by class scores of the teacher, its embedding and labels: the data set, and folds.Trained."""
    from l3host.train import lessons, taught

    chosen, teacher = taught_settings(step), open_teacher(run)
    data, skip_bad = run.recipe.data, run.recipe.skip_bad
    dataset = sounds.labelled(data[step.data], step.subset, step.folds, skip_bad, data[step.other] if step.other else None)
    datasets.one_label(dataset, "kd with a teacher")
    begin = folds.starts(run, model, dataset)
    fe = model.get_layer("log_mel").frontend
    paths = [clip.path for clip in dataset.clips]
    rate = lessons.material_rate(paths, teacher.sample_rate, fe.sample_rate)
    pcm = sounds.clips(paths, fe.sample_rate, folder)
    material = lessons.of_dataset(dataset, pcm if rate == fe.sample_rate else sounds.clips(paths, rate, folder / MATERIAL), rate)
    maker = taught.maker(model, teacher, material, chosen)
    by_fold = {fold: made(run, folder, maker, fold) for fold in dataset.folds}

    def training(part, where: Path):
        given = lessons.read([path for number, path in by_fold.items() if number != part.fold])
        return taught.teach(model, given, chosen, where, on_progress(part.name), gradual)

    return dataset, folds.train(model, begin, dataset, pcm, folder, training)


def by_embedding(run: Run, step: Recover, model, folder: Path, on_progress, gradual):
    """A new network taught the teacher's embedding of sounds whose labels nobody asks for."""
    from l3host.train import lessons, taught

    chosen, teacher = taught_settings(step), open_teacher(run)
    result = sounds.recordings(run.recipe.data[step.data], step.subset, step.folds, run.recipe.skip_bad)
    fe = model.get_layer("log_mel").frontend
    rate = lessons.material_rate(result.paths, teacher.sample_rate, fe.sample_rate)
    clips = sounds.clips(result.paths, rate, folder / MATERIAL)
    material = lessons.Material(clips, rate, [-1] * len(clips), [0] * len(clips))
    path = made(run, folder, taught.maker(model, teacher, material, chosen), 0)
    return taught.teach(model, lessons.read([path]), chosen, folder, on_progress(""), gradual), result


def made(run: Run, folder: Path, maker, fold: int) -> Path:
    """The folder of a fold's lessons."""
    of = maker.settings.windows
    return maker.make(folder, fold, lambda done: run.on_progress(f"{folder.name}, lessons of fold {fold}", done, of))


def open_teacher(run: Run):
    from l3host.train import teachers

    assert run.recipe.teacher is not None  # recipes without one never come here
    return teachers.load(run.recipe.teacher.file)


def taught_settings(step: Recover) -> settings.Taught:
    assert isinstance(step.settings, settings.Taught)
    return step.settings


def reported(labels: Sequence[str]) -> list[str]:
    """The labels that are not silent."""
    return [label for label in labels if not silent(label)]
