"""The arrays of chunks, used again once nobody holds them."""

import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffers", "Field", "Target"]

KEPT = 2
"""Chunks whose arrays are kept for later ones: one that the loop works on, and one that is being made."""

UNHELD = 3
"""References to an array that only we hold: the tuple's, a loop's, and that of the count itself."""

Field = tuple[type[np.generic], tuple[int, ...]]
"""Type of an array of a chunk, and its shape behind the number of events."""

Target = dict[str, NDArray[Any]]
"""The arrays of a chunk while it is filled, by the names that they have in the chunk."""


class Buffers:
    """Arrays for chunks of up to ``rows`` events, of these fields.

    New memory costs more than what is written there, for the system clears it page by page. Whoever holds a chunk, an
    array of it or a view of one holds a reference; where there is none but ours, nobody can see that the next chunk is
    written there.
    """

    def __init__(self, rows: int, fields: Mapping[str, Field]) -> None:
        self._rows, self._fields = rows, dict(fields)
        self._kept: list[tuple[NDArray[np.generic], ...]] = []

    def target(self, rows: int) -> Target:
        """Return arrays of so many events, whose content means nothing."""
        return {name: array[:rows] for name, array in zip(self._fields, self._arrays(), strict=True)}

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
        return tuple(np.empty((self._rows, *shape), dtype) for dtype, shape in self._fields.values())
