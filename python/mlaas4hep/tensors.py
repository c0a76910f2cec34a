"""What flattening gives: the matrix, and beside it a tensor with its mask for each collection or image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MATRIX", "Collection", "Flat", "Pair", "Shapes", "fields_of", "pair_of"]

MATRIX = "matrix"
"""The name of the layout that makes the matrix only, and of the matrix among the arrays of ``out``."""

Pair = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""Values and their mask, as they lie in memory."""

Shapes = dict[str, tuple[int, ...]]
"""By name the shape behind the events in memory: branches and width; channels, height and width of an image."""


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """The branches of one collection, or the channels of one image, of all events.

    Attributes
    ----------
    data
        float32, shape (events, branches, width), C order; of an image (events, height, width, channels), a view: in
        memory channels come before height. ``fill`` stands where a value is missing, the pad value behind the list.
    mask
        bool, shape (events, width), of an image (events, height, width): ``True`` where the place is padding, or where
        every branch misses its value. Where only some branches do, their places hold ``fill`` and are not masked.
    branches
        Names of the branches in their order; of an image whose pixels are flat branches, all of them.
    """

    data: NDArray[np.float32]
    mask: NDArray[np.bool_]
    branches: tuple[str, ...]

    @classmethod
    def of(cls, pair: Pair, branches: tuple[str, ...]) -> "Collection":
        """Return arrays as they lie in memory in the order that models want."""
        data, mask = pair
        return cls(data.transpose(0, 2, 3, 1) if data.ndim == 4 else data, mask, branches)

    def rows(self, which: NDArray[np.generic] | slice) -> "Collection":
        """Return some of the events: a slice gives views, a mask or positions give copies."""
        return Collection(self.data[which], self.mask[which], self.branches)


@dataclass(frozen=True, slots=True, eq=False)
class Flat:
    """What flattening gives.

    Attributes
    ----------
    data
        float32, C order, shape (events, columns): normalised values, ``pad_value`` where there is none.
    padding_mask
        bool, the same shape: ``True`` where the value is padding or missing.
    names
        Names of the columns: flat branches first, then ``name_0 ... name_{width-1}`` of jagged ones.
    truncated
        For each jagged branch of which values were cut off, how many.
    missing
        For each branch with missing values (null, NaN, infinite; null lists too), how many.
    passed
        bool, shape (events of the data,): which events passed the cuts, and have a row; None without cuts.
    cutflow
        For each cut in order its name, and how many events passed it and all before it.
    collections
        The tensors of the layouts ``"collections"`` and ``"image"`` by name: see :class:`Collection`.
    """

    data: NDArray[np.float32]
    padding_mask: NDArray[np.bool_]
    _names: tuple[str, ...] = field(repr=False)
    truncated: dict[str, int]
    missing: dict[str, int]
    passed: NDArray[np.bool_] | None = None
    cutflow: tuple[tuple[str, int], ...] = ()
    collections: Mapping[str, Collection] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of the columns, in a list of the caller's own."""
        return list(self._names)


def fields_of(shapes: Shapes) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
    """Return type and shape behind the events of all arrays, under names of their own.

    >>> list(fields_of({"jet": (2, 5)}))
    ['collections/jet/data', 'collections/jet/mask']
    """
    fields: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        fields |= {_field(name, "data"): (np.float32, shape), _field(name, "mask"): (np.bool_, shape[1:])}
    return fields


def pair_of(arrays: Mapping[str, NDArray[Any]], name: str) -> Pair:
    """Return those of the arrays, named by :func:`fields_of`, that belong to one tensor."""
    return arrays[_field(name, "data")], arrays[_field(name, "mask")]


def _field(name: str, part: str) -> str:
    return f"collections/{name}/{part}"
