"""[[recover]]: what each method does with the network that the stage before left; the training itself is in l3host.train."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rich.progress import Progress

from l3host.pipeline import sounds
from l3host.pipeline.recipe import Recover
from l3host.pipeline.stages import BATCHNORM_WINDOWS, CUT, WINDOWS, Run

FINAL = "final"


def recover(run: Run, number: int) -> dict:
    """Step `number` (from 1): recover-N.keras from the network before it. Its trainings keep their checkpoints in recover-N/."""
    step = run.recipe.recover[number - 1]
    before = f"recover-{number - 1}" if number > 1 else CUT
    return METHODS[step.method](run, step, before, f"recover-{number}") | {"method": step.method, "data": step.data}


def by_batchnorm(run: Run, step: Recover, before: str, name: str) -> dict:
    """Batch norm statistics taken anew: what every pruned network needs, and no training."""
    from l3host.compress import batchnorm

    model = run.network(before)
    found = sounds.recordings(run.recipe.data[step.data], step.subset, step.folds)
    fe = model.get_layer("log_mel").frontend
    pcm = sounds.windows(found.paths, fe, BATCHNORM_WINDOWS, run.recipe.seed)
    batchnorm.reestimate(model, pcm / np.float32(32768), WINDOWS)
    run.save(model, name)
    return {"windows": len(pcm)} | credit(found)


def by_labels(run: Run, step: Recover, before: str, name: str) -> dict:
    """A classifier on the network, trained on all folds; the same with each fold left out in turn says how good it is."""
    from l3host.datasets import chosen_folds
    from l3host.train import clips, fit, loop, networks
    from l3host.train.backend import keras
    from l3host.train.report import summary

    dataset = sounds.labelled(run.recipe.data[step.data], step.subset, step.folds)
    folder = run.folder / name
    folder.mkdir(exist_ok=True)
    held_out = chosen_folds(dataset, None)
    fe = run.network(before).get_layer("log_mel").frontend
    cache = folder / "clips.npz"
    if not cache.exists():
        clips.prepare(cache, dataset, fe.sample_rate, Progress(disable=True))
    pcm, labels = clips.read(cache), [clip.label for clip in dataset.clips]
    losses, seconds, tested = {}, {}, {}
    for fold in [*held_out, None]:
        keras.utils.set_random_seed(run.recipe.seed)
        model = networks.classifier(held(run.network(before)), len(dataset.labels), step.settings.dropout)
        train = [i for i, clip in enumerate(dataset.clips) if clip.fold != fold]
        task = fit.Classify(model, [pcm[i] for i in train], [labels[i] for i in train], step.settings)
        what = FINAL if fold is None else f"fold-{fold}"
        about = {"training": "labels", "held_out": fold, "inputs": run.inputs}
        done = loop.run(task, step.settings, folder / what, progress(run, f"{name} {what}", step), about)
        losses[what], seconds[what] = done.losses, round(done.seconds, 1)
        test = [i for i, clip in enumerate(dataset.clips) if clip.fold == fold]
        if test:
            scores = fit.clip_scores(model, [pcm[i] for i in test], fe)
            tested[str(fold)] = {"confusion": fit.confusion([labels[i] for i in test], scores)}
    run.save(model, name)
    cache.unlink()
    evaluation = {
        "dataset": dataset.name, "data": step.data, "clips": len(dataset.clips), "labels": dataset.labels,
        "probe": "the classifier", "seeds": [run.recipe.seed], "folds": held_out, **summary(dataset.labels, tested),
    }  # fmt: skip
    return {"labels": dataset.labels, "losses": losses, "training_seconds": seconds, "evaluation": evaluation} | credit(
        sounds.Recordings([clip.path for clip in dataset.clips], dataset.licence, dataset.attribution)
    )


def credit(found: sounds.Recordings) -> dict:
    """What a note says of the sounds that a step has learnt from."""
    return {"recordings": len(found.paths), "licence": found.licence, "attribution": found.attribution}


def held(model):
    """The network, its zeros kept at zero by any training."""
    from l3host.compress import prune

    prune.hold(model)
    return model


def progress(run: Run, what: str, step: Recover) -> Callable[[int, float], None]:
    """For loop.run."""
    return lambda epochs, loss: run.told(f"{what}, loss {loss:.4f}", epochs, step.settings.epochs)


METHODS = {"batchnorm": by_batchnorm, "labels": by_labels}
