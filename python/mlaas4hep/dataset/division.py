"""The parts of events: from hashes of what identifies them, or from the values of a branch or formula."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.dataset.checks import PARTS
from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.labels import identifier_values
from mlaas4hep.dataset.quantities import Quantity
from mlaas4hep.errors import ParamsError, note
from mlaas4hep.sources import Column
from mlaas4hep.splits import Split, SplitBy

__all__ = ["FOLDS", "SAMPLING", "SPLIT", "Division", "Identity"]

SPLIT, FOLDS, SAMPLING = 0, 1, 2
"""Streams of random numbers, each of which gives an event another one."""


class Identity:
    """What identifies events, their entries or branches, and the random choices that follow from it and a seed."""

    def __init__(self, seed: int, identifier: Sequence[str]) -> None:
        self._seed, self.identifier = seed, list(identifier)

    def parts_of(self, file: File, start: int, stop: int, split: tuple[float, float, float]) -> NDArray[np.uint8]:
        """Return the parts of a stretch of entries, which identify themselves."""
        return _rust.parts(self._seed, file.input.number, start, stop, split, [])

    def parts(
        self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], split: tuple[float, float, float]
    ) -> NDArray[np.uint8]:
        """Return the parts of events, whose identifiers are in ``columns``."""
        first, stop, values = self._given(file, columns, entries)
        parts = _rust.parts(self._seed, file.input.number, first, stop, split, values)
        return parts if values else parts[entries - first]

    def uniforms(
        self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], stream: int
    ) -> NDArray[np.float64]:
        """Return for events, whose identifiers are in ``columns``, a number in [0, 1) each, of one of the streams."""
        first, stop, values = self._given(file, columns, entries)
        numbers = _rust.uniforms(self._seed, file.input.number, first, stop, values, stream)
        return numbers if values else numbers[entries - first]

    def _given(
        self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64]
    ) -> tuple[int, int, list[NDArray[np.generic]]]:
        """The range of the entries, and the identifiers of each."""
        if not len(entries):
            return 0, 0, []
        if not self.identifier:
            return int(entries[0]), int(entries[-1]) + 1, []
        path = file.input.path
        return 0, len(entries), [identifier_values(columns[name], name, path, entries) for name in self.identifier]


class Division:
    """Divides events into parts, by fractions or by the values of ``quantity``."""

    def __init__(self, split: Split, identity: Identity, quantity: Quantity | None) -> None:
        self._split, self._identity, self._quantity = split, identity, quantity
        self._seen: set[float] = set()

    def parts(
        self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], used: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        """Return the parts of events, of which ``columns`` has what that takes; those that are used must have it."""
        if not isinstance(self._split, SplitBy):
            return self._identity.parts(file, columns, entries, self._split)
        assert self._quantity is not None
        values, missing = self._quantity.numbers(columns, entries, file.input.path)
        if (lacking := used & missing).any():
            entry = entries[int(np.argmax(lacking))]
            raise ParamsError(
                f"{file.input.path}: split: {self._quantity} has no value in entry {entry}; every event must have one"
            )
        return self._by_values(values, used)

    def check_seen(self) -> None:
        """Tell the user of values that mean a part, and that no event has."""
        for code, values in self._values().items():
            if never := [value for value in values if value not in self._seen]:
                listed = ", ".join(map(str, never))
                note(f"split: {self._quantity} has the value {listed} in no event, which means {PARTS[code]}")

    def _by_values(self, values: NDArray[np.float64], used: NDArray[np.bool_]) -> NDArray[np.uint8]:
        parts = np.zeros(len(values), np.uint8)
        for code, meant in self._values().items():
            for value in meant:
                found = values == value
                parts[found] = code
                if (found & used).any():
                    self._seen.add(value)
        return parts

    def _values(self) -> dict[int, tuple[float, ...]]:
        """The values that mean a part, by its number."""
        split = self._split
        return {1: split.validation, 2: split.test} if isinstance(split, SplitBy) else {}
