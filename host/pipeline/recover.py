"""[[recover]]: what each method does with the network of the stage before; the training itself is in l3host.train.recover."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from l3host import datasets
from l3host.pipeline import sounds
from l3host.pipeline.recipe import Recover
from l3host.pipeline.sounds import Recordings
from l3host.pipeline.stages import BATCHNORM_WINDOWS, CUT, SOURCE, WINDOWS, Run

FINAL = "final"  # the training on all folds, beside those that leave one out


def recover(run: Run, number: int) -> dict:
    """Step `number` (from 1): recover-N.keras from the network before it. Its trainings keep their checkpoints in recover-N/."""
    step = run.recipe.recover[number - 1]
    name = f"recover-{number}"
    model, note = METHODS[step.method](run, step, run.network(f"recover-{number - 1}" if number > 1 else CUT), run.folder / name)
    run.save(model, name)
    (run.folder / name / sounds.CACHE).unlink(missing_ok=True)
    return {"method": step.method, "data": step.data, **note}


def by_batchnorm(run: Run, step: Recover, model, folder: Path):
    """Batch norm statistics taken anew: what every pruned network needs, and no training."""
    from l3host.compress import batchnorm

    found = unlabelled(run, step)
    fe = model.get_layer("log_mel").frontend
    pcm = sounds.windows(found.paths, fe, BATCHNORM_WINDOWS, run.recipe.seed)
    batchnorm.reestimate(model, pcm / np.float32(32768), WINDOWS)
    return model, {"windows": len(pcm)} | credit(found)


def by_kd(run: Run, step: Recover, model, folder: Path):
    """The source's embedding of the same sounds is learnt back."""
    from l3host.train import recover as training

    found = unlabelled(run, step)
    pcm = sounds.clips(found.paths, model.get_layer("log_mel").frontend.sample_rate, folder)
    model = training.kd(run.network(SOURCE), model, pcm, step.settings, folder, progress(run, folder.name, step))
    return model, credit(found) | history(folder)


def by_sea(run: Run, step: Recover, model, folder: Path):
    """The source's embedding, reduced to the student's size, is learnt by a new network."""
    from l3host.train import recover as training

    found, source = unlabelled(run, step), run.network(SOURCE)
    rate = max(network.get_layer("log_mel").frontend.sample_rate for network in (source, model))
    pcm = sounds.clips(found.paths, rate, folder)
    model = training.sea(source, model, pcm, rate, step.settings, folder, progress(run, folder.name, step))
    return model, credit(found) | history(folder)


def by_labels(run: Run, step: Recover, model, folder: Path):
    """A classifier on the network, trained on all folds; the same with each fold left out in turn says how good it is."""
    from l3host.train import fit
    from l3host.train import recover as training
    from l3host.train.report import summary

    dataset = sounds.labelled(run.recipe.data[step.data], step.subset, step.folds)
    fe = model.get_layer("log_mel").frontend
    pcm = sounds.clips([clip.path for clip in dataset.clips], fe.sample_rate, folder)
    histories, tested = {}, {}
    start = model.get_weights()
    for fold in [*datasets.chosen_folds(dataset, None), None]:
        what = FINAL if fold is None else f"fold-{fold}"
        train, test = ([i for i, clip in enumerate(dataset.clips) if (clip.fold == fold) == wanted] for wanted in (False, True))
        labels = [clip.label for clip in dataset.clips]
        model.set_weights(start)
        classifier = training.labels(
            model, [pcm[i] for i in train], [labels[i] for i in train], len(dataset.labels), step.settings, folder / what,
            progress(run, f"{folder.name} {what}", step),
        )  # fmt: skip
        histories[what] = history(folder / what)
        if test:
            scores = fit.clip_scores(classifier, [pcm[i] for i in test], fe)
            tested[str(fold)] = {"confusion": fit.confusion([labels[i] for i in test], scores)}
    evaluation = {
        "dataset": dataset.name, "data": step.data, "clips": len(dataset.clips), "labels": dataset.labels,
        "probe": "the classifier", "seeds": [run.recipe.seed], "folds": dataset.folds, **summary(dataset.labels, tested),
    }  # fmt: skip
    found = Recordings([clip.path for clip in dataset.clips], dataset.licence, dataset.attribution)
    note = credit(found) | histories[FINAL] | {"folds": histories}
    return classifier, note | {"labels": dataset.labels, "evaluation": evaluation}


def unlabelled(run: Run, step: Recover) -> Recordings:
    return sounds.recordings(run.recipe.data[step.data], step.subset, step.folds)


def credit(found: Recordings) -> dict:
    """What a note says of the sounds that a step has learnt from."""
    return {"recordings": len(found.paths), "licence": found.licence, "attribution": found.attribution}


def history(folder: Path) -> dict:
    """Losses and seconds of a finished training, from its checkpoint."""
    from l3host.train.loop import CHECKPOINT

    with np.load(folder / CHECKPOINT) as saved:
        return {"losses": saved["losses"].tolist(), "training_seconds": round(float(saved["seconds"]), 1)}


def progress(run: Run, what: str, step: Recover) -> Callable[[int, float], None]:
    """For loop.run."""
    return lambda epochs, loss: run.told(f"{what}, loss {loss:.4f}", epochs, step.settings.epochs)


METHODS = {"batchnorm": by_batchnorm, "kd": by_kd, "sea": by_sea, "labels": by_labels}
