"""What the first pass learns of single events: their parts, labels, targets and weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset.byclass import Positions
from mlaas4hep.dataset.division import SAMPLING, Division, Identity
from mlaas4hep.dataset.events import CUT, DROPPED, LEFT_OUT, LOST, Events
from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.found import Found
from mlaas4hep.dataset.labels import MISSING, Label, LabelColumn, Labels, name_classes
from mlaas4hep.dataset.leaks import Opening, check_leaks
from mlaas4hep.dataset.learned import Learned
from mlaas4hep.dataset.quantities import Quantities
from mlaas4hep.dataset.wanted import Wanted
from mlaas4hep.dataset.weighing import Weigher
from mlaas4hep.errors import ParamsError, note
from mlaas4hep.sources import Column

__all__ = ["Learner"]

BLOCK = 2**22
"""Events that are told their parts at once, which takes nine bytes of each."""


class Learner:
    """Learns of events: where that takes branches, cluster by cluster, and otherwise without reading.

    ``labels`` has the label of each file, None where it has none of its own.
    """

    def __init__(
        self, wanted: Wanted, files: Sequence[File], labels: Sequence[Label | None], quantities: Quantities
    ) -> None:
        self._wanted, self._files, self._labels, self._quantities = wanted, files, labels, quantities
        self._identity = Identity(wanted.seed, wanted.identifier)
        self._division = Division(wanted.split, self._identity, quantities.split)
        self._weigher = Weigher(wanted.weights, quantities, files)
        label = quantities.label
        self._column = LabelColumn(str(label), label.sentinels) if label is not None else None
        self._before: dict[Label, int] = {}

    @property
    def columns(self) -> list[str]:
        """The branches that are read for this; none where nothing has to be read."""
        return list(dict.fromkeys([*self._wanted.identifier, *self._quantities.reads]))

    @property
    def before_cuts(self) -> list[str]:
        """Those among them that are read of all entries, for :meth:`learn_all`."""
        return self._weigher.before_cuts

    def without_reading(self) -> Found:
        """Return what follows from entries and files alone."""
        return self.found([self.unread(file) for file in self._files])

    def begin(self, file: File) -> Learned:
        """Begin with a file, whose events are all cut until they are learned."""
        self._before = dict(self._column.found) if self._column else {}
        return Learned.of(file, self._wanted, CUT)

    def drop(self, file: File) -> Learned:
        """Forget what was learned of the file that was begun last, whose events are lost."""
        if self._column:
            self._column.found = self._before
        return Learned.of(file, self._wanted, LOST)

    def learn_all(
        self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], learned: Learned
    ) -> None:
        """Note what is taken of entries before cuts."""
        if self.before_cuts:
            self._weigher.take_all(file, columns, entries, learned)

    def learn(
        self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], learned: Learned
    ) -> NDArray[np.bool_]:
        """Note what is known of events that are not cut; return which of these are used."""
        used = self._take_labels(file, columns, entries, learned) & self._take_targets(file, columns, entries, learned)
        learned.parts[entries] = np.where(used, CUT, LEFT_OUT)
        if len(learned.uniforms):
            learned.uniforms[entries] = self._identity.uniforms(file, columns, entries, SAMPLING)
        kept = self._weigher.take(file, columns, entries, used, learned)
        learned.parts[entries[used & ~kept]] = DROPPED
        learned.parts[entries[kept]] = self._division.parts(file, columns, entries, kept)[kept]
        return kept

    def scan_weights(self, entries: NDArray[np.int64], learned: Learned) -> NDArray[np.float64] | None:
        """Return the weights with which a scan counts these events: ``by`` behind ``negative``; None: all the same."""
        return learned.weights[entries] if self._quantities.weight is not None else None

    def finish(self, file: File, opening: Opening, learned: Learned) -> None:
        """Check what was learned of a file, all of whose events were learned."""
        self._weigher.finish(file, learned)
        if self._wanted.compares:
            check_leaks(opening, self._wanted.identifier, learned.uniforms, learned.parts, "parts")

    def found(self, learned: Sequence[Learned]) -> Found:
        """Return what was learned of all files."""
        left_out = sum(int(np.count_nonzero(one.parts == LEFT_OUT)) for one in learned)
        labels, positions = self._labelled(learned) if self._column else self._file_labels()
        self._tell(learned, left_out)
        weights = self._weigher.weigh(labels, positions, learned)
        values = np.array(labels.values, np.int64)
        events = [
            self._events(file, one, of_labels, values, weighs)
            for file, one, of_labels, weighs in zip(self._files, learned, positions, weights, strict=True)
        ]
        self._division.check_seen()
        return Found(labels, events, left_out)

    def unread(self, file: File) -> Learned:
        """Return what is known of the events of a file by their entries alone."""
        learned = Learned.of(file, self._wanted, CUT)
        for start in range(0, file.used, BLOCK):
            self.learn(file, {}, np.arange(start, min(start + BLOCK, file.used)), learned)
        return learned

    def _take_labels(
        self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], learned: Learned
    ) -> NDArray[np.bool_]:
        """Note labels; return which events have one."""
        label, column = self._quantities.label, self._column
        if label is None or column is None or not len(entries):
            return np.ones(len(entries), np.bool_)
        path = file.input.path
        positions = column.add(label.column(columns, entries, path), path, entries)
        learned.positions[entries] = positions
        there: NDArray[np.bool_] = positions != MISSING
        return there

    def _take_targets(
        self, file: File, columns: Mapping[str, Column], entries: NDArray[np.int64], learned: Learned
    ) -> NDArray[np.bool_]:
        """Note targets; return which events have all of them."""
        there = np.ones(len(entries), np.bool_)
        for number, target in enumerate(self._quantities.targets):
            values, missing = target.numbers(columns, entries, file.input.path)
            with np.errstate(over="ignore"):
                learned.targets[entries, number] = rounded = values.astype(np.float32)
            there &= ~missing & np.isfinite(rounded)
        return there

    def _labelled(self, learned: Sequence[Learned]) -> tuple[Labels, Positions]:
        """The labels that a branch or formula gives, and their positions."""
        assert self._column is not None
        source = str(self._quantities.label)
        if not self._column.found:
            raise ParamsError(f"{source}: no event has a label")
        if without := self._without_label(learned):
            note(f"{without} events are left out, because their label in {source} is missing")
        labels = name_classes(list(self._column.found), self._wanted.classes, source)
        order = self._column.order(labels)
        small = np.uint8 if len(labels.values) < 2**8 else np.int32
        return labels, [order[one.positions].astype(small) for one in learned]

    def _file_labels(self) -> tuple[Labels, Positions]:
        """The labels of whole files, and the position of each file's."""
        if self._wanted.by_input is None:
            return Labels([], [], []), [None] * len(self._files)
        of_files = [label for label in self._labels if label is not None]
        labels = name_classes(of_files, self._wanted.classes, "labels")
        return labels, [labels.found.index(label) for label in of_files]

    def _without_label(self, learned: Sequence[Learned]) -> int:
        return sum(int(np.count_nonzero(one.positions == MISSING)) for one in learned) if self._column else 0

    def _tell(self, learned: Sequence[Learned], left_out: int) -> None:
        """Tell the user how many events are left out, besides those without a label."""
        if lacking := left_out - self._without_label(learned):
            names = ", ".join(self._wanted.targets)
            note(f"{lacking} events are left out, because a target is missing: {names}")
            if not any(one.used_of(slice(None)).any() for one in learned):
                raise ParamsError(f"targets: no event has all of them: {names}")
        if outside := sum(one.outside for one in learned):
            names = ", ".join(one.text for one in self._quantities.spectrum)
            note(f"{outside} events are left out, because they are outside the edges of the spectrum: {names}")
        dropped = sum(int(np.count_nonzero(one.parts == DROPPED)) for one in learned)
        if dropped > outside:
            note(f"{dropped - outside} events are left out, because their weight is negative")

    def _events(
        self,
        file: File,
        learned: Learned,
        labels: NDArray[np.integer[Any]] | int | None,
        values: NDArray[np.int64],
        weights: NDArray[np.float32] | None,
    ) -> Events:
        return Events(
            number=file.input.number,
            path=file.input.path,
            tree=file.tree,
            entries=file.entries,
            state=file.state,
            parts=learned.parts,
            labels=labels,
            values=values,
            name=str(file.input),
            reading=self._wanted.reading,
            weights=weights,
            targets=learned.targets if self._wanted.targets else None,
        )
