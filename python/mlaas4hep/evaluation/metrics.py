"""Metrics of classes and scores, all of them computed by scikit-learn."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from mlaas4hep.evaluation.results import Metrics

__all__ = ["evaluate", "positive", "usable"]


def evaluate(
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    classes: Sequence[str],
    threshold: float = 0.5,
    weights: NDArray[np.floating[Any]] | None = None,
) -> Metrics:
    """Compare the ``scores`` of events with their true ``labels``.

    Parameters
    ----------
    labels
        Positions in ``classes``, shape (events,), at least one event.
    scores
        Finite; shape (events,) for the second of two classes, or (events, classes).
    classes
        The names of the classes; the second of two is the positive one.
    threshold
        Score from which on an event counts as positive; used with two classes only.
    weights
        With how much each event counts in the AUC, the accuracy and the report, shape (events,); None: all the same.
        The confusion matrix counts events. Where a weight is negative a curve may fall, so then weights are not used,
        which the notes say.

    Examples
    --------
    >>> found = evaluate(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.7, 0.9]), ["background", "signal"])
    >>> found.auc, found.accuracy, found.confusion_matrix
    (1.0, 0.75, [[1, 1], [0, 2]])
    """
    scores = positive(scores)
    two = scores.ndim == 1
    predicted = (scores >= threshold).astype(np.int64) if two else scores.argmax(axis=1)
    weights, unused = usable(weights)
    auc, notes = _auc(labels, scores, classes, weights)
    every = range(len(classes))
    report = {"labels": every, "target_names": list(classes), "zero_division": 0.0, "sample_weight": weights}
    return Metrics(
        events=len(labels),
        classes=list(classes),
        threshold=threshold if two else None,
        auc=auc,
        weighted=weights is not None,
        accuracy=float(sk.accuracy_score(labels, predicted, sample_weight=weights)),
        confusion_matrix=sk.confusion_matrix(labels, predicted, labels=every).tolist(),
        report=sk.classification_report(labels, predicted, output_dict=True, **report),
        text=_aligned(sk.classification_report(labels, predicted, digits=3, **report)),
        notes=[*unused, *notes],
    )


def _aligned(text: str) -> str:
    """A report whose last column, a sum of weights with all its digits, is as wide as its head."""
    return re.sub(r" +(\d+\.\d+)$", lambda found: f" {float(found[1]):>9.1f}", text, flags=re.MULTILINE)


def positive(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score of the positive class where there are two, else the scores as they are."""
    return scores[:, 1] if scores.ndim == 2 and scores.shape[1] == 2 else scores


def usable(weights: NDArray[np.floating[Any]] | None) -> tuple[NDArray[np.floating[Any]] | None, list[str]]:
    """Return weights that metrics can be computed with, else None and why."""
    if weights is None or not (negative := int(np.count_nonzero(weights < 0))):
        return weights, []
    return None, [f"{negative} of {len(weights)} events have negative weights: the metrics do not use the weights"]


def _auc(
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    classes: Sequence[str],
    weights: NDArray[np.floating[Any]] | None,
) -> tuple[float | None, list[str]]:
    """Return the AUC and what has to be said about it."""
    present = np.unique(labels)
    if len(present) < 2:
        name = classes[int(present[0])]
        return None, [f"every event of the test part is of class {name}: there is no AUC"]
    if scores.ndim == 1:
        return float(sk.roc_auc_score(labels, scores, sample_weight=weights)), []
    absent = [name for position, name in enumerate(classes) if position not in present]
    hot = labels[:, np.newaxis] == present
    auc = float(sk.roc_auc_score(hot, scores[:, present], average="macro", sample_weight=weights))
    return auc, [f"the test part has no event of class {name}: the AUC leaves it out" for name in absent]
