"""The events that are used and their weights, class by class."""

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


class ByClass:
    """The events of all files that are used; without labels all are of one class, whose name is empty."""

    def __init__(self, labels: Labels, positions: Positions, learned: Sequence[Learned]) -> None:
        self.names = labels.classes or [""]
        self._positions, self._learned = positions, learned

    def used(self) -> Iterator[tuple[NDArray[np.integer[Any]], NDArray[np.int64], Learned]]:
        """Yield, piece by piece, the classes of the events that are used, their entries, and what is known of them."""
        for positions, one in zip(self._positions, self._learned, strict=True):
            for piece in pieces(len(one.parts)):
                entries = piece.start + np.flatnonzero(one.used_of(piece))
                if isinstance(positions, np.ndarray):
                    yield positions[entries], entries, one
                else:
                    yield np.full(len(entries), positions or 0), entries, one

    def groups(self, bins: int) -> Iterator[tuple[NDArray[np.integer[Any]], NDArray[np.float64]]]:
        """Yield class and bin of the events that are used, as one number, and their weights."""
        for classes, entries, one in self.used():
            yield classes if bins == 1 else classes.astype(np.int64) * bins + one.bins[entries], one.weights[entries]

    def sums(self, bins: int = 1) -> NDArray[np.float64]:
        """The sum of the weights of each class in each bin."""
        return exact_sums(partial(self.groups, bins), bins * len(self.names)).reshape(-1, bins)

    def counts(self, bins: int = 1) -> NDArray[np.int64]:
        """The number of events of each class in each bin."""
        counts = np.zeros(bins * len(self.names), np.int64)
        for index, _ in self.groups(bins):
            counts += np.bincount(index, minlength=len(counts))
        return counts.reshape(-1, bins)

    def checked_sums(self) -> NDArray[np.float64]:
        """The sum of the weights of each class, each of which must be positive."""
        sums = self.sums()[:, 0]
        for name, total in zip(self.names, sums.tolist(), strict=True):
            if not total > 0:
                of = f"those of class {name!r}" if name else "they"
                raise ParamsError(f"weights: {of} sum to {total:g} over the events that are used; it must be positive")
        return sums
