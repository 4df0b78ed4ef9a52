"""Classifiers on fixed embeddings: the papers' MLP on frames, and logistic regression on clip statistics.

A set is a pair (embeddings, targets): (frames, D) of each clip, and (clips, labels) bool. Every probe standardises by what it
is trained on, and gives probabilities (clips, labels).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from l3host.evaluate import metrics
from l3host.evaluate.backend import LogisticRegression, MLPClassifier, OneVsRestClassifier, StandardScaler, make_pipeline

HIDDEN = (512, 128)  # the papers' downstream MLP: ReLU, Adam
BATCH = 64
LEARNING_RATE = 3e-4
EPOCHS = 100  # at most
PATIENCE = 10  # epochs that are no better on validation clips


class Set(NamedTuple):
    embeddings: Sequence[np.ndarray]
    targets: np.ndarray


def mlp(train: Set, validation: Set, test: Set, multilabel: bool, seed: int) -> np.ndarray:
    """Train the MLP on frames; a clip's probabilities are the mean of its frames'.

    Keeps the epoch that is best on validation clips.

    Best by the figure that is reported, accuracy or micro AUPRC: the loss on frames turns long before it.
    """
    quality = metrics.auprc_micro if multilabel else metrics.accuracy
    scaler = StandardScaler().fit(np.concatenate(train.embeddings))
    frames = scaler.transform(np.concatenate(train.embeddings))
    wanted = known(np.repeat(train.targets, [len(clip) for clip in train.embeddings], axis=0), multilabel)
    labels = np.arange(train.targets.shape[1])
    random = np.random.RandomState(seed)  # an int would give every epoch the same order
    net = MLPClassifier(HIDDEN, batch_size=min(BATCH, len(frames)), learning_rate_init=LEARNING_RATE, random_state=random)
    best, kept, left = -1.0, [], PATIENCE
    for _ in range(EPOCHS):
        net.partial_fit(frames, wanted, classes=labels)
        reached = quality(validation.targets, clip_means(net, scaler, validation))
        left -= 1
        if reached > best:
            best, left = reached, PATIENCE
            kept = [value.copy() for value in net.coefs_ + net.intercepts_]
        if not left:
            break
    net.coefs_, net.intercepts_ = kept[: len(kept) // 2], kept[len(kept) // 2 :]
    return clip_means(net, scaler, test)


def clip_means(net: MLPClassifier, scaler: StandardScaler, part: Set) -> np.ndarray:
    """Return the mean over each clip's frames of the network's probabilities, (clips, labels)."""
    scores = net.predict_proba(scaler.transform(np.concatenate(part.embeddings)))
    ends = np.cumsum([len(clip) for clip in part.embeddings])[:-1]
    return np.stack([clip.mean(axis=0) for clip in np.split(scores, ends)])


def known(targets: np.ndarray, multilabel: bool) -> np.ndarray:
    """Return the targets as scikit-learn takes them: label indices, or rows of 0 and 1 where there may be several."""
    return targets.astype(int) if multilabel else targets.argmax(axis=1)


def logistic(train: Set, validation: Set, test: Set, multilabel: bool, seed: int) -> np.ndarray:
    """Train logistic regression on clip statistics. It stops by itself, so it trains on the validation clips too.

    `seed` is unused.
    """
    clips = np.concatenate([statistics(train.embeddings), statistics(validation.embeddings)])
    targets = np.concatenate([train.targets, validation.targets])
    regression = LogisticRegression(max_iter=1000)
    if multilabel:
        regression = OneVsRestClassifier(regression)
    probe = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Label .*is present in all")  # of training: its probability is 0 or 1
        probe.fit(clips, known(targets, multilabel))
        probabilities = probe.predict_proba(statistics(test.embeddings))
    if multilabel:
        return probabilities
    scores = np.zeros(test.targets.shape)
    scores[:, probe.classes_] = probabilities  # a label without a training clip is never predicted
    return scores


def statistics(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean, maximum, minimum and standard deviation over frames, (clips, 4 D)."""
    return np.stack([np.concatenate([e.mean(axis=0), e.max(axis=0), e.min(axis=0), e.std(axis=0)]) for e in embeddings])


PROBES = {"mlp": mlp, "logistic": logistic}
