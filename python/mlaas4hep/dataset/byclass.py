"""The weights of events, class by class: what is learned of those of the train part, and done to all."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset.labels import Labels
from mlaas4hep.dataset.learned import Learned
from mlaas4hep.dataset.sums import exact_sums, pieces
from mlaas4hep.errors import ParamsError

__all__ = ["ByClass", "Positions"]

Positions = Sequence[NDArray[np.integer[Any]] | int | None]
"""The positions of the labels of each file: of each event, one for all, or None without labels."""

TRAIN = 0
"""Stands among the parts of events for train."""
ALL = "the events that are used"


class ByClass:
    """The events of all files that are used; without labels all are of one class, whose name is empty.

    Sums and counts are those of the train part, so that nothing follows from the labels of other parts; where it has
    no events they are those of all.
    """

    def __init__(self, labels: Labels, positions: Positions, learned: Sequence[Learned]) -> None:
        self.names = labels.classes or [""]
        self._positions, self._learned = positions, learned
        self._of_train = any((one.parts == TRAIN).any() for one in learned)
        self.over = "the events of the train part" if self._of_train else ALL

    def used(self, train: bool = False) -> Iterator[tuple[NDArray[np.integer[Any]], NDArray[np.int64], Learned]]:
        """Yield, piece by piece, the classes of the events that are used, their entries, and what is known of them."""
        for positions, one in zip(self._positions, self._learned, strict=True):
            for piece in pieces(len(one.parts)):
                wanted = one.parts[piece] == TRAIN if train else one.used_of(piece)
                entries = piece.start + np.flatnonzero(wanted)
                if isinstance(positions, np.ndarray):
                    yield positions[entries], entries, one
                else:
                    yield np.full(len(entries), positions or 0), entries, one

    def sums(self, bins: int = 1) -> NDArray[np.float64]:
        """The sum of the weights of each class in each bin."""
        return self._sums(bins, self._of_train)

    def counts(self, bins: int = 1) -> NDArray[np.int64]:
        """The number of events of each class in each bin."""
        counts = np.zeros(bins * len(self.names), np.int64)
        for index, _ in self._groups(bins, self._of_train):
            counts += np.bincount(index, minlength=len(counts))
        return counts.reshape(-1, bins)

    def checked_sums(self) -> NDArray[np.float64]:
        """The sum of the weights of each class, each of which must be positive."""
        sums = self.sums()[:, 0]
        self._check(sums, self.over)
        return sums

    def check(self) -> None:
        """Raise where the weights of a class sum to 0 or less over all events that are used."""
        self._check(self._sums(1, False)[:, 0], ALL)

    def _groups(self, bins: int, train: bool) -> Iterator[tuple[NDArray[np.integer[Any]], NDArray[np.float64]]]:
        """Yield class and bin of events, as one number, and their weights."""
        for classes, entries, one in self.used(train):
            yield classes if bins == 1 else classes.astype(np.int64) * bins + one.bins[entries], one.weights[entries]

    def _sums(self, bins: int, train: bool) -> NDArray[np.float64]:
        return exact_sums(partial(self._groups, bins, train), bins * len(self.names)).reshape(-1, bins)

    def _check(self, sums: NDArray[np.float64], over: str) -> None:
        for name, total in zip(self.names, sums.tolist(), strict=True):
            if not total > 0:
                of = f"those of class {name!r}" if name else "they"
                raise ParamsError(f"weights: {of} sum to {total:g} over {over}; it must be positive")
