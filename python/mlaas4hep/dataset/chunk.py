"""Flattened events of many files."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.tensors import Collection

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
    file, entry
        int32 and int64, shape (events,): number of the file, and entry of its tree, that a row comes from.
    labels
        int64, shape (events,): integers as they stand, for names the position in ``Dataset.classes``; None if the
        dataset has no labels.
    weights
        float32, shape (events,): the weight of each event; None if the dataset has no weights.
    targets
        float32, shape (events, targets): what a regression learns; None if the dataset has no targets.
    collections
        The tensors of the layouts ``"collections"`` and ``"image"`` by name: each a
        :class:`~mlaas4hep.tensors.Collection`.
    """

    data: NDArray[np.float32]
    padding_mask: NDArray[np.bool_]
    file: NDArray[np.int32]
    entry: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None
    weights: NDArray[np.float32] | None = None
    targets: NDArray[np.float32] | None = None
    collections: Mapping[str, Collection] = field(default_factory=dict)

    @classmethod
    def of(cls, target: Mapping[str, Any], lost: NDArray[np.int64]) -> Self:
        """Return the chunk that was filled, without the rows of events that are lost."""
        chunk = cls(**target)
        if not len(lost):
            return chunk
        there = np.ones(len(chunk.data), np.bool_)
        there[lost] = False
        return chunk.rows(there)

    def rows(self, which: NDArray[np.generic] | slice) -> Self:
        """Return a chunk of some of the events: a slice gives views, a mask or positions give copies."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "collections"}
        kept: dict[str, Any] = {name: array[which] for name, array in arrays.items() if array is not None}
        collections = {name: collection.rows(which) for name, collection in self.collections.items()}
        return replace(self, **kept, collections=collections)
