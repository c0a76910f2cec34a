"""The second pass: what the steps of a plan mean, from columns to matrix, other tensors and masks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlaas4hep._reference.column import Array, Column, Mask
from mlaas4hep._reference.formulas import STEPS, Formulas, Value, widened
from mlaas4hep._reference.functions import Elementary, convert, elementary, minmax, standard

__all__ = ["Result", "evaluate", "run"]


class Result(NamedTuple):
    """What running a plan gives: matrix, mask, and by branch how many values were cut off or missing.

    ``passed`` tells which of all events are the rows; ``flow``, for each cut, how many events passed it and all before
    it, whether they were applied or not. ``tensors`` has the values and the mask of each tensor of the layout.
    """

    data: NDArray[np.float32]
    padding_mask: Mask
    truncated: dict[str, int]
    missing: dict[str, int]
    passed: Mask
    flow: list[int]
    tensors: dict[str, tuple[NDArray[np.float32], Mask]]


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
    """The columns of one branch, padded, and how many values each event had."""

    data: NDArray[np.float32]
    mask: Mask
    lengths: NDArray[np.int64]


class Machine:
    """Runs a plan's steps one after the other; ``state`` and ``formulas`` hold the numbered values between them."""

    def __init__(self, columns: Mapping[str, Column], width: int, training: bool, elementary: Elementary) -> None:
        """Begin with an empty matrix for the events of ``columns``."""
        events = next((len(column) for column in columns.values()), 0)
        self.columns = columns
        self.training = training
        self.state: dict[int, Values | Block] = {}
        self.loaded: dict[str, Values] = {}
        self.shapes: Mapping[str, list[int]] = {}
        self.lengths: dict[str, NDArray[np.int64]] = {}
        self.formulas = Formulas(events, elementary)
        matrix = np.empty((events, width), np.float32), np.empty((events, width), np.bool_)
        self.result = Result(*matrix, {}, {}, np.ones(events, np.bool_), [], {})

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
        self.state[step["out"]] = self.loaded[name] = Values(name, type_, values, absent, lengths)
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
        self.state[step["out"]] = self.loaded[name] = Values(name, type_, value.values, absent, lengths)
        _count(self.result.missing, name, int(np.count_nonzero(absent)))

    def scale(self, step: Mapping[str, Any]) -> None:
        """Normalise the values, each by itself, round them to float32, and clip them."""
        taken = self._values(step)
        with np.errstate(all="ignore"):
            match step["normalize"]:
                case "none":
                    scaled = taken.values.astype(np.float32)
                case "minmax":
                    scaled = minmax(taken.values, taken.type, step["min"], step["max"])
                case "standard" | "robust":
                    scaled = standard(taken.values, taken.type, step["center"], step["scale"])
                case other:
                    raise ValueError(f"unknown normalisation {other!r}")
        if "clip" in step:
            lower, upper = np.array(step["clip"], np.float32)
            scaled = np.where(scaled < lower, lower, scaled)
            scaled = np.where(scaled > upper, upper, scaled)
        self.state[step["out"]] = Values(taken.branch, taken.type, scaled, taken.missing, taken.lengths)

    def pad(self, step: Mapping[str, Any]) -> None:
        """Give every event the same number of values: those that stay, then padding."""
        taken, width = self._values(step), step["width"]
        shape = len(taken.lengths), width
        block = Block(np.full(shape, step["value"], np.float32), np.ones(shape, np.bool_), taken.lengths)
        start = 0
        for event, length in enumerate(taken.lengths.tolist()):
            entries = self._staying(step, event, start, length)
            for place, entry in enumerate(entries):
                missing = taken.missing[start + entry]
                block.data[event, place] = step.get("fill", step["value"]) if missing else taken.values[start + entry]
                block.mask[event, place] = missing
            if step.get("padding") == "wrap" and entries:
                for place in range(len(entries), width):
                    block.data[event, place] = block.data[event, place % len(entries)]
            start += length
        self.state[step["out"]] = block
        _count(self.result.truncated, taken.branch, int(np.maximum(taken.lengths - width, 0).sum()))

    def _staying(self, step: Mapping[str, Any], event: int, start: int, length: int) -> list[int]:
        """The entries of a list that stay, in their order: the first ones, or the largest ones of a branch."""
        if "largest" not in step:
            return list(range(min(length, step["width"])))
        key = self.loaded[step["largest"]]
        if key.lengths[event] != length:
            raise ValueError(event)
        start = int(key.lengths[:event].sum())
        values = np.where(key.missing, np.zeros((), key.values.dtype), key.values).tolist()

        def rank(entry: int) -> tuple[bool, float, int]:
            return bool(key.missing[start + entry]), -values[start + entry], entry

        return sorted(sorted(range(length), key=rank)[: step["width"]])

    def store(self, step: Mapping[str, Any]) -> None:
        """Put a branch's columns into the matrix, or another tensor."""
        block = self.state[step["in"]]
        if not isinstance(block, Block):
            raise ValueError("only padded values can be stored")
        first, width = step["column"], block.data.shape[1]
        if "tensor" not in step:
            self.result.data[:, first : first + width] = block.data
            self.result.padding_mask[:, first : first + width] = block.mask
            return
        shape = self.shapes[step["tensor"]]
        places = math.prod(shape[1:])
        self._check_lengths(step["tensor"], block, places, image=len(shape) == 3, flat=width != places)
        data, mask = self._tensor(step["tensor"], len(block.data), shape)
        data.reshape(len(data), math.prod(shape))[:, first : first + width] = block.data
        first %= max(places, 1)
        mask.reshape(len(mask), places)[:, first : first + width] &= block.mask

    def _tensor(self, name: str, events: int, shape: list[int]) -> tuple[NDArray[np.float32], Mask]:
        """Values and mask of a tensor; a place is masked where every branch is."""
        if name not in self.result.tensors:
            fresh = np.empty((events, *shape), np.float32), np.ones((events, *shape[1:]), np.bool_)
            self.result.tensors[name] = fresh
        return self.result.tensors[name]

    def _check_lengths(self, name: str, block: Block, places: int, *, image: bool, flat: bool) -> None:
        """Raise ``ValueError(event)`` where lists of a collection differ in length, or do not fill an image."""
        if image and flat:
            return
        wanted = np.full(len(block.lengths), places) if image else self.lengths.setdefault(name, block.lengths)
        wrong = np.flatnonzero(block.lengths != wanted)
        if len(wrong):
            raise ValueError(int(wrong[0]))

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
    machine.shapes = {tensor["name"]: tensor["shape"] for tensor in plan.get("tensors", [])}
    # A list that is too long may need the values of any branch.
    steps = sorted(plan["steps"], key=lambda step: step["op"] in ("pad", "store"))
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
