"""What the first pass learns of single events: their parts and labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.dataset.checks import for_each
from mlaas4hep.dataset.events import CUT, LEFT_OUT, LOST, Events
from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.found import Found
from mlaas4hep.dataset.labels import MISSING, Label, LabelColumn, Labels, identifier_values, name_classes
from mlaas4hep.dataset.wanted import Wanted
from mlaas4hep.errors import ParamsError, note
from mlaas4hep.sentinels import Sentinels
from mlaas4hep.sources import Column

__all__ = ["Learned", "Learner"]

BLOCK = 2**22
"""Events that are told their parts at once, which takes nine bytes of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What is known of the events of one file that are used, for each of them.

    ``parts`` are their parts, as :class:`Events` has them; ``positions`` those of their labels in the order in which
    these were first seen, ``MISSING`` where there is none; empty where no branch holds labels.
    """

    parts: NDArray[np.uint8]
    positions: NDArray[np.int32]


class Learner:
    """Learns parts and labels: where these take branches, cluster by cluster, and otherwise without reading.

    ``labels`` has the label of each file, None where it has none of its own.
    """

    def __init__(
        self, wanted: Wanted, files: Sequence[File], labels: Sequence[Label | None], sentinels: Sentinels
    ) -> None:
        self._wanted, self._files, self._labels = wanted, files, labels
        self._column = LabelColumn(wanted.label, sentinels.get(wanted.label, ())) if wanted.label is not None else None
        self._before: dict[Label, int] = {}

    @property
    def columns(self) -> list[str]:
        """The branches that parts and labels take; none where nothing has to be read for them."""
        return [*self._wanted.identifier, *([self._column.branch] if self._column else [])]

    def without_reading(self) -> Found:
        """Return parts from entries and labels from files."""
        return self.found([self.unread(file) for file in self._files])

    def unread(self, file: File) -> Learned:
        """Return what is known of a file's events without reading them, where no branch tells more."""
        return Learned(self._parts_of_all(file), np.zeros(0, np.int32))

    def begin(self, file: File) -> Learned:
        """Begin with a file, whose events are all cut until they are learned."""
        self._before = dict(self._column.found) if self._column else {}
        return self._all(file, CUT)

    def drop(self, file: File) -> Learned:
        """Forget what was learned of the file that was begun last, whose events are lost."""
        if self._column:
            self._column.found = self._before
        return self._all(file, LOST)

    def learn(
        self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], learned: Learned
    ) -> NDArray[np.bool_]:
        """Note parts and labels of events that are not cut; return which of these are used."""
        parts, identifier = learned.parts, self._wanted.identifier
        if identifier:
            values = [identifier_values(columns[name], name, file.input.path, entries) for name in identifier]
            parts[entries] = self._parts(file, 0, len(entries), values)
        elif len(entries):
            first = int(entries[0])
            parts[entries] = self._parts(file, first, int(entries[-1]) + 1, [])[entries - first]
        if self._column and len(entries):
            learned.positions[entries] = self._column.add(columns[self._column.branch], file.input.path, entries)
            parts[entries[learned.positions[entries] == MISSING]] = LEFT_OUT
        used: NDArray[np.bool_] = parts[entries] != LEFT_OUT
        return used

    def found(self, learned: Sequence[Learned]) -> Found:
        """Return what was learned of all files."""
        if self._column is None:
            labels, by_file = self._file_labels()
            values = np.array(labels.values, np.int64)
            events = [
                self._events(file, one.parts, by_file.get(file.input.number), values)
                for file, one in zip(self._files, learned, strict=True)
            ]
            return Found(labels, events, 0)
        left_out = sum(int(np.count_nonzero(one.positions == MISSING)) for one in learned)
        if not self._column.found:
            raise ParamsError(f"branch {self._column.branch!r}: no event has a label")
        if left_out:
            note(f"{left_out} events are left out, because their label in branch {self._column.branch!r} is missing")
        labels = name_classes(list(self._column.found), self._wanted.classes, f"branch {self._column.branch!r}")
        order, values = self._column.order(labels), np.array(labels.values, np.int64)
        small = np.uint8 if len(values) < 2**8 else np.int32
        events = [
            self._events(file, one.parts, order[one.positions].astype(small), values)
            for file, one in zip(self._files, learned, strict=True)
        ]
        return Found(labels, events, left_out)

    def _all(self, file: File, part: int) -> Learned:
        path, labelled = file.input.path, file.used if self._column else 0
        return Learned(for_each(path, file.used, part, np.uint8), for_each(path, labelled, 0, np.int32))

    def _file_labels(self) -> tuple[Labels, dict[int, int]]:
        """The labels of whole files, and the position of each file's."""
        if self._wanted.by_input is None:
            return Labels([], [], []), {}
        of_files = [label for label in self._labels if label is not None]
        labels = name_classes(of_files, self._wanted.classes, "labels")
        pairs = zip(self._files, of_files, strict=True)
        return labels, {file.input.number: labels.found.index(label) for file, label in pairs}

    def _events(
        self, file: File, parts: NDArray[np.uint8], labels: NDArray[Any] | int | None, values: NDArray[np.int64]
    ) -> Events:
        return Events(
            number=file.input.number,
            path=file.input.path,
            tree=file.tree,
            entries=file.entries,
            state=file.state,
            parts=parts,
            labels=labels,
            values=values,
            name=str(file.input),
            reading=self._wanted.reading,
        )

    def _parts(self, file: File, start: int, stop: int, identifiers: list[NDArray[np.generic]]) -> NDArray[np.uint8]:
        return _rust.parts(self._wanted.seed, file.input.number, start, stop, self._wanted.split, identifiers)

    def _parts_of_all(self, file: File) -> NDArray[np.uint8]:
        """The parts of all events of a file that are known by their entries."""
        parts = for_each(file.input.path, file.used, CUT, np.uint8)
        for start in range(0, file.used, BLOCK):
            stop = min(start + BLOCK, file.used)
            parts[start:stop] = self._parts(file, start, stop, [])
        return parts
