"""What is known of a dataset before its chunks are made: branches, labels, parts, specs."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset.badfiles import BadFiles
from mlaas4hep.dataset.cache import Cached, Reader
from mlaas4hep.dataset.cutflow import CutFlow, FileFlow, check_survivors, with_dropped
from mlaas4hep.dataset.events import CUT, LEFT_OUT
from mlaas4hep.dataset.files import (
    File,
    check_known,
    check_made_with,
    fingerprint,
    fitting,
    open_all,
    sentinels_of,
)
from mlaas4hep.dataset.folding import Folding, counted, fold
from mlaas4hep.dataset.found import Found
from mlaas4hep.dataset.known import changed_files, others, parts_of, unchanged
from mlaas4hep.dataset.learned import Learned
from mlaas4hep.dataset.learning import Learner
from mlaas4hep.dataset.ledger import Account, accounts_of
from mlaas4hep.dataset.memory import pieces_of
from mlaas4hep.dataset.preprocess import Cutter, Schemas, See, compile_for, with_new
from mlaas4hep.dataset.quantities import FOLDS, Quantities, Quantity, quantity_of
from mlaas4hep.dataset.scanning import Scanner
from mlaas4hep.dataset.stream import open_again
from mlaas4hep.dataset.wanted import Wanted
from mlaas4hep.dataset.watch import Watch
from mlaas4hep.dataset.weighing import check_lines
from mlaas4hep.errors import ParamsError, SourceError, note
from mlaas4hep.grouping import Groups, by_counter
from mlaas4hep.inputs import Input
from mlaas4hep.plan import Plan
from mlaas4hep.sources import Branch, Column, Source, choose_branches
from mlaas4hep.specs import FilePart, Specs

if TYPE_CHECKING:
    from mlaas4hep.dataset.cache.folder import Cache
    from mlaas4hep.dataset.cache.keeper import Keeper

__all__ = ["FirstPass"]

Watcher = Callable[[int], None] | None


class FirstPass:
    """Opens every file, chooses branches, and learns the rest when it is asked for, in one pass over the files."""

    def __init__(
        self, inputs: Sequence[Input], wanted: Wanted, specs: Specs | None, cache: "Cache | None" = None
    ) -> None:
        self._wanted, self._labels, self._identifier = wanted, wanted.by_input, wanted.identifier
        if wanted.classes is not None and wanted.labels is None:
            raise ParamsError("classes are given, but no labels")
        check_lines(wanted.weights, inputs)
        self.bad = BadFiles(wanted.skip)
        schemas, self._files = open_all(inputs, wanted.nevts, wanted.reading, self.bad)
        self._choose(schemas, specs)
        self._flows: list[FileFlow] = []
        self.watch = Watch()
        self._found: Found | None = None
        self._fold: list[object] = []
        self._check_empty()
        self._learner = Learner(wanted, self._files, self._labels_of_files(), self._quantities)
        self._keeper = self._keeper_in(cache) if cache is not None else None
        self._gone_over: set[int] = set()
        # Where files may be skipped, what a scan finds of them counts.
        scans = wanted.skip and self._specs is None
        if not self._learner.columns and not self.preproc.cuts and not scans:
            self._found = self._learner.without_reading()

    def _choose(self, schemas: Schemas, specs: Specs | None) -> None:
        """Choose the branches: inputs, and what formulas and cuts read of the files."""
        wanted, preproc, select = self._wanted, self._wanted.preproc, self._wanted.select
        self._sentinels = sentinels_of(wanted.sentinels, schemas, specs)
        self._formulas = compile_for(preproc, schemas, self._sentinels)
        new = self._formulas.new_branches if self._formulas else {}
        for name in self._identifier:
            if name in new:
                raise ParamsError(f"identifier: {name!r} is a new branch; give a branch of the files")
        self._schemas = schemas
        self._quantities = Quantities.of(wanted, schemas, self._sentinels)
        alone = self._quantities.alone
        made = {branch.name for branch in preproc.new_branches}
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
            alone={name: role for name, role in alone.items() if name not in made},
            identifier=self._identifier,
            new=new,
            removed=[*preproc.removed, *(made & set(alone))],
            common=wanted.common,
        )
        if choice.note:
            note(choice.note)
        self._kept = [branch.name for branch in choice.inputs]
        self._counters = {branch.name: branch.counted_by for branch in choice.inputs if branch.kind == "jagged"}
        self._inputs = [name for name in self._kept if name not in new]
        if excluded := sorted(set(new) - set(self._kept)):
            preproc = replace(preproc, removed=(*preproc.removed, *excluded))
            self._formulas = compile_for(preproc, branches, self._sentinels)
        self.preproc = preproc
        self._cuts = tuple(self._formulas.cuts if self._formulas else ())
        self._given: Specs | None = None
        self._known: dict[str, Specs] = {}
        self._parts: dict[str, FilePart] = {}
        self._rescanned: list[File] | None = None
        self._specs = None if specs is None else self._take_given(specs, choice.inputs)

    def _take_given(self, specs: Specs, inputs: Sequence[Branch]) -> Specs | None:
        """Return given specs as those of the inputs; None where files changed since, which are to be scanned."""
        changed = changed_files(specs, self._files, self._wanted.reading)
        self._given = fitting(specs, inputs, [file for file in self._files if file not in changed])
        if not changed:
            return self._given
        self._known, self._rescanned = others(self._given, changed), changed
        self._parts = {name: self._given.parts[name] for name in self._known}
        names = ", ".join(str(file.input) for file in changed)
        note(f"changed since the specs were made, and scanned again: {names}")
        return None

    def reuse(self, specs: Specs) -> list[str]:
        """Take what earlier specs know of files that did not change, and return their names; others will be scanned."""
        if self._specs is None and self._given is None:
            self._known = unchanged(specs, self._files, self._wanted, self._kept)
            self._rescanned = [file for file in self._files if str(file.input) not in self._known]
            self._parts = {name: specs.parts[name] for name in self._known}
        return list(self._known)

    @property
    def entries(self) -> int:
        """Number of events that are used."""
        return sum(file.used for file in self._files)

    @property
    def targets(self) -> Sequence[str]:
        """What a regression learns."""
        return self._wanted.targets

    def collections(self) -> Groups:
        """Return the jagged inputs that are one collection, as the files tell."""
        return by_counter(self._counters)

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
            **{name: getattr(wanted, name) for name in ("labels", "classes", "identifier", "targets", "skip")},
            "split": wanted.split_by.to_dict() if wanted.split_by else wanted.split,
            "weights": wanted.weights.to_dict(),
            "fold": self._fold,
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

    def _read(self, watcher: Watcher) -> None:
        """Make the one pass over all files: cut and scan them, and learn labels and parts where these take a branch."""
        scanner = None
        if self._specs is None:
            inputs, kept, threads = self._inputs, self._kept, self._wanted.threads
            scanner = Scanner(inputs, kept, self.preproc, self._formulas, self._sentinels, threads)
        self._flows = []
        again = self._files if self._rescanned is None else self._rescanned
        learned = [self._read_or_skip(file, scanner if file in again else None, watcher) for file in self._files]
        check_survivors(CutFlow(self._cuts, tuple(self._flows)), self._labels_of_files(), self.bad)
        if self._found is None:
            self._found = self._learner.found(learned)
        self._flows = [with_dropped(*pair) for pair in zip(self._flows, self._found.events, strict=True)]
        self.accounts()  # whose sums must agree
        if scanner is not None:
            self._specs = self._complete(scanner)

    def _read_or_skip(self, file: File, scanner: Scanner | None, watcher: Watcher) -> Learned:
        """Read a file; of one that cannot be read, and may be skipped, nothing is left."""
        try:
            return self._read_file(file, scanner, watcher)
        except SourceError as error:
            self.bad.add(str(file.input), error, file.used)
        if scanner is not None:
            scanner.drop(file)
        self._flows.append(FileFlow(str(file.input), 0, tuple(0 for _ in self._cuts)))
        return self._learner.drop(file)

    def _read_file(self, file: File, scanner: Scanner | None, watcher: Watcher) -> Learned:
        """Scan one file, and return what was learned of its events."""
        learned = self._learner.begin(file)
        extra = self._learner.columns if self._found is None else []
        wanted = list(dict.fromkeys([*(scanner.columns if scanner else []), *extra]))
        if scanner is None and not wanted and not self._cuts:
            learned = self._learner.unread(file)
            self._flows.append(FileFlow(str(file.input), file.used, ()))
            return learned
        with self._reader(file, partial(self._learner.learn_all, file, learned=learned)) as reader:
            for start, stop in reader.clusters(wanted, file.used):
                with self.watch.timed("reading"):
                    columns, entries = reader.read(wanted, start, stop)
                if len(entries) or start == stop:
                    used = self._learner.learn(file, columns, entries, learned)
                    if scanner is not None:
                        with self.watch.timed("scanning"):
                            weights = self._learner.scan_weights(entries, learned)
                            scanner.scan(file, columns, entries, used, weights)
                if watcher:
                    watcher(stop - start)
        self._learner.finish(file, lambda: closing(self._open(file)), learned)
        self._flows.append(self._flow(file, reader, learned))
        return learned

    def _open(self, file: File) -> Source:
        threads, reading = self._wanted.threads, self._wanted.reading
        return open_again(file.input.path, file.tree, file.entries, file.state, threads, reading)

    @contextmanager
    def _reader(self, file: File, see: See) -> Generator[Reader]:
        """Give what reads a file: the cache where that keeps it; else it is kept, save what is seen before cuts."""
        self._gone_over.add(file.input.number)
        kept = self._keeper.open(file) if self._keeper else None
        if kept is not None and not self._learner.before_cuts:
            yield kept
            return
        with self.watch.timed("reading"):
            source = self._open(file)
        cutter = Cutter(source, self._formulas, self._wanted.threads, self._learner.before_cuts, see)
        try:
            if self._keeper is None or kept is not None:
                yield cutter
            else:
                with self._keeper.keeping(file, cutter) as keeping:
                    yield keeping
        finally:
            self.watch.add_seconds(source.seconds)
            source.close()

    def _keeper_in(self, cache: "Cache") -> "Keeper":
        """What keeps the columns that this pass can read of a file."""
        from mlaas4hep.dataset.cache.keeper import Keeper

        new = self._formulas.new_reads if self._formulas else []
        columns = [*self._inputs, *new, *self._learner.columns]
        return Keeper(cache, self._wanted, self.preproc, self._formulas, self._sentinels, columns)

    def cached(self, plan: Plan) -> Cached | None:
        """Return what a pass takes from the cache; files that no pass has gone over so far are read into it first."""
        if self._keeper is None:
            return None
        self._fill()
        keeper, files = self._keeper, {file.input.number: file for file in self._files}
        return Cached(plan.computed(), lambda number: keeper.open(files[number]))

    def _fill(self) -> None:
        """Read files that no pass has gone over so far into the cache, if there is one."""
        files = {file.input.number: file for file in self._files if self._keeper is not None}
        for events in self.found().events if files else ():
            if events.number in self._gone_over or events.lost:
                continue
            # What cannot be read the pass over chunks finds out, too.
            with suppress(SourceError), self._reader(files[events.number], _unseen) as reader:
                for start, stop in reader.clusters([], len(events.parts)):
                    with self.watch.timed("reading"):
                        reader.read([], start, stop)

    def pieces(self, plan: Plan) -> dict[int, int]:
        """Return for each file, by its number, what the columns of its largest piece (basket, row group) take."""
        return pieces_of(self._files, self.found(), self.specs(), plan, self._wanted.reading)

    def _flow(self, file: File, reader: Reader, learned: Learned) -> FileFlow:
        """What became of the events of a file."""
        left_out = int(np.count_nonzero(learned.parts == LEFT_OUT))
        return FileFlow(str(file.input), file.used, tuple(reader.passed.tolist()), left_out)

    def accounts(self, watcher: Watcher = None) -> tuple[Account, ...]:
        """Return what became of the events of every file; ``LedgerError`` where the sums do not agree."""
        return accounts_of(self._files, self.found(watcher).events, self._flows)

    def cutflow(self, watcher: Watcher = None) -> CutFlow:
        """Return what the cuts did to the events of every file."""
        self.found(watcher)
        return CutFlow(self._cuts, tuple(self._flows))

    def folds(self, number: int, by: str | None, watcher: Watcher = None) -> list["FirstPass"]:
        """Return passes that found the same events, each with another fold as test part."""
        found, specs, bad = self.found(watcher), self.specs(watcher), self.bad
        folding = Folding.of(self._wanted, number, self._quantity_of(by), len(found))
        assigned = [folding.assign(*pair, bad) for pair in zip(self._files, found.events, strict=True)]
        return [self._of_fold(fold(found, assigned, index), specs, [number, index, by]) for index in range(number)]

    def _quantity_of(self, by: str | None) -> Quantity | None:
        """What folds follow from, if that is no hash."""
        wanted = self._wanted
        if by is None:
            return None
        return quantity_of(FOLDS, by, wanted.preproc, self._schemas, self._sentinels, wanted.threads)

    def _of_fold(self, found: Found, specs: Specs, identity: list[object]) -> "FirstPass":
        """This pass, had it found these events."""
        other = copy(self)
        other._found, other._fold = found, identity
        other.bad = BadFiles(self.bad.skip, dict(self.bad.found))
        if self._given is None:
            entries = {name: count for name, count in specs.events.items() if name != "total"}
            other._specs = specs.with_files(entries, counted(found))
        return other

    def __copy__(self) -> "FirstPass":
        other = object.__new__(FirstPass)
        other.__dict__.update(self.__dict__)
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Return what was found, which takes no formulas any more."""
        self.found()
        self.specs()
        self._fill()
        return {**self.__dict__, "_formulas": None}

    def _complete(self, scanner: Scanner) -> Specs:
        """The specs with entries and parts of each file."""
        assert self._found is not None
        specs = scanner.specs(self._known.values())
        before = self._given
        entries = {name: count for name, count in before.events.items() if name in self._known} if before else {}
        selected = {name: parts for name, parts in before.selected.items() if name in self._known} if before else {}
        for file, events in zip(self._files, self._found.events, strict=True):
            name = str(file.input)
            if events.lost or (before and file.input.number not in scanner.of_files):
                continue
            counts = np.bincount(events.parts, minlength=CUT + 1).tolist()
            earlier = selected.get(name, (0, 0, 0))
            entries[name] = entries.get(name, 0) + file.used
            selected[name] = (counts[0] + earlier[0], counts[1] + earlier[1], counts[2] + earlier[2])
        bad = {bad.file: (bad.reason, bad.lost) for bad in self.bad.found.values()}
        parts = self._parts | parts_of(self._files, scanner.of_files, self._wanted)
        return specs.with_files(entries, selected).with_bad_files(bad).with_parts(parts)


def _unseen(columns: Mapping[str, Column], entries: NDArray[np.int64]) -> None:
    """Do nothing with columns before cuts."""
