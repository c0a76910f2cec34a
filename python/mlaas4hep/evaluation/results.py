"""What was measured, in each epoch of a training and on the test part."""

from dataclasses import dataclass
from typing import TypedDict

__all__ = ["Epoch", "Metrics", "MetricsDict"]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch: ``number`` and ``chunk`` count from 1; ``chunk`` is None where an epoch goes over all.

    ``values`` holds ``loss`` and the metrics of the model, and the same with ``val_`` before the name for the
    validation events, where there were any.
    """

    number: int
    chunk: int | None
    values: dict[str, float]

    def to_dict(self) -> dict[str, float | int]:
        """Return one flat record, as it stands in ``metrics.json``."""
        chunk = {} if self.chunk is None else {"chunk": self.chunk}
        return {**chunk, "epoch": self.number, **self.values}


class MetricsDict(TypedDict):
    """The metrics as they stand in ``metrics.json``."""

    events: int
    classes: list[str]
    threshold: float | None
    weighted: bool
    auc: float | None
    accuracy: float
    confusion_matrix: list[list[int]]
    report: dict[str, object]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Metrics:
    """How well scores tell the classes apart.

    ``weighted`` tells whether events count with their weights, save in ``confusion_matrix``, which counts them all the
    same. ``auc`` is the area under the ROC curve; with several classes the mean over the classes, each against
    the rest; None where a single class occurs. A row of ``confusion_matrix`` is a true class, a column what
    was predicted: the second of two classes where its score reaches ``threshold``, else the highest score.
    ``report`` and ``text`` are scikit-learn's classification report, ``notes`` say what is special.
    """

    events: int
    classes: list[str]
    threshold: float | None
    weighted: bool
    auc: float | None
    accuracy: float
    confusion_matrix: list[list[int]]
    report: dict[str, object]
    text: str
    notes: list[str]

    def to_dict(self) -> MetricsDict:
        """Return what is written to ``metrics.json``."""
        return MetricsDict(
            events=self.events,
            classes=self.classes,
            threshold=self.threshold,
            weighted=self.weighted,
            auc=self.auc,
            accuracy=self.accuracy,
            confusion_matrix=self.confusion_matrix,
            report=self.report,
            notes=self.notes,
        )
