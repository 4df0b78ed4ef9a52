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
from l3host.runs import recipe_of

HELD_OUT = "held-out.npz"  # scores of the fold that a training has not heard


Starts = dict[int | None, list[np.ndarray]]  # fold -> weights that have not heard it


class Trained(NamedTuple):
    """classifier: trained on all folds. folders: of each training, by name. tested: scores of each fold, held out."""

    classifier: object
    folders: dict[str, Path]
    tested: dict[str, Timelines]


def train(model, begin: Starts, dataset: datasets.Dataset, pcm: Sequence[np.ndarray], folder: Path, training: Callable) -> Trained:
    """Train a classifier on the network once for each fold and once on all, always from the same weights.

    begin: other weights to begin a fold's training with. pcm: the clips at the network's rate. training: called with a
    crossval.Split and its folder, returns the classifier.
    """
    from l3host.evaluate import crossval
    from l3host.train import fit

    fe, start = model.get_layer("log_mel").frontend, model.get_weights()
    folders, tested = {}, {}
    for fold in [*datasets.chosen_folds(dataset, None), None]:
        part = crossval.split(dataset, fold)
        model.set_weights(begin.get(fold, start))
        folders[part.name] = folder / part.name
        classifier = training(part, folders[part.name])
        if part.test:
            tested[str(fold)] = fit.timelines(classifier, *crossval.chosen(dataset, pcm, part.test), fe)
            tested[str(fold)].save(folders[part.name] / HELD_OUT)
    return Trained(classifier, folders, tested)


def starts(run: Run, model, dataset: datasets.Dataset) -> Starts:
    """Return the weights that the training without each fold begins with, where [source] without has them.

    Raises L3Error for another number of files than folds, for another network than the source's, and for one that has heard
    its fold, as far as the run folder that it stands in says.
    """
    from l3host.networks import weights

    files, where = run.recipe.source.without or (), f"{run.recipe.name}, [source] without"
    chosen = datasets.chosen_folds(dataset, None)
    if files and len(files) != len(chosen):
        raise L3Error(f"{where} has {len(files)} files for {len(chosen)} folds: it takes one for each, in their order")
    result: Starts = {}
    for fold, file in zip(chosen, files, strict=False):
        if fold in folds_of(Path(file).parent):
            raise L3Error(f"{where}: {file} has heard fold {fold}, which it is to be tested with")
        network = weights.load(file, run.recipe.source.final_norm)
        if architecture(network) != architecture(model):
            raise L3Error(f"{where}: {file} is another network than the source")
        result[fold] = network.get_weights()
    return result


def architecture(model) -> tuple:
    """Return what two networks have in common whose weights may be exchanged."""
    return vars(model.get_layer("log_mel").frontend), [w.shape for w in model.get_weights()]


def folds_of(folder: Path) -> set[int]:
    """Return the folds that the steps of a run folder's recipe have heard, as far as it names them."""
    recipe = recipe_of(folder) or {}
    return {fold for step in recipe.get("recover", []) for fold in step.get("folds") or []}
