"""What is known of a dataset before its chunks are made: branches, labels, parts, specs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import keep_all
from mlaas4hep.dataset.badfiles import BadFiles
from mlaas4hep.dataset.checks import for_each
from mlaas4hep.dataset.cutflow import CutFlow, FileFlow, check_survivors
from mlaas4hep.dataset.files import (
    File,
    check_known,
    check_made_with,
    fingerprint,
    fitting,
    open_all,
    sentinels_of,
)
from mlaas4hep.dataset.found import Found
from mlaas4hep.dataset.labels import MISSING, LabelColumn, Labels, identifier_values, name_classes
from mlaas4hep.dataset.preprocess import Cutter, Schemas, compile_for, with_new
from mlaas4hep.dataset.stream import CUT, LEFT_OUT, LOST, Events, open_again
from mlaas4hep.dataset.wanted import Wanted
from mlaas4hep.dataset.watch import Watch
from mlaas4hep.errors import ExpressionError, ParamsError, SourceError, note
from mlaas4hep.inputs import Input
from mlaas4hep.sources import Column, choose_branches
from mlaas4hep.specs import Specs

__all__ = ["FirstPass"]

Watcher = Callable[[int], None] | None

BLOCK = 2**22
"""Events that are told their parts at once, which takes nine bytes of each."""


class FirstPass:
    """Opens every file, chooses branches, and learns the rest when it is asked for, in one pass over the files."""

    def __init__(self, inputs: Sequence[Input], wanted: Wanted, specs: Specs | None) -> None:
        self._wanted, self._labels, self._identifier = wanted, wanted.by_input, wanted.identifier
        if wanted.classes is not None and wanted.labels is None:
            raise ParamsError("classes are given, but no labels")
        self.bad = BadFiles(wanted.skip)
        schemas, self._files = open_all(inputs, wanted.nevts, wanted.reading, self.bad)
        self._choose(schemas, specs)
        self._flows: list[FileFlow] = []
        self.watch = Watch()
        self._found: Found | None = None
        self._known: dict[int, Events] = {}
        self._check_empty()
        # Where files may be skipped, what a scan finds of them counts.
        scans = wanted.skip and self._specs is None
        if wanted.label is None and not self._identifier and not self.preproc.cuts and not scans:
            self._found = self._without_reading()

    def _choose(self, schemas: Schemas, specs: Specs | None) -> None:
        """Choose the branches: inputs, and what formulas and cuts read of the files."""
        wanted, preproc, select = self._wanted, self._wanted.preproc, self._wanted.select
        self._sentinels = sentinels_of(wanted.sentinels, schemas, specs, wanted.label)
        self._formulas = compile_for(preproc, schemas, self._sentinels)
        new = self._formulas.new_branches if self._formulas else {}
        for what, name in [("labels", wanted.label), *(("identifier", name) for name in self._identifier)]:
            if name in new:
                raise ParamsError(f"{what}: {name!r} is a new branch; give a branch of the files")
        if specs is not None and specs.typed:
            check_made_with(specs, preproc)
        branches, schemas = schemas, with_new(schemas, self._formulas)
        if specs is not None and select is None and wanted.exclude is None:
            check_known(specs, schemas)
            select = [name for name in specs.branches if name not in new]
        if specs is not None and not specs.typed:
            note("the specs name no types, as those of the original MLaaS4HEP: the files are scanned again")
            specs = None
        choice = choose_branches(
            schemas,
            select,
            wanted.exclude,
            label=wanted.label,
            identifier=self._identifier,
            new=new,
            removed=preproc.removed,
            common=wanted.common,
        )
        if choice.note:
            note(choice.note)
        self._kept = [branch.name for branch in choice.inputs]
        self._inputs = [name for name in self._kept if name not in new]
        if excluded := sorted(set(new) - set(self._kept)):
            preproc = replace(preproc, removed=(*preproc.removed, *excluded))
            self._formulas = compile_for(preproc, branches, self._sentinels)
        self.preproc = preproc
        self._given = fitting(specs, choice.inputs, self._files) if specs is not None else None
        self._specs = self._given

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

    def take_specs(self, specs: Specs) -> None:
        """Take specs that this pass gave in another run, unless only a scan can tell which files are lost."""
        if not self.bad.skip:
            self._specs = specs

    def identity(self) -> dict[str, Any]:
        """Return what this pass finds follows from, as values of JSON."""
        wanted = self._wanted
        return {
            "files": [[*fingerprint(file, wanted.reading), file.used] for file in self._files],
            "branches": self._kept,
            **{name: getattr(wanted, name) for name in ("labels", "classes", "identifier", "split", "skip")},
            "formulas and cuts": self.preproc.to_dict(),
            "sentinels": self._sentinels,
            "specs": self._given.to_text() if self._given is not None else None,
            "reading": wanted.reading.key,
        }

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
        of_files = self._labels_of_files()
        for label in dict.fromkeys(self._labels or ()):
            files = [file for file, label_of in zip(self._files, of_files, strict=True) if label_of == label]
            if not files:
                raise ParamsError(f"label {label!r} has no events: its files were skipped: {self.bad}")
            if not any(file.used for file in files):
                names = ", ".join(str(file.input) for file in files)
                raise ParamsError(f"label {label!r} has no events; its files: {names}")

    def _labels_of_files(self) -> list[int | str | None]:
        """The label of each file, None where it has none of its own."""
        return [None if self._labels is None else self._labels[file.input.line] for file in self._files]

    def _file_labels(self) -> tuple[Labels, dict[int, int]]:
        """The labels of whole files, and the position of each file's."""
        if self._labels is None:
            return Labels([], [], []), {}
        of_files = [label for label in self._labels_of_files() if label is not None]
        labels = name_classes(of_files, self._wanted.classes, "labels")
        pairs = zip(self._files, of_files, strict=True)
        return labels, {file.input.number: labels.found.index(label) for file, label in pairs}

    def _without_reading(self) -> Found:
        """Parts from entries and labels from files: nothing has to be read."""
        labels, positions = self._file_labels()
        values = np.array(labels.values, np.int64)
        events = [
            self._events(file, self._parts_of_all(file), positions.get(file.input.number), values)
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
        return Events(
            file.input.number,
            file.input.path,
            file.tree,
            file.entries,
            file.state,
            parts,
            labels,
            values,
            str(file.input),
            self._wanted.reading,
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

    def _read(self, watcher: Watcher) -> None:
        """Make the one pass over all files: cut and scan them, and learn labels and parts where these take a branch."""
        label = self._wanted.label
        column = LabelColumn(label, self._sentinels.get(label, ())) if label is not None else None
        scanned: list[Specs] = []
        learned: list[tuple[NDArray[np.uint8], NDArray[np.int32]]] = []
        self._flows = []
        self._known = {events.number: events for events in self._found.events} if self._found else {}
        for file in self._files:
            learned.append(self._read_or_skip(file, column, scanned, watcher))
        check_survivors(CutFlow(self._cuts, tuple(self._flows)), self._labels_of_files(), self.bad)
        if self._found is None:
            self._found = self._with_labels(column, learned)
        if self._specs is None:
            self._specs = self._complete(Specs.merge(scanned))
            new = self._formulas.new_branches if self._formulas else {}
            if empty := [name for name in new if name in self._kept and self._specs.minv[name] is None]:
                note(f"new branches that have no finite value in any event: {', '.join(empty)}")

    def _read_or_skip(
        self, file: File, column: LabelColumn | None, scanned: list[Specs], watcher: Watcher
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Read a file; of one that cannot be read, and may be skipped, nothing is left."""
        before, labels = list(scanned), dict(column.found) if column else {}
        try:
            return self._read_file(file, column, scanned, watcher)
        except SourceError as error:
            self.bad.add(str(file.input), error, file.used)
        scanned[:] = before
        if column:
            column.found = labels
        self._flows.append(FileFlow(str(file.input), 0, tuple(0 for _ in self._cuts)))
        path, labelled = file.input.path, file.used if column else 0
        return for_each(path, file.used, LOST, np.uint8), for_each(path, labelled, 0, np.int32)

    def _read_file(
        self,
        file: File,
        column: LabelColumn | None,
        scanned: list[Specs],
        watcher: Watcher,
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Scan one file into ``scanned``, and return the parts and label positions of its events."""
        parts = for_each(file.input.path, file.used, CUT, np.uint8)
        positions = for_each(file.input.path, file.used if column else 0, 0, np.int32)
        wanted = self._columns(column)
        with self.watch.timed("reading"):
            threads, reading = self._wanted.threads, self._wanted.reading
            source = open_again(file.input.path, file.tree, file.entries, file.state, threads, reading)
        cutter = Cutter(source, self._formulas, threads)
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

    def _columns(self, column: LabelColumn | None) -> list[str]:
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
            identifiers = [
                identifier_values(columns[name], name, file.input.path, entries) for name in self._identifier
            ]
            parts[entries] = self._parts(file, 0, len(entries), identifiers)
        else:
            first = int(entries[0])
            parts[entries] = self._parts(file, first, int(entries[-1]) + 1, [])[entries - first]
        if self._found is not None:
            parts[entries] = self._known[file.input.number].parts[entries]
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
            inputs = {name: columns[name] for name in self._inputs} or columns
            core = _rust.scan(inputs, self._wanted.threads, self._sentinels)[0]
            if self._formulas is not None:
                try:
                    kept, name, threads = self._kept, self.preproc.hash, self._wanted.threads
                    core = self._formulas.complete(core, columns, kept, name, threads, entries)
                except ExpressionError as error:
                    raise ExpressionError(f"{file.input.path}: {error}") from None
            scanned.append(Specs(core))
        if len(scanned) > 1:
            scanned[:] = [Specs.merge(scanned)]

    def cutflow(self, watcher: Watcher = None) -> CutFlow:
        """Return what the cuts did to the events of every file."""
        self.found(watcher)
        return CutFlow(self._cuts, tuple(self._flows))

    @property
    def _cuts(self) -> tuple[str, ...]:
        return tuple(self._formulas.cuts if self._formulas else ())

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
        labels = name_classes(list(column.found), self._wanted.classes, f"branch {column.branch!r}")
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
            if events.lost:
                continue
            counts = np.bincount(events.parts, minlength=CUT + 1).tolist()
            before = selected.get(name, (0, 0, 0))
            entries[name] = entries.get(name, 0) + file.used
            selected[name] = (counts[0] + before[0], counts[1] + before[1], counts[2] + before[2])
        bad = {bad.file: (bad.reason, bad.lost) for bad in self.bad.found.values()}
        return specs.with_files(entries, selected).with_bad_files(bad)
