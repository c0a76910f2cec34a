"""What the formula steps of a plan mean: one method of :class:`Formulas` is the twin of one step."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep._reference.functions import (
    BOOLS,
    COMPARISONS,
    ELEMENTARY,
    FLOATS,
    INTEGERS,
    REDUCED,
    REDUCTIONS,
    Elementary,
    Entry,
    entry_at,
    is_beyond,
    order_of,
)

__all__ = ["STEPS", "Formulas", "Value", "widened"]

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Lengths = NDArray[np.int64]

# NumPy's type of each type, and what stands where a value is missing.
TYPES: Mapping[str, tuple[Any, Entry]] = {
    "bool": (np.bool_, False),
    "int64": (np.int64, 0),
    "float64": (np.float64, math.nan),
}


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What a slot holds: all values, in the order of the events.

    ``lengths`` says how many of them each event has where the shape is ``"jagged"``; a ``"flat"`` shape has one for
    each event, a ``"constant"`` one for all. Only an int64 can be ``null``: a float64 is NaN instead, a bool is false.
    """

    shape: str
    type: str
    values: Array
    null: Mask
    lengths: Lengths | None = None

    @classmethod
    def of(cls, shape: str, type_: str, entries: Sequence[Entry], lengths: Lengths | None = None) -> "Value":
        """Make a value from entries."""
        dtype, absent = TYPES[type_]
        values = np.array([absent if entry is None else entry for entry in entries], dtype)
        null = np.array([entry is None and type_ == "int64" for entry in entries], np.bool_)
        return cls(shape, type_, values, null, lengths)

    @classmethod
    def of_lists(cls, type_: str, lists: Sequence[Sequence[Entry]]) -> "Value":
        """Make a jagged value from one list of entries for each event."""
        entries = [entry for one in lists for entry in one]
        return cls.of("jagged", type_, entries, np.array([len(one) for one in lists], np.int64))

    @property
    def missing(self) -> Mask:
        """Which values are missing: nulls and NaN."""
        missing: Mask = self.null | np.isnan(self.values)
        return missing

    def entries(self) -> list[Entry]:
        """Return all values as Python numbers, ``None`` for the missing ones."""
        return [None if missing else entry for entry, missing in zip(self.values.tolist(), self.missing, strict=True)]

    def lists(self) -> list[list[Entry]]:
        """Return the entries of each event of a jagged value."""
        if self.lengths is None:
            raise TypeError(f"a jagged value is needed, not a {self.shape} one")
        entries, stops = self.entries(), np.cumsum(self.lengths)
        return [entries[stop - length : stop] for stop, length in zip(stops, self.lengths, strict=True)]

    def repeated(self, like: "Value") -> "Value":
        """Return a constant as often as ``like`` has values, and everything else as it is."""
        if self.shape == like.shape:
            return self
        size = len(like.values)
        return Value(like.shape, self.type, self.values.repeat(size), self.null.repeat(size), like.lengths)

    def kept(self, passed: Mask) -> "Value":
        """Return what belongs to the events that passed."""
        if self.shape == "constant":
            return self
        if self.lengths is None:
            return Value(self.shape, self.type, self.values[passed], self.null[passed])
        at = np.repeat(passed, self.lengths)
        return Value(self.shape, self.type, self.values[at], self.null[at], self.lengths[passed])


# The steps


class Formulas:
    """Computes slots, one step after the other.

    An error of the data carries the number of its event: ``OverflowError(event)`` for what int64 cannot hold,
    ``ValueError(event)`` for lists of different lengths.
    """

    def __init__(self, events: int, elementary: Elementary) -> None:
        """Begin with events 0, 1, ... and no values."""
        self.events = np.arange(events)
        self.values: dict[int, Value] = {}
        self.elementary = elementary

    @property
    def each(self) -> Value:
        """A flat value: what a constant is repeated like."""
        return Value.of("flat", "bool", [False] * len(self.events))

    def run(self, step: Mapping[str, Any]) -> None:
        """Compute the slot of one step."""
        self.values[step["out"]] = STEPS[step["op"]](self, step)

    def keep(self, passed: Mask) -> None:
        """Forget all events but those that passed."""
        self.events = self.events[passed]
        self.values = {slot: value.kept(passed) for slot, value in self.values.items()}

    def constant(self, step: Mapping[str, Any]) -> Value:
        """One value for all events."""
        return Value.of("constant", step["type"], [step["value"]])

    def broadcast(self, step: Mapping[str, Any]) -> Value:
        """Repeat a flat value for every entry of a list."""
        x, like = self._inputs(step)
        pairs = zip(x.repeated(self.each).entries(), like.lists(), strict=True)
        return Value.of_lists(x.type, [[entry] * len(one) for entry, one in pairs])

    def apply(self, step: Mapping[str, Any]) -> Value:
        """Compute value by value."""
        inputs, name = self._aligned(self._inputs(step)), step["function"]
        first, last = inputs[0], inputs[-1]
        if name == "where":
            where, one, other = inputs
            values = np.where(where.values, one.values, other.values)
            return Value(last.shape, last.type, values, np.where(where.values, one.null, other.null), last.lengths)
        if first.type == "float64":
            arrays = [value.values for value in inputs]
            with np.errstate(all="ignore"):
                found = self.elementary(name, *arrays) if name in ELEMENTARY else FLOATS[name](*arrays)
            return Value(last.shape, found.dtype.name, found, np.zeros(len(found), np.bool_), last.lengths)
        function = (BOOLS if first.type == "bool" else INTEGERS)[name]
        entries = [function(*row) for row in zip(*(value.entries() for value in inputs), strict=True)]
        type_ = name if name in TYPES else first.type
        return Value.of(last.shape, type_, self.fitting(entries, last), last.lengths)

    def compare(self, step: Mapping[str, Any]) -> Value:
        """Compare exactly, an integer with a float too; what is missing is only unequal."""
        a, b = self._aligned(self._inputs(step))
        function, missing = COMPARISONS[step["function"]], step["function"] == "ne"
        pairs = zip(a.entries(), b.entries(), strict=True)
        return Value.of(a.shape, "bool", [missing if None in pair else function(*pair) for pair in pairs], a.lengths)

    def reduce(self, step: Mapping[str, Any]) -> Value:
        """Make one value of every list."""
        (x,), name = self._inputs(step), step["function"]
        entries = [REDUCTIONS[x.type][name](one) for one in x.lists()]
        return Value.of("flat", REDUCED.get(name, x.type), self.fitting(entries, self.each))

    def at(self, step: Mapping[str, Any]) -> Value:
        """Take one entry of every list."""
        x, place = self._inputs(step)
        pairs = zip(x.lists(), place.repeated(self.each).entries(), strict=True)
        return Value.of("flat", x.type, [entry_at(*pair) for pair in pairs])

    def filter(self, step: Mapping[str, Any]) -> Value:
        """Keep the entries where the mask is true."""
        x, mask = self._aligned(self._inputs(step))
        pairs = zip(x.lists(), mask.lists(), strict=True)
        return Value.of_lists(x.type, [[e for e, keep in zip(*pair, strict=True) if keep] for pair in pairs])

    def sort(self, step: Mapping[str, Any]) -> Value:
        """Put the entries in the order of others."""
        x, by = self._aligned(self._inputs(step))
        pairs = zip(x.lists(), by.lists(), strict=True)
        return Value.of_lists(x.type, [[one[i] for i in order_of(keys, step["descending"])] for one, keys in pairs])

    def fitting(self, entries: list[Entry], like: Value) -> list[Entry]:
        """Return entries that int64 can hold; the first that it cannot is an error of its event."""
        events = self.events if like.lengths is None else np.repeat(self.events, like.lengths)
        # Without events there is no event to blame.
        for entry, event in zip(entries, events, strict=False):
            if is_beyond(entry):
                raise OverflowError(int(event))
        return [None if is_beyond(entry) else entry for entry in entries]

    def _inputs(self, step: Mapping[str, Any]) -> list[Value]:
        return [self.values[slot] for slot in step["in"]]

    def _aligned(self, values: list[Value]) -> list[Value]:
        """Repeat constants, so that all values have the same shape and lengths."""
        varying = [value for value in values if value.shape != "constant"]
        if len({value.shape for value in varying}) > 1:
            raise TypeError("a flat value meets a jagged one, and is not broadcast")
        lengths = [value.lengths for value in varying if value.lengths is not None]
        differ = [len(set(row)) > 1 for row in zip(*lengths, strict=True)]
        if True in differ:
            raise ValueError(int(self.events[differ.index(True)]))
        return [value.repeated(varying[0]) if varying else value for value in values]


STEPS: Mapping[str, Callable[[Formulas, Mapping[str, Any]], Value]] = {
    "constant": Formulas.constant,
    "broadcast": Formulas.broadcast,
    "apply": Formulas.apply,
    "compare": Formulas.compare,
    "reduce": Formulas.reduce,
    "at": Formulas.at,
    "filter": Formulas.filter,
    "sort": Formulas.sort,
}


def widened(values: Array, null: Mask, kind: str, lengths: NDArray[np.int64], events: NDArray[np.int64]) -> Value:
    """Return converted values as those of a formula: bool, int64 or float64."""
    lists = lengths if kind == "jagged" else None
    if values.dtype.kind == "b":
        return Value(kind, "bool", values, np.zeros(len(null), np.bool_), lists)
    if values.dtype.kind == "f":
        return Value(kind, "float64", np.where(null, np.nan, values.astype(np.float64)), np.zeros_like(null), lists)
    beyond = values > np.iinfo(np.int64).max
    if beyond.any():
        raise OverflowError(int(np.repeat(events, lengths)[np.argmax(beyond)]))
    return Value(kind, "int64", values.astype(np.int64), null, lists)
