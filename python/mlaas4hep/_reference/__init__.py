"""What scan and plan mean, written down in plain NumPy: slow, without Rust, and the oracle of all tests.

Columns stand here in one form only, :class:`Column`; how they lie in memory is not this module's business.
:func:`scan` and :func:`merge` return ``specs.json``, :func:`run` interprets ``plan.json``; a function is a step's twin.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlaas4hep._reference.formulas import STEPS, Formulas, Value, widened
from mlaas4hep._reference.functions import NARROW, Elementary, Number, convert, elementary, minmax

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


# The second pass


class Result(NamedTuple):
    """What running a plan gives: matrix, mask, and by branch how many values were cut off or missing.

    ``passed`` tells which of all events are the rows; ``flow``, for each cut, how many events passed it and all
    before it, whether they were applied or not.
    """

    data: NDArray[np.float32]
    padding_mask: Mask
    truncated: dict[str, int]
    missing: dict[str, int]
    passed: Mask
    flow: list[int]


@dataclass(slots=True)
class Values:
    """What flows from step to step: all values, which of them are missing, and how many each event has."""

    branch: str
    type: str
    values: Array
    missing: Mask
    lengths: NDArray[np.int64]


@dataclass(slots=True)
class Block:
    """The columns of one branch, padded."""

    data: NDArray[np.float32]
    mask: Mask


class Machine:
    """Runs a plan's steps one after the other; ``state`` and ``formulas`` hold the numbered values between them."""

    def __init__(self, columns: Mapping[str, Column], width: int, training: bool, elementary: Elementary) -> None:
        """Begin with an empty matrix for the events of ``columns``."""
        events = next((len(column) for column in columns.values()), 0)
        self.columns = columns
        self.training = training
        self.state: dict[int, Values | Block] = {}
        self.formulas = Formulas(events, elementary)
        matrix = np.empty((events, width), np.float32), np.empty((events, width), np.bool_)
        self.result = Result(*matrix, {}, {}, np.ones(events, np.bool_), [])

    def run(self, step: Mapping[str, Any]) -> None:
        """Run one step."""
        if step["op"] in STEPS:
            self.formulas.run(step)
        else:
            MATRIX_STEPS[step["op"]](self, step)

    def load(self, step: Mapping[str, Any]) -> None:
        """Take a branch in the type of the specs: for a formula, which knows its place, or for the matrix."""
        name, type_ = step["branch"], step["type"]
        column = self.columns[name].without(step.get("sentinels", []))
        if column.kind != step["kind"]:
            raise ValueError(f"branch {name!r} is {column.kind}, not {step['kind']}")
        values, absent = converted(column, np.dtype(type_))
        lengths = np.array([len(at) for at in column.lists()], np.int64)
        if "at" in step:
            self.formulas.values[step["out"]] = widened(values, absent, column.kind, lengths, self.formulas.events)
            return
        absent |= ~np.isfinite(values)
        self.state[step["out"]] = Values(name, type_, values, absent, lengths)
        _count(self.result.missing, name, int(np.count_nonzero(absent)) + column.null_lists())

    def select(self, step: Mapping[str, Any]) -> None:
        """Let through, and count, the events where a bool is true; :meth:`keep` drops the others."""
        true = self.formulas.values[step["in"]].repeated(self.formulas.each).values
        self.result.flow.append(int(np.count_nonzero(self.result.passed & true)))
        if step["when"] == "always" or self.training:
            self.result.passed[~true] = False

    def keep(self) -> None:
        """Go on with the events that passed all cuts."""
        passed, shape = self.result.passed, (np.count_nonzero(self.result.passed), self.result.data.shape[1])
        self.columns = {name: column.kept(passed) for name, column in self.columns.items()}
        self.formulas.keep(passed)
        self.result = self.result._replace(data=np.empty(shape, np.float32), padding_mask=np.empty(shape, np.bool_))

    def define(self, step: Mapping[str, Any]) -> None:
        """Take the value of a formula as a branch of the matrix."""
        value = self.formulas.values[step["in"]]
        value = value.repeated(self.formulas.each) if value.shape == "constant" else value
        name, shape, type_ = step["branch"], value.shape, value.type
        if (shape, type_) != (step["kind"], step["type"]):
            raise ValueError(f"branch {name!r} is {shape} {type_}, not {step['kind']} {step['type']}")
        absent = value.missing | ~np.isfinite(value.values)
        lengths = np.ones(len(value.values), np.int64) if value.lengths is None else value.lengths
        self.state[step["out"]] = Values(name, type_, value.values, absent, lengths)
        _count(self.result.missing, name, int(np.count_nonzero(absent)))

    def scale(self, step: Mapping[str, Any]) -> None:
        """Normalise the values, each by itself, and round them to float32."""
        taken = self._values(step)
        if step["normalize"] not in ("none", "minmax"):
            raise ValueError(f"unknown normalisation {step['normalize']!r}")
        with np.errstate(all="ignore"):
            if step["normalize"] == "none":
                scaled = taken.values.astype(np.float32)
            else:
                scaled = minmax(taken.values, taken.type, step["min"], step["max"])
        self.state[step["out"]] = Values(taken.branch, taken.type, scaled, taken.missing, taken.lengths)

    def pad(self, step: Mapping[str, Any]) -> None:
        """Give every event the same number of values: the first ones, then padding."""
        taken, width = self._values(step), step["width"]
        block = Block(
            np.full((len(taken.lengths), width), step["value"], np.float32),
            np.ones((len(taken.lengths), width), np.bool_),
        )
        start = 0
        for event, length in enumerate(taken.lengths):
            for place in range(min(length, width)):
                if not taken.missing[start + place]:
                    block.data[event, place] = taken.values[start + place]
                    block.mask[event, place] = False
            start += length
        self.state[step["out"]] = block
        _count(self.result.truncated, taken.branch, int(np.maximum(taken.lengths - width, 0).sum()))

    def store(self, step: Mapping[str, Any]) -> None:
        """Put a branch's columns into the matrix."""
        block = self.state[step["in"]]
        if not isinstance(block, Block):
            raise ValueError("only padded values can be stored")
        place = slice(step["column"], step["column"] + block.data.shape[1])
        self.result.data[:, place] = block.data
        self.result.padding_mask[:, place] = block.mask

    def _values(self, step: Mapping[str, Any]) -> Values:
        taken = self.state[step["in"]]
        if not isinstance(taken, Values):
            raise ValueError(f"{step['op']} takes values that are not padded yet")
        return taken


MATRIX_STEPS: Mapping[str, Callable[[Machine, Mapping[str, Any]], None]] = {
    "load": Machine.load,
    "select": Machine.select,
    "define": Machine.define,
    "scale": Machine.scale,
    "pad": Machine.pad,
    "store": Machine.store,
}


def run(
    plan: Mapping[str, Any],
    columns: Mapping[str, Column],
    training: bool = True,
    elementary: Elementary = elementary,
) -> Result:
    """Interpret a plan, as it stands in ``plan.json``, on columns in memory.

    ``elementary(name, *arrays)`` computes elementary functions. Formulas raise ``OverflowError(event)`` and, where
    lists differ in length, ``ValueError(event)``.
    """
    if plan["version"] != 1:
        raise ValueError(f"a plan of version {plan['version']}, not 1")
    machine = Machine(columns, len(plan["columns"]), training, elementary)
    steps = plan["steps"]
    last = max((number for number, step in enumerate(steps) if step["op"] == "select"), default=None)
    for number, step in enumerate(steps):
        machine.run(step)
        if number == last:
            machine.keep()
    return machine.result


def evaluate(
    steps: Sequence[Mapping[str, Any]],
    slot: int,
    columns: Mapping[str, Column],
    elementary: Elementary = elementary,
) -> Value:
    """Run the steps of formulas, and return what a slot holds; every load is one for a formula."""
    machine = Machine(columns, 0, True, elementary)
    for step in steps:
        machine.run({"at": None, **step})
    return machine.formulas.values[slot]


def converted(column: Column, target: np.dtype[Any]) -> tuple[Array, Mask]:
    """Return all values in the type of the specs, and which of them have none there: those are 0.

    NaN and infinities are values of float types only.
    """
    values, null = column.flattened()
    if target.kind == "f":
        return np.where(null, 0, convert(values, target)), null
    null |= ~np.isfinite(values)
    return convert(np.where(null, np.zeros((), values.dtype), values), target), null


def _count(counts: dict[str, int], name: str, number: int) -> None:
    """Note how many there are, where there are any."""
    if number:
        counts[name] = number
