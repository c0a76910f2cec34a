"""What is known of a dataset before its chunks are made: branches, labels, parts, specs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import keep_all, split_nulls
from mlaas4hep.dataset.cutflow import CutFlow, FileFlow
from mlaas4hep.dataset.files import File, check_known, check_made_with, fitting, open_all
from mlaas4hep.dataset.labels import MISSING, LabelColumn, Labels, name_classes
from mlaas4hep.dataset.preprocess import Cutter, compile_for, with_new
from mlaas4hep.dataset.stream import CUT, LEFT_OUT, Events, open_again
from mlaas4hep.dataset.watch import Watch
from mlaas4hep.errors import BranchError, ExpressionError, ParamsError, note
from mlaas4hep.inputs import Input
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sources import Column, Reading, choose_branches
from mlaas4hep.specs import Specs

__all__ = ["FirstPass", "Found"]

Watcher = Callable[[int], None] | None


@dataclass(frozen=True, slots=True)
class Found:
    """The labels that occur, and the events of every file."""

    labels: Labels
    events: list[Events]
    left_out: int

    def streams(self, part: int | None, max_open: int, seed: int) -> list[list[Events]]:
        """Return the files that have events of a part: one by one, or of more than ``max_open`` files as chains.

        The files of one label make a chain, in seeded order; all files do where the label is a branch, or there is
        none. Which files have events of the part changes nothing else.
        """
        files = self.events
        if len(files) <= max_open:
            return [[events] for events in files if events.wanted(part).any()]
        order = next(_rust.Schedule([len(files)], len(files), seed, 0, True))[0][3]
        label = {events.number: events.labels if isinstance(events.labels, int) else MISSING for events in files}
        chained = sorted((files[index] for index in order), key=lambda events: label[events.number])
        return [list(chain) for _, chain in groupby(chained, key=lambda events: label[events.number])]


class FirstPass:
    """Opens every file, chooses branches, and learns the rest when it is asked for, in one pass over the files."""

    def __init__(
        self,
        inputs: Sequence[Input],
        labels: Sequence[int] | Sequence[str] | str | None,
        *,
        select: str | Iterable[str] | None,
        exclude: str | Iterable[str] | None,
        identifier: Sequence[str],
        specs: Specs | None,
        classes: Sequence[str] | None,
        split: tuple[float, float, float],
        seed: int,
        nevts: int,
        threads: int,
        preproc: Preprocessing,
        reading: Reading,
    ) -> None:
        self._reading = reading
        self._labels, self._classes, self._identifier = labels, classes, identifier
        self._split, self._seed, self._threads = split, seed, threads
        if classes is not None and labels is None:
            raise ParamsError("classes are given, but no labels")
        schemas, self._files = open_all(inputs, nevts, reading)
        label = labels if isinstance(labels, str) else None
        self._formulas = compile_for(preproc, schemas)
        new = self._formulas.new_branches if self._formulas else {}
        for what, name in [("labels", label), *(("identifier", name) for name in identifier)]:
            if name in new:
                raise ParamsError(f"{what}: {name!r} is a new branch; give a branch of the files")
        if specs is not None and specs.typed:
            check_made_with(specs, preproc)
        branches, schemas = schemas, with_new(schemas, self._formulas)
        if specs is not None and select is None and exclude is None:
            check_known(specs, schemas)
            select = [name for name in specs.branches if name not in new]
        if specs is not None and not specs.typed:
            note("the specs name no types, as those of the original MLaaS4HEP: the files are scanned again")
            specs = None
        choice = choose_branches(
            schemas, select, exclude, label=label, identifier=identifier, new=new, removed=preproc.removed
        )
        if choice.note:
            note(choice.note)
        self._kept = [branch.name for branch in choice.inputs]
        self._inputs = [name for name in self._kept if name not in new]
        if excluded := sorted(set(new) - set(self._kept)):
            preproc = replace(preproc, removed=(*preproc.removed, *excluded))
            self._formulas = compile_for(preproc, branches)
        self.preproc = preproc
        self._given = fitting(specs, choice.inputs, self._files) if specs is not None else None
        self._specs = self._given
        self._flows: list[FileFlow] = []
        self.watch = Watch()
        self._found: Found | None = None
        self._check_empty()
        if label is None and not identifier and not preproc.cuts:
            self._found = self._without_reading()

    @property
    def entries(self) -> int:
        """Number of events that are used."""
        return sum(file.used for file in self._files)

    def specs(self, watcher: Watcher = None) -> Specs:
        """Return the specs: those given, else those of a scan of all files."""
        if self._specs is None:
            self._read(watcher)
        assert self._specs is not None
        return self._specs

    def found(self, watcher: Watcher = None) -> Found:
        """Return labels and parts of all events; files are read only where that takes a branch."""
        if self._found is None:
            self._read(watcher)
        assert self._found is not None
        return self._found

    def _check_empty(self) -> None:
        empty = [str(file.input) for file in self._files if file.entries == 0]
        if len(empty) == len(self._files):
            raise ParamsError(f"there are no events: every file has 0 entries: {', '.join(empty)}")
        if empty:
            note(f"files with 0 events: {', '.join(empty)}")
        if not isinstance(self._labels, (str, type(None))):
            for label in dict.fromkeys(self._labels):
                files = [file for file in self._files if self._labels[file.input.line] == label]
                if not any(file.used for file in files):
                    names = ", ".join(str(file.input) for file in files)
                    raise ParamsError(f"label {label!r} has no events; its files: {names}")

    def _file_labels(self) -> tuple[Labels, dict[int, int]]:
        """The labels of whole files, and the position of each file's."""
        if self._labels is None:
            return Labels([], [], []), {}
        assert not isinstance(self._labels, str)
        labels = name_classes(list(self._labels), self._classes, "labels")
        return labels, {file.input.number: labels.found.index(self._labels[file.input.line]) for file in self._files}

    def _without_reading(self) -> Found:
        """Parts from entries and labels from files: nothing has to be read."""
        labels, positions = self._file_labels()
        values = np.array(labels.values, np.int64)
        events = [
            self._events(file, self._parts(file, 0, file.used, []), positions.get(file.input.number), values)
            for file in self._files
        ]
        return Found(labels, events, 0)

    def _events(
        self,
        file: File,
        parts: NDArray[np.uint8],
        labels: NDArray[np.uint16] | int | None,
        values: NDArray[np.int64],
    ) -> Events:
        return Events(file.input.number, file.input.path, file.tree, file.entries, parts, labels, values, self._reading)

    def _parts(self, file: File, start: int, stop: int, identifiers: list[NDArray[np.generic]]) -> NDArray[np.uint8]:
        return _rust.parts(self._seed, file.input.number, start, stop, self._split, identifiers)

    def _read(self, watcher: Watcher) -> None:
        """Make the one pass over all files: cut and scan them, and learn labels and parts where these take a branch."""
        column = LabelColumn(self._labels) if isinstance(self._labels, str) else None
        scanned: list[Specs] = []
        learned: list[tuple[NDArray[np.uint8], NDArray[np.int32]]] = []
        self._flows = []
        for file in self._files:
            learned.append(self._read_file(file, column, scanned, watcher))
        self._check_survivors()
        if self._found is None:
            self._found = self._with_labels(column, learned)
        if self._specs is None:
            self._specs = self._complete(Specs.merge(scanned))
            new = self._formulas.new_branches if self._formulas else {}
            if empty := [name for name in new if name in self._kept and self._specs.minv[name] is None]:
                note(f"new branches that have no finite value in any event: {', '.join(empty)}")

    def _read_file(
        self,
        file: File,
        column: LabelColumn | None,
        scanned: list[Specs],
        watcher: Watcher,
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Scan one file into ``scanned``, and return the parts and label positions of its events."""
        parts = np.full(file.used, CUT, np.uint8)
        positions = np.zeros(file.used if column else 0, np.int32)
        wanted = self._wanted(column)
        with self.watch.timed("reading"):
            source = open_again(self._events(file, parts, None, np.empty(0, np.int64)), self._threads)
        cutter = Cutter(source, self._formulas, self._threads)
        try:
            clusters = source.clusters([*wanted, *(self._formulas.cut_reads if self._formulas else [])], 0, file.used)
            # A file without events is scanned too: its branches have types.
            for start, stop in clusters or [(0, 0)]:
                with self.watch.timed("reading"):
                    columns, entries = cutter.read(wanted, start, stop)
                if len(entries) or start == stop:
                    self._learn(file, column, columns, entries, parts, positions)
                    if self._specs is None:
                        left_out = parts[entries] == LEFT_OUT
                        self._scan(file, columns, entries, ~left_out, scanned)
                if watcher:
                    watcher(stop - start)
        finally:
            self.watch.add_seconds(source.seconds)
            source.close()
        left_out = int(np.count_nonzero(parts == LEFT_OUT))
        flow = FileFlow(str(file.input), file.used, tuple(cutter.passed.tolist()), left_out)
        if flow.survived != np.count_nonzero(parts != CUT):
            raise AssertionError(f"{file.input.path}: {flow} does not fit the events that were kept")
        self._flows.append(flow)
        return parts, positions

    def _wanted(self, column: LabelColumn | None) -> list[str]:
        """The columns that the pass has to read besides those of cuts."""
        extra = [*self._identifier, *([column.branch] if column else [])] if self._found is None else []
        scanned = [*self._inputs, *(self._formulas.new_reads if self._formulas else [])] if self._specs is None else []
        return list(dict.fromkeys([*scanned, *extra]))

    def _learn(
        self,
        file: File,
        column: LabelColumn | None,
        columns: dict[str, Column],
        entries: NDArray[np.int64],
        parts: NDArray[np.uint8],
        positions: NDArray[np.int32],
    ) -> None:
        """Note parts and labels of the events that are not cut."""
        if not len(entries):
            return
        if self._identifier and self._found is None:
            identifiers = [_identifier(columns[name], name, file.input.path, entries) for name in self._identifier]
            parts[entries] = self._parts(file, 0, len(entries), identifiers)
        else:
            first = int(entries[0])
            parts[entries] = self._parts(file, first, int(entries[-1]) + 1, [])[entries - first]
        if self._found is not None:
            parts[entries] = self._found.events[file.input.number].parts[entries]
        elif column:
            positions[entries] = column.add(columns[column.branch], file.input.path, entries)
            parts[entries[positions[entries] == MISSING]] = LEFT_OUT

    def _scan(
        self,
        file: File,
        columns: dict[str, Column],
        entries: NDArray[np.int64],
        used: NDArray[np.bool_],
        scanned: list[Specs],
    ) -> None:
        """Scan the events that are used, new branches too, into ``scanned``."""
        if not used.all():
            columns, entries = keep_all(columns, used), entries[used]
        with self.watch.timed("scanning"):
            core = _rust.scan({name: columns[name] for name in self._inputs} or columns, self._threads)[0]
            if self._formulas is not None:
                try:
                    core = self._formulas.complete(core, columns, self._kept, self.preproc.hash, self._threads, entries)
                except ExpressionError as error:
                    raise ExpressionError(f"{file.input.path}: {error}") from None
            scanned.append(Specs(core))
        if len(scanned) > 1:
            scanned[:] = [Specs.merge(scanned)]

    def cutflow(self, watcher: Watcher = None) -> CutFlow:
        """Return what the cuts did to the events of every file."""
        self.found(watcher)
        cuts = tuple(self._formulas.cuts if self._formulas else ())
        return CutFlow(cuts, tuple(self._flows))

    def _check_survivors(self) -> None:
        """Raise where the cuts leave nothing, for all or for the files of one label."""
        if not self.preproc.cuts:
            return
        flow = CutFlow(tuple(self._formulas.cuts if self._formulas else ()), tuple(self._flows))
        if not flow.total.survived:
            raise ParamsError(f"no event passes the cuts:\n{flow.table()}")
        if not isinstance(self._labels, (str, type(None))):
            for label in dict.fromkeys(self._labels):
                pairs = zip(self._files, self._flows, strict=True)
                if not any(flow.survived for file, flow in pairs if self._labels[file.input.line] == label):
                    raise ParamsError(f"label {label!r} has no event that passes the cuts:\n{flow.table()}")

    def _with_labels(
        self, column: LabelColumn | None, learned: list[tuple[NDArray[np.uint8], NDArray[np.int32]]]
    ) -> Found:
        if column is None:
            labels, by_file = self._file_labels()
            values = np.array(labels.values, np.int64)
            events = [
                self._events(file, parts, by_file.get(file.input.number), values)
                for file, (parts, _) in zip(self._files, learned, strict=True)
            ]
            return Found(labels, events, 0)
        left_out = sum(int(np.count_nonzero(positions == MISSING)) for _, positions in learned)
        if not column.found:
            raise ParamsError(f"branch {column.branch!r}: no event has a label")
        if left_out:
            note(f"{left_out} events are left out, because their label in branch {column.branch!r} is missing")
        labels = name_classes(list(column.found), self._classes, f"branch {column.branch!r}")
        order, values = column.order(labels), np.array(labels.values, np.int64)
        small = np.uint8 if len(values) < 2**8 else np.int32
        events = [
            self._events(file, parts, order[positions].astype(small), values)
            for file, (parts, positions) in zip(self._files, learned, strict=True)
        ]
        return Found(labels, events, left_out)

    def _complete(self, specs: Specs) -> Specs:
        """The specs with entries and parts of each file."""
        assert self._found is not None
        entries: dict[str, int] = {}
        selected: dict[str, tuple[int, int, int]] = {}
        for file, events in zip(self._files, self._found.events, strict=True):
            name = str(file.input)
            counts = np.bincount(events.parts, minlength=CUT + 1).tolist()
            before = selected.get(name, (0, 0, 0))
            entries[name] = entries.get(name, 0) + file.used
            selected[name] = (counts[0] + before[0], counts[1] + before[1], counts[2] + before[2])
        return specs.with_files(entries, selected)


def _identifier(column: Column, name: str, path: str, entries: NDArray[np.int64]) -> NDArray[np.generic]:
    """The values of an identifier, which every event must have."""
    values, nulls = split_nulls(column)
    if nulls.any():
        entry = entries[int(np.argmax(nulls))]
        raise BranchError(f"{path}: identifier {name!r} is missing in entry {entry}; every event must have one")
    return values
