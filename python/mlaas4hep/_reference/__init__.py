"""What scan and plan mean, written down in plain NumPy: slow, without Rust, and the oracle of all tests.

Columns stand here in one form only, :class:`Column`; how they lie in memory is not this module's business.
:func:`scan` and :func:`merge` return ``specs.json``; :func:`run`, of :mod:`mlaas4hep._reference.matrix`, interprets
``plan.json``; a function is a step's twin.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep._reference.formulas import Value
from mlaas4hep._reference.functions import NARROW, Number
from mlaas4hep._reference.matrix import Result, evaluate, run

__all__ = ["Column", "Result", "Value", "evaluate", "merge", "promote", "run", "scan"]

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


# The first pass


def scan(columns: Mapping[str, Column], sentinels: Mapping[str, Sequence[Number]] | None = None) -> dict[str, Any]:
    """Return the specs of columns, as they stand in ``specs.json``; sentinels are nulls."""
    given = {name: sorted(numbers) for name, numbers in (sentinels or {}).items() if numbers}
    columns = {name: column.without(given.get(name, [])) for name, column in columns.items()}
    events = {len(column) for column in columns.values()}
    if len(events) > 1:
        raise ValueError(f"columns of different lengths: {sorted(events)}")
    ranges = {name: _range(column) for name, column in columns.items()}
    return {
        "version": 1,
        "fkeys": sorted(name for name, column in columns.items() if column.kind == "flat"),
        "jkeys": sorted(name for name, column in columns.items() if column.kind == "jagged"),
        "jdim": {name: _longest(column) for name, column in columns.items() if column.kind == "jagged"},
        "minv": {name: low for name, (low, _) in ranges.items()},
        "maxv": {name: high for name, (_, high) in ranges.items()},
        "types": {name: column.type for name, column in columns.items()},
        "counts": {name: _counts(column) for name, column in columns.items()},
        "events": {"total": events.pop() if events else 0},
        **({"sentinels": given} if given else {}),
    }


def _range(column: Column) -> tuple[Number | None, Number | None]:
    """The smallest and the largest finite value."""
    values, null = column.flattened()
    finite = values[~null & np.isfinite(values)]
    if not len(finite):
        return None, None
    return _number(finite.min(), column.type), _number(finite.max(), column.type)


def _number(value: Any, type_: str) -> Number:
    """A number of JSON: whole for integers and bools, and never -0."""
    return float(value) + 0.0 if type_.startswith("float") else int(value)


def _longest(column: Column) -> int:
    return max((len(at) for at in column.lists()), default=0)


def _counts(column: Column) -> dict[str, int]:
    values, null = column.flattened()
    return {
        "values": len(values),
        "nulls": int(np.count_nonzero(null)) + column.null_lists(),
        "nan": int(np.count_nonzero(np.isnan(values) & ~null)),
        "inf": int(np.count_nonzero(np.isinf(values) & ~null)),
    }


def merge(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the specs of the events of all parts together; each part has the same branches."""
    first = parts[0]
    names = sorted(first["types"])
    seen = {name: {type_ for part in parts for type_ in _seen(part, name)} for name in names}
    types = {name: promote(seen[name]) for name in names}
    merged = {
        "version": 1,
        "fkeys": first["fkeys"],
        "jkeys": first["jkeys"],
        "jdim": {name: max(part["jdim"][name] for part in parts) for name in first["jkeys"]},
        "minv": {name: _extreme(min, [part["minv"][name] for part in parts], types[name]) for name in names},
        "maxv": {name: _extreme(max, [part["maxv"][name] for part in parts], types[name]) for name in names},
        "types": types,
        "counts": {name: _sums([part["counts"][name] for part in parts]) for name in names},
        "events": _sums([part["events"] for part in parts]),
        **({"sentinels": first["sentinels"]} if "sentinels" in first else {}),
    }
    mixed = {name: sorted(members) for name, members in seen.items() if len(members) > 1}
    return merged | ({"mixed": mixed} if mixed else {})


def promote(types: Iterable[str]) -> str:
    """Return the type that holds values of all these types, as NumPy has it, whatever their order.

    NumPy's own rule for pairs depends on the order (int16, uint16, float32), so it is put here for the whole set.
    """
    numbers = set(types) - {"bool"}
    if not numbers:
        return "bool"
    if any(type_.startswith("float") for type_ in numbers):
        return "float32" if numbers <= NARROW else "float64"
    return np.result_type(*(np.dtype(type_) for type_ in sorted(numbers))).name


def _seen(part: Mapping[str, Any], name: str) -> list[str]:
    """The types that were promoted to a branch's type."""
    mixed: list[str] = part.get("mixed", {}).get(name, [part["types"][name]])
    return mixed


def _extreme(choose: Callable[[list[Number]], Number], values: list[Number | None], type_: str) -> Number | None:
    known = [value for value in values if value is not None]
    return _number(choose(known), type_) if known else None


def _sums(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    keys = {key for part in parts for key in part}
    return {key: sum(part.get(key, 0) for part in parts) for key in keys}
