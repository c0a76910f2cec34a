"""Which fold every event is in, and whether it is for validation in the others."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.columns import keep_all
from mlaas4hep.dataset.badfiles import BadFiles
from mlaas4hep.dataset.division import FOLDS, SAMPLING, SPLIT, Identity
from mlaas4hep.dataset.events import LEFT_OUT, LOST, Events
from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.found import Found
from mlaas4hep.dataset.leaks import check_leaks
from mlaas4hep.dataset.quantities import Quantity
from mlaas4hep.dataset.stream import open_again
from mlaas4hep.dataset.wanted import Wanted
from mlaas4hep.errors import ParamsError, SourceError
from mlaas4hep.sources import Column, Source
from mlaas4hep.splits import SplitBy

__all__ = ["Folding", "counted", "fold"]

BLOCK = 2**22
"""Entries that are told their folds at once, where nothing has to be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """The fold of each event of a file, -1 where it is not used, and whether it is for validation in other folds."""

    folds: NDArray[np.int32]
    validation: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Folding:
    """Assigns events to ``number`` folds, by hashes of what identifies them or by a quantity ``by``.

    With u_n the number of an event in stream n, an event is in fold floor(number u_1), and in the other folds for
    validation if u_0 >= ``train``, which is what fractions give train of train and validation together.
    """

    number: int
    by: Quantity | None
    identity: Identity
    train: float
    threads: int

    @classmethod
    def of(cls, wanted: Wanted, number: int, by: Quantity | None, events: int) -> Self:
        """Return what assigns so many ``events`` to folds, if there can be that many of these."""
        if not 2 <= number <= events:
            raise ParamsError(
                f"folds: {number} folds of {events} events; there must be at least 2, and no more than there are events"
            )
        if isinstance(wanted.split, SplitBy):
            raise ParamsError(f"folds: the split is by {wanted.split.by!r}; for folds it must be fractions")
        train, validation, _ = wanted.split
        if train + validation == 0:
            raise ParamsError("folds: the split has no train and no validation; one of them must be more than 0")
        identity = Identity(wanted.seed, wanted.identifier)
        return cls(number, by, identity, train / (train + validation), wanted.threads)

    def assign(self, file: File, events: Events, bad: BadFiles) -> Assigned:
        """Return the folds of the events of a file, which is read if that takes branches."""
        assigned = Assigned(np.full(len(events.parts), -1, np.int32), np.zeros(len(events.parts), np.bool_))
        try:
            if self.by is not None or self.identity.identifier:
                self._read(file, events, assigned)
            else:
                for start in range(0, len(events.parts), BLOCK):
                    stop = min(start + BLOCK, len(events.parts))
                    self._note(file, {}, start + np.flatnonzero(events.parts[start:stop] < LEFT_OUT), assigned)
        except SourceError as error:
            used = events.wanted(None)
            bad.add(events.name, error, int(np.count_nonzero(used)))
            events.parts[used] = LOST
        return assigned

    def _read(self, file: File, events: Events, assigned: Assigned) -> None:
        """Go over the clusters of a file."""
        names = list(dict.fromkeys([*self.identity.identifier, *(self.by.reads if self.by else [])]))
        used, hashes = events.wanted(None), np.zeros(len(events.parts))
        source = open_again(events.path, events.tree, events.entries, events.state, self.threads, events.reading)
        try:
            for start, stop in source.clusters(names, 0, len(used)):
                kept = used[start:stop]
                if not kept.any():
                    continue
                columns, entries = keep_all(source.read(names, start, stop), kept), start + np.flatnonzero(kept)
                self._note(file, columns, entries, assigned)
                if self.by is not None and self.identity.identifier:
                    hashes[entries] = self.identity.uniforms(file, columns, entries, SAMPLING)
            self._check(source, hashes, assigned)
        finally:
            source.close()

    def _check(self, source: Source, hashes: NDArray[np.float64], assigned: Assigned) -> None:
        """Raise where an event, known by its identifiers, is in two folds."""
        if self.by is not None and self.identity.identifier:
            check_leaks(lambda: nullcontext(source), self.identity.identifier, hashes, assigned.folds, "folds")

    def _note(self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], assigned: Assigned) -> None:
        """Note the folds of events."""
        if self.by is None:
            u = self.identity.uniforms(file, columns, entries, FOLDS)
            folds = np.minimum((u * self.number).astype(np.int32), self.number - 1)
        else:
            folds = self._of_values(self.by, file, columns, entries)
        assigned.folds[entries] = folds
        assigned.validation[entries] = self.identity.uniforms(file, columns, entries, SPLIT) >= self.train

    def _of_values(
        self, by: Quantity, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """The folds that a quantity says."""
        path = file.input.path
        values, missing = by.numbers(columns, entries, path)
        wrong = missing | (values != np.floor(values)) | (values < 0) | (values >= self.number)
        if wrong.any():
            at = int(np.argmax(wrong))
            says = "has no value" if missing[at] else f"is {values[at]:g}"
            raise ParamsError(
                f"{path}: folds: {by} {says} in entry {entries[at]}; it must be a whole number from 0 to "
                f"{self.number - 1}"
            )
        return values.astype(np.int32)


def fold(found: Found, assigned: Sequence[Assigned], number: int) -> Found:
    """Return the events with those of one fold as test part, and the others as train and validation."""
    return replace(
        found,
        events=[
            replace(events, parts=np.where(events.parts < LEFT_OUT, _parts(of_file, number), events.parts))
            for events, of_file in zip(found.events, assigned, strict=True)
        ],
    )


def _parts(assigned: Assigned, number: int) -> NDArray[np.uint8]:
    return np.where(assigned.folds == number, np.uint8(2), assigned.validation.astype(np.uint8))


def counted(found: Found) -> dict[str, tuple[int, int, int]]:
    """Return how many events of each file are train, validation and test; inputs that are the same are added up."""
    counts: dict[str, tuple[int, int, int]] = {}
    for events in found.events:
        if not events.lost:
            train, validation, test, *_ = np.bincount(events.parts, minlength=3).tolist()
            before = counts.get(events.name, (0, 0, 0))
            counts[events.name] = train + before[0], validation + before[1], test + before[2]
    return counts
