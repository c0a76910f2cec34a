"""Labels of events: of whole files, or from a branch or formula; and identifiers, which are from branches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.columns import split_nulls
from mlaas4hep.errors import BranchError, ParamsError
from mlaas4hep.sentinels import are_sentinels
from mlaas4hep.sources import Column

__all__ = ["MISSING", "Label", "LabelColumn", "Labels", "identifier_values", "name_classes"]

MISSING = -1
"""Stands in the positions of events whose label is missing."""

LARGEST = 2**63 - 1

Label = int | str


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels that occur.

    ``values`` are the distinct labels as chunks hold them, sorted: integers as they stand, or for names their
    positions in the list of classes. ``classes`` are their names, ``found`` the labels as the user wrote them, both in
    the same order.
    """

    values: list[int]
    classes: list[str]
    found: list[Label]


def name_classes(found: Sequence[Label], classes: Sequence[str] | None, where: str) -> Labels:
    """Return the distinct labels ``found`` in order and named.

    Names stand in the order of ``classes``, by default sorted; integers are sorted, and ``classes`` names them.
    """
    names = sorted({label for label in found if isinstance(label, str)})
    numbers = sorted({int(label) for label in found if not isinstance(label, str)})
    large = [number for number in numbers if not -LARGEST - 1 <= number <= LARGEST]
    if large:
        raise ParamsError(f"{where}: {large[0]} is no label; a label is a whole number of 64 bits or a name")
    if classes is not None and len(set(classes)) < len(classes):
        raise ParamsError(f"classes: {', '.join(classes)}: a name stands there twice")
    if names:
        order = list(classes) if classes is not None else names
        unknown = [name for name in names if name not in order]
        if unknown:
            raise ParamsError(f"{where}: label {unknown[0]!r} is not in the classes {', '.join(order)}")
        empty = [name for name in order if name not in names]
        if empty:
            raise ParamsError(f"{where}: class {empty[0]!r} has no events")
        return Labels(list(range(len(order))), order, list(order))
    if classes is not None and len(classes) != len(numbers):
        listed = ", ".join(map(str, numbers))
        raise ParamsError(
            f"classes: {len(classes)} names for {len(numbers)} labels ({listed}); give each label one name"
        )
    return Labels(numbers, list(classes) if classes is not None else [str(number) for number in numbers], list(numbers))


class LabelColumn:
    """Collects labels, piece by piece, as small numbers: positions in the order of first appearance.

    ``source`` is the branch or the formula that they come from, as errors name it.
    """

    def __init__(self, source: str, sentinels: Sequence[int | float] = ()) -> None:
        self._source = source
        self._sentinels = sentinels
        self.found: dict[Label, int] = {}

    def add(self, given: Column, where: str, entries: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the positions of some events' labels, ``MISSING`` where there is none.

        ``where`` names their file and ``entries`` their entries, for errors.
        """
        column, nulls = split_nulls(given)
        if column.dtype.kind in "OU":
            present = np.array([bool(value) for value in column], np.bool_)
            values = np.where(present, column, "").astype(str)
        else:
            present = np.isfinite(column) & ~nulls & ~are_sentinels(column, self._sentinels)
            values = self._whole(np.where(present, column, np.zeros(1, column.dtype)), where, entries)
        distinct, inverse = np.unique(values, return_inverse=True)
        used = np.bincount(inverse[present], minlength=len(distinct)) > 0
        positions = np.full(len(distinct), MISSING, np.int32)
        for index in np.flatnonzero(used):
            value = distinct[index]
            label: Label = str(value) if values.dtype.kind == "U" else int(value)
            positions[index] = self.found.setdefault(label, len(self.found))
        return np.where(present, positions[inverse], MISSING).astype(np.int32)

    def _whole(self, values: NDArray[Any], where: str, entries: NDArray[np.int64]) -> NDArray[np.int64]:
        if values.dtype.kind == "f":
            broken = (values != np.rint(values)) | (np.abs(values) >= float(LARGEST))
        else:
            broken = values > LARGEST
        if broken.any():
            at = int(np.argmax(broken))
            raise ParamsError(
                f"{where}: {self._source}, entry {entries[at]}: {values[at]} is no label; a label is a whole "
                "number of 64 bits or a name"
            )
        return values.astype(np.int64)

    def order(self, labels: Labels) -> NDArray[np.int32]:
        """Return for each position of first appearance the position in ``labels``; behind them ``MISSING``."""
        places = {label: index for index, label in enumerate(labels.found)}
        return np.array([*(places[label] for label in self.found), MISSING], np.int32)


def identifier_values(column: Column, name: str, path: str, entries: NDArray[np.int64]) -> NDArray[np.generic]:
    """Return the values of an identifier, which every event must have."""
    found, nulls = split_nulls(column)
    if nulls.any():
        entry = entries[int(np.argmax(nulls))]
        raise BranchError(f"{path}: identifier {name!r} is missing in entry {entry}; every event must have one")
    values: NDArray[np.generic] = found
    return values
