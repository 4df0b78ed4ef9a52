"""Classifiers on fixed embeddings: the papers' MLP on frames, and logistic regression on clip statistics. Needs scikit-learn.

A set is a pair (embeddings, targets): (frames, D) of each clip, and (clips, labels) bool. Every probe standardises by what it
is trained on, and gives probabilities (clips, labels).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from l3host.errors import L3Error

try:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
except ImportError:
    raise L3Error("evaluation needs scikit-learn: pip install 'l3mote[evaluate]'") from None

HIDDEN = (512, 128)  # the papers' downstream MLP: ReLU, Adam
BATCH = 64
LEARNING_RATE = 1e-3
EPOCHS = 100  # at most
PATIENCE = 10  # epochs without a better validation loss


class Set(NamedTuple):
    embeddings: Sequence[np.ndarray]
    targets: np.ndarray


def mlp(train: Set, validation: Set, test: Set, multilabel: bool, seed: int) -> np.ndarray:
    """MLP on frames, the epoch with the lowest validation loss; a clip's probability is the mean of its frames'."""
    scaler = StandardScaler().fit(np.concatenate(train.embeddings))
    frames, wanted = frame_rows(train, scaler, multilabel)
    held_frames, held = frame_rows(validation, scaler, multilabel)
    labels = np.arange(train.targets.shape[1])
    random = np.random.RandomState(seed)  # an int would give every epoch the same order
    net = MLPClassifier(HIDDEN, batch_size=min(BATCH, len(frames)), learning_rate_init=LEARNING_RATE, random_state=random)
    best, kept, left = np.inf, [], PATIENCE
    for _ in range(EPOCHS):
        net.partial_fit(frames, wanted, classes=labels)
        loss = frame_loss(held, net.predict_proba(held_frames), multilabel)
        left -= 1
        if loss < best:
            best, left = loss, PATIENCE
            kept = [value.copy() for value in net.coefs_ + net.intercepts_]
        if not left:
            break
    net.coefs_, net.intercepts_ = kept[: len(kept) // 2], kept[len(kept) // 2 :]
    scores = net.predict_proba(scaler.transform(np.concatenate(test.embeddings)))
    ends = np.cumsum([len(clip) for clip in test.embeddings])[:-1]
    return np.stack([clip.mean(axis=0) for clip in np.split(scores, ends)])


def frame_rows(part: Set, scaler: StandardScaler, multilabel: bool) -> tuple[np.ndarray, np.ndarray]:
    """Standardised frames, and their clips' targets: label indices, or rows of 0 and 1 where there are several."""
    targets = np.repeat(part.targets, [len(clip) for clip in part.embeddings], axis=0)
    return scaler.transform(np.concatenate(part.embeddings)), targets.astype(int) if multilabel else targets.argmax(axis=1)


def frame_loss(wanted: np.ndarray, scores: np.ndarray, multilabel: bool) -> float:
    """Mean cross-entropy of label indices against softmax rows, or of 0 and 1 against sigmoids."""
    if not multilabel:
        return log_loss(wanted, scores, labels=np.arange(scores.shape[1]))
    scores = np.clip(scores, 1e-7, 1 - 1e-7)
    return -float(np.mean(np.where(wanted, np.log(scores), np.log(1 - scores))))


def logistic(train: Set, validation: Set, test: Set, multilabel: bool, seed: int) -> np.ndarray:
    """Logistic regression on clip statistics. It stops by itself, so the validation clips are trained on too. `seed` is unused."""
    known = np.concatenate([statistics(train.embeddings), statistics(validation.embeddings)])
    targets = np.concatenate([train.targets, validation.targets])
    regression = LogisticRegression(max_iter=1000)
    if multilabel:
        regression = OneVsRestClassifier(regression)
    probe = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a tag that all or none of the training clips have
        probe.fit(known, targets.astype(int) if multilabel else targets.argmax(axis=1))
        found = probe.predict_proba(statistics(test.embeddings))
    if multilabel:
        return found
    scores = np.zeros(test.targets.shape)
    scores[:, probe.classes_] = found  # a label without a training clip is never predicted
    return scores


def statistics(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    """Mean, maximum, minimum and standard deviation over frames, (clips, 4 D)."""
    return np.stack([np.concatenate([e.mean(axis=0), e.max(axis=0), e.min(axis=0), e.std(axis=0)]) for e in embeddings])


PROBES = {"mlp": mlp, "logistic": logistic}
