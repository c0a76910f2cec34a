"""Flattened events of many files."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset.buffers import Target

__all__ = ["Chunk"]


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Flattened events, mixed from all files; the arrays stay as they are for as long as someone holds them.

    Attributes
    ----------
    data
        float32, C order, shape (events, columns); ``pad_value`` where there is no value.
    padding_mask
        bool, the same shape: ``True`` where the value is padding or missing.
    labels
        int64, shape (events,): integers as they stand, for names the position in ``Dataset.classes``; None if the
        dataset has no labels.
    file, entry
        int32 and int64, shape (events,): number of the file, and entry of its tree, that a row comes from.
    """

    data: NDArray[np.float32]
    padding_mask: NDArray[np.bool_]
    labels: NDArray[np.int64] | None
    file: NDArray[np.int32]
    entry: NDArray[np.int64]

    @classmethod
    def of(cls, target: Target, lost: NDArray[np.int64]) -> Self:
        """Return the chunk that was filled, without the rows of events that are lost."""
        arrays = target.data, target.padding_mask, target.labels, target.file, target.entry
        if not len(lost):
            return cls(*arrays)
        there = np.ones(len(target.data), np.bool_)
        there[lost] = False
        return cls(*(None if array is None else array[there] for array in arrays))  # type: ignore[arg-type]
