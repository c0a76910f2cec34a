"""A column in the one form that the oracle knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep._reference.functions import Number

__all__ = ["Array", "Column", "Mask"]

Array = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One number (flat: ``offsets`` is None) or one list of numbers an event.

    List i is ``values[offsets[i]:offsets[i + 1]]``. ``valid`` tells which values are not null, ``list_valid`` which
    lists are not; ``None``: all. What a null list points at does not exist.
    """

    values: Array
    valid: Mask | None = None
    offsets: NDArray[np.int64] | None = None
    list_valid: Mask | None = None

    @property
    def kind(self) -> str:
        """Whether the column is ``"flat"`` or ``"jagged"``."""
        return "flat" if self.offsets is None else "jagged"

    @property
    def type(self) -> str:
        """NumPy's name of the type; float16 counts as float32."""
        name = self.values.dtype.name
        return "float32" if name == "float16" else name

    def __len__(self) -> int:
        return len(self.values) if self.offsets is None else len(self.offsets) - 1

    def lists(self) -> list[NDArray[np.int64]]:
        """Return for each event the positions of its values in ``values``; a null list has none."""
        if self.offsets is None:
            return [np.array([event]) for event in range(len(self))]
        positions = [np.arange(start, stop) for start, stop in zip(self.offsets, self.offsets[1:], strict=False)]
        if self.list_valid is None:
            return positions
        return [at if valid else at[:0] for at, valid in zip(positions, self.list_valid, strict=True)]

    def flattened(self) -> tuple[Array, Mask]:
        """Return all values in the order of the events, and which of them are null."""
        at = np.concatenate([np.zeros(0, np.int64), *self.lists()])
        null = np.zeros(len(at), np.bool_) if self.valid is None else ~self.valid[at]
        return self.values[at].astype(self.type), null

    def kept(self, passed: Mask) -> "Column":
        """Return the events that passed."""
        if self.offsets is None:
            return Column(self.values[passed], None if self.valid is None else self.valid[passed])
        lists = [at for at, keep in zip(self.lists(), passed, strict=True) if keep]
        at = np.concatenate([np.zeros(0, np.int64), *lists])
        valid = None if self.valid is None else self.valid[at]
        offsets = np.cumsum([0, *(len(one) for one in lists)])
        return Column(self.values[at], valid, offsets, None if self.list_valid is None else self.list_valid[passed])

    def without(self, sentinels: Sequence[Number]) -> "Column":
        """Return the same with null wherever a number is a sentinel, or one that is rounded to float32."""
        if not sentinels or self.values.dtype.kind == "b":
            return self
        valid = np.ones(len(self.values), np.bool_) if self.valid is None else self.valid.copy()
        with np.errstate(over="ignore"):
            meant = {*sentinels, *(float(np.float32(number)) for number in sentinels if self.type.startswith("float"))}
        for at, value in enumerate(self.values.astype(self.type).tolist()):
            valid[at] &= value not in meant
        return Column(self.values, valid, self.offsets, self.list_valid)

    def null_lists(self) -> int:
        """Return how many lists are null."""
        return 0 if self.list_valid is None else int(np.count_nonzero(~self.list_valid))
