"""Folds of a dataset, and what models predict for the events that they did not see."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlaas4hep.dataset.buffers import Target
from mlaas4hep.dataset.chunk import Chunk
from mlaas4hep.dataset.events import LOST
from mlaas4hep.dataset.found import Found
from mlaas4hep.errors import ParamsError

if TYPE_CHECKING:
    from mlaas4hep.dataset.dataset import Dataset

__all__ = ["Folds", "Predicted", "Predictions"]


class Folds(Sequence["Dataset"]):
    """Datasets whose test parts are all events, each of which is in one of them; see ``Dataset.folds``.

    They share files, specs and the plan of the dataset that they were made of.

    Examples
    --------
    >>> import mlaas4hep, numpy
    >>> from importlib.resources import files
    >>> dataset = mlaas4hep.Dataset(files("mlaas4hep") / "sample" / "ttH.root", select=["met", "nJets"])
    >>> folds = dataset.folds(3)
    >>> sum(fold.count("test") for fold in folds) == len(dataset)
    True
    >>> predictions = folds.predictions()
    >>> for fold in folds:
    ...     for chunk in fold.chunks(1000, part="test"):
    ...         predictions.put(chunk, chunk.data[:, 0] > 0.5)  # what a model says that was trained on the rest
    >>> found = predictions.result()
    >>> bool((found.entry == numpy.arange(len(dataset))).all()), found.scores.shape == (len(dataset),)
    (True, True)
    """

    def __init__(self, datasets: Sequence["Dataset"], found: Found, of_folds: Sequence[Found]) -> None:
        self._datasets, self._found, self._of_folds = tuple(datasets), found, tuple(of_folds)

    def __len__(self) -> int:
        return len(self._datasets)

    @overload
    def __getitem__(self, index: int) -> "Dataset": ...
    @overload
    def __getitem__(self, index: slice) -> Sequence["Dataset"]: ...
    def __getitem__(self, index: int | slice) -> "Dataset | Sequence[Dataset]":
        return self._datasets[index]

    def __iter__(self) -> Iterator["Dataset"]:
        return iter(self._datasets)

    def predictions(self) -> "Predictions":
        """Return room for what models predict for the test events of all folds."""
        return Predictions(self._found, self._of_folds)


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What was predicted for events, in the order of files and entries; see :class:`Chunk` for what stands beside it.

    ``scores`` has the shape (events, ...) and the type of what was put first.
    """

    file: NDArray[np.int32]
    entry: NDArray[np.int64]
    scores: NDArray[Any]
    labels: NDArray[np.int64] | None = None
    weights: NDArray[np.float32] | None = None
    targets: NDArray[np.float32] | None = None


class Predictions:
    """Collects predictions of events in any order, each of which must come once."""

    def __init__(self, found: Found, of_folds: Sequence[Found]) -> None:
        self._found, self._of_folds = found, of_folds
        self._events = {events.number: events for events in found.events}
        self._done = {number: np.zeros(len(events.parts), np.bool_) for number, events in self._events.items()}
        self._scores: dict[int, NDArray[Any]] = {}

    def put(self, chunk: Chunk, scores: ArrayLike) -> None:
        """Keep the scores of a chunk of a fold's test part, shape (events,) or (events, ...).

        ``ParamsError``: they are not as many as there are events, of another shape than those before, or an event has
        some already.
        """
        given = np.asarray(scores)
        if given.ndim == 0 or len(given) != len(chunk.entry):
            raise ParamsError(f"predictions: {given.shape} scores for {len(chunk.entry)} events; each needs one")
        if not self._scores:
            self._scores = {
                number: np.zeros((len(done), *given.shape[1:]), given.dtype) for number, done in self._done.items()
            }
        for number in np.unique(chunk.file).tolist():
            rows = chunk.file == number
            self._put(number, chunk.entry[rows], given[rows])

    def _put(self, number: int, entries: NDArray[np.int64], scores: NDArray[Any]) -> None:
        """Keep the scores of events of one file."""
        events = self._events[number]
        done, kept = self._done[number], self._scores[number]
        if scores.shape[1:] != kept.shape[1:]:
            raise ParamsError(
                f"predictions: scores of shape {scores.shape[1:]} for an event; those before had {kept.shape[1:]}"
            )
        for wrong, why in ((~events.wanted(None)[entries], "is not used"), (done[entries], "has a prediction already")):
            if wrong.any():
                raise ParamsError(f"predictions: entry {entries[int(np.argmax(wrong))]} of {events.name} {why}")
        kept[entries] = scores
        done[entries] = True

    def result(self) -> Predicted:
        """Return the predictions of all events that are used, every one once; those of skipped files are left out.

        ``ParamsError``: an event has none.
        """
        wanted = self._expected()
        missing = {number: np.flatnonzero(mask & ~self._done[number]) for number, mask in wanted.items()}
        if count := sum(map(len, missing.values())):
            first = next(number for number, entries in missing.items() if len(entries))
            raise ParamsError(
                f"predictions: {count:,} of {sum(int(mask.sum()) for mask in wanted.values()):,} events have none, the "
                f"first of which is entry {missing[first][0]} of {self._events[first].name}"
            )
        entries = {number: np.flatnonzero(mask) for number, mask in wanted.items()}
        total = sum(map(len, entries.values()))
        target: Target = {name: np.empty((total, *shape), dtype) for name, (dtype, shape) in self._found.fields.items()}
        start = 0
        for number, of_file in entries.items():
            rows = np.arange(start, start + len(of_file))
            self._events[number].fill(target, rows, of_file)
            start += len(of_file)
        scores = [self._scores[number][of_file] for number, of_file in entries.items()] if self._scores else []
        return Predicted(scores=np.concatenate(scores) if scores else np.zeros(0, np.float32), **target)

    def _expected(self) -> dict[int, NDArray[np.bool_]]:
        """Which events must have a prediction: those that are used, and were not lost when a fold was read."""
        expected = {}
        for events, *of_folds in zip(self._found.events, *(found.events for found in self._of_folds), strict=True):
            lost = np.any([other.parts == LOST for other in of_folds], axis=0)
            expected[events.number] = (events.wanted(None) & ~lost) | self._done[events.number]
        return expected
