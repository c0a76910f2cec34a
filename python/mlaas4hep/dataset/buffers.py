"""The arrays of chunks, used again once nobody holds them."""

import sys
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffers", "Target"]

KEPT = 2
"""Chunks whose arrays are kept for later ones: one that the loop works on, and one that is being made."""

UNHELD = 3
"""References to an array that only we hold: the tuple's, a loop's, and that of the count itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The arrays of a chunk while it is filled."""

    data: NDArray[np.float32]
    padding_mask: NDArray[np.bool_]
    labels: NDArray[np.int64] | None
    file: NDArray[np.int32]
    entry: NDArray[np.int64]


class Buffers:
    """Arrays for chunks of up to ``rows`` rows.

    New memory costs more than what is written there, for the system clears it page by page. Whoever holds a chunk, an
    array of it or a view of one holds a reference; where there is none but ours, nobody can see that the next chunk is
    written there.
    """

    def __init__(self, rows: int, width: int, labelled: bool) -> None:
        self._rows, self._width, self._labelled = rows, width, labelled
        self._kept: list[tuple[NDArray[np.generic], ...]] = []

    def target(self, rows: int) -> Target:
        """Return arrays of so many rows, whose content means nothing."""
        data, mask, labels, file, entry = (array[:rows] for array in self._arrays())
        return Target(data, mask, labels if self._labelled else None, file, entry)  # type: ignore[arg-type]

    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        free = self._free()
        if len(self._kept) >= KEPT:
            for _ in range(5):  # the loop that asked for this chunk is just about to let go of an earlier one
                if free is not None:
                    break
                time.sleep(0.001)
                free = self._free()
        if free is None:
            free = self._new()
            self._kept = [*self._kept[1 - KEPT :], free]
        return free

    def _free(self) -> tuple[NDArray[np.generic], ...] | None:
        for arrays in self._kept:
            if all(sys.getrefcount(array) <= UNHELD for array in arrays):
                return arrays
        return None

    def _new(self) -> tuple[NDArray[np.generic], ...]:
        shape = (self._rows, self._width)
        number = self._rows if self._labelled else 0
        return (
            np.empty(shape, np.float32),
            np.empty(shape, np.bool_),
            np.empty(number, np.int64),
            np.empty(self._rows, np.int32),
            np.empty(self._rows, np.int64),
        )
