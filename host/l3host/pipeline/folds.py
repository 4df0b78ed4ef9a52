"""The trainings of a classifier: without each fold in turn, to judge it there, then on all folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l3host import datasets
from l3host.evaluate.events import Timelines

HELD_OUT = "held-out.npz"  # scores of the fold that a training has not heard


class Trained(NamedTuple):
    """classifier: trained on all folds. folders: of each training, by name. tested: scores of each fold, held out."""

    classifier: object
    folders: dict[str, Path]
    tested: dict[str, Timelines]


def train(model, dataset: datasets.Dataset, pcm: Sequence[np.ndarray], folder: Path, training: Callable) -> Trained:
    """Train a classifier on the network once for each fold and once on all, always from the same weights.

    pcm: the clips at the network's rate. training: called with a crossval.Split and its folder, returns the classifier.
    """
    from l3host.evaluate import crossval
    from l3host.train import fit

    fe, start = model.get_layer("log_mel").frontend, model.get_weights()
    folders, tested = {}, {}
    for fold in [*datasets.chosen_folds(dataset, None), None]:
        part = crossval.split(dataset, fold)
        model.set_weights(start)
        folders[part.name] = folder / part.name
        classifier = training(part, folders[part.name])
        if part.test:
            tested[str(fold)] = fit.timelines(classifier, *crossval.chosen(dataset, pcm, part.test), fe)
            tested[str(fold)].save(folders[part.name] / HELD_OUT)
    return Trained(classifier, folders, tested)
