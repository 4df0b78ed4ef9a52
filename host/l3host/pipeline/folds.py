"""The trainings of a classifier: without each fold in turn, to judge it there, then on all folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l3host import datasets
from l3host.errors import L3Error
from l3host.evaluate.events import Timelines
from l3host.pipeline.stages import Run

HELD_OUT = "held-out.npz"  # scores of the fold that a training has not heard


class Trained(NamedTuple):
    """classifier: trained on all folds. folders: of each training, by name. tested: scores of each fold, held out."""

    classifier: object
    folders: dict[str, Path]
    tested: dict[str, Timelines]


def train(run: Run, model, dataset: datasets.Dataset, pcm: Sequence[np.ndarray], folder: Path, training: Callable) -> Trained:
    """Train a classifier on the network once for each fold and once on all, always from the same weights.

    Where the source has other weights for a fold, which have not heard it, from these. pcm: the clips at the network's rate.
    training: called with a crossval.Split and its folder, returns the classifier. Raises L3Error as starts() does.
    """
    from l3host.evaluate import crossval
    from l3host.train import fit

    fe, start = model.get_layer("log_mel").frontend, model.get_weights()
    given = starts(run, model, datasets.chosen_folds(dataset, None))
    folders, tested = {}, {}
    for fold in [*datasets.chosen_folds(dataset, None), None]:
        part = crossval.split(dataset, fold)
        model.set_weights(given.get(fold, start))
        folders[part.name] = folder / part.name
        classifier = training(part, folders[part.name])
        if part.test:
            tested[str(fold)] = fit.timelines(classifier, *crossval.chosen(dataset, pcm, part.test), fe)
            tested[str(fold)].save(folders[part.name] / HELD_OUT)
    return Trained(classifier, folders, tested)


def starts(run: Run, model, folds: Sequence) -> dict:
    """Return the weights that the training without each fold begins with, where [source] without has them.

    Raises L3Error for another number of files than folds, and for weights of another network.
    """
    from l3host.networks import weights

    files = run.recipe.source.without or ()
    if files and len(files) != len(folds):
        raise L3Error(f"[source] without has {len(files)} files for {len(folds)} folds: it takes one for each, in their order")
    result = {}
    for fold, file in zip(folds, files, strict=False):
        result[fold] = weights.load(file, run.recipe.source.final_norm).get_weights()
        if [w.shape for w in result[fold]] != [w.shape for w in model.get_weights()]:
            raise L3Error(f"{file}: of another network than the source")
    return result
