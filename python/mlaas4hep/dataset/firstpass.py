"""What is known of a dataset before its chunks are made: branches, labels, parts, specs."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlaas4hep.dataset.badfiles import BadFiles
from mlaas4hep.dataset.cache import Cached, Reader
from mlaas4hep.dataset.cutflow import CutFlow, FileFlow, check_survivors
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
from mlaas4hep.dataset.found import Found
from mlaas4hep.dataset.learning import Learned, Learner
from mlaas4hep.dataset.ledger import Account, accounts_of
from mlaas4hep.dataset.memory import event_bytes, piece_entries
from mlaas4hep.dataset.preprocess import Cutter, Schemas, compile_for, with_new
from mlaas4hep.dataset.scanning import Scanner
from mlaas4hep.dataset.stream import open_again
from mlaas4hep.dataset.wanted import Wanted
from mlaas4hep.dataset.watch import Watch
from mlaas4hep.errors import ParamsError, SourceError, note
from mlaas4hep.inputs import Input
from mlaas4hep.plan import Plan
from mlaas4hep.sources import choose_branches, list_trees
from mlaas4hep.specs import Specs

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
        self.bad = BadFiles(wanted.skip)
        schemas, self._files = open_all(inputs, wanted.nevts, wanted.reading, self.bad)
        self._choose(schemas, specs)
        self._flows: list[FileFlow] = []
        self.watch = Watch()
        self._found: Found | None = None
        self._check_empty()
        self._learner = Learner(wanted, self._files, self._labels_of_files(), self._sentinels)
        self._keeper = self._keeper_in(cache) if cache is not None else None
        self._gone_over: set[int] = set()
        # Where files may be skipped, what a scan finds of them counts.
        scans = wanted.skip and self._specs is None
        if not self._learner.columns and not self.preproc.cuts and not scans:
            self._found = self._learner.without_reading()

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

    def _read(self, watcher: Watcher) -> None:
        """Make the one pass over all files: cut and scan them, and learn labels and parts where these take a branch."""
        scanner = None
        if self._specs is None:
            inputs, kept, threads = self._inputs, self._kept, self._wanted.threads
            scanner = Scanner(inputs, kept, self.preproc, self._formulas, self._sentinels, threads)
        self._flows = []
        learned = [self._read_or_skip(file, scanner, watcher) for file in self._files]
        check_survivors(CutFlow(self._cuts, tuple(self._flows)), self._labels_of_files(), self.bad)
        if self._found is None:
            self._found = self._learner.found(learned)
        self.accounts()  # whose sums must agree
        if scanner is not None:
            self._specs = self._complete(scanner.specs())

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
        with self._reader(file) as reader:
            for start, stop in reader.clusters(wanted, file.used):
                with self.watch.timed("reading"):
                    columns, entries = reader.read(wanted, start, stop)
                if len(entries) or start == stop:
                    used = self._learner.learn(file, columns, entries, learned)
                    if scanner is not None:
                        with self.watch.timed("scanning"):
                            scanner.scan(file, columns, entries, used)
                if watcher:
                    watcher(stop - start)
        self._flows.append(self._flow(file, reader, learned))
        return learned

    @contextmanager
    def _reader(self, file: File) -> Generator[Reader]:
        """Give what reads a file: from the cache where it is kept, and otherwise it is kept there, if there is one."""
        self._gone_over.add(file.input.number)
        kept = self._keeper.open(file) if self._keeper else None
        if kept is not None:
            yield kept
            return
        with self.watch.timed("reading"):
            threads, reading = self._wanted.threads, self._wanted.reading
            source = open_again(file.input.path, file.tree, file.entries, file.state, threads, reading)
        cutter = Cutter(source, self._formulas, threads)
        try:
            if self._keeper is None:
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
        columns = list(dict.fromkeys([*self._inputs, *new, *self._learner.columns]))
        return Keeper(cache, self._wanted, self.preproc, self._formulas, self._sentinels, columns)

    def cached(self, plan: Plan) -> Cached | None:
        """Return what a pass takes from the cache; files that no pass has gone over so far are read into it first."""
        if self._keeper is None:
            return None
        keeper, files = self._keeper, {file.input.number: file for file in self._files}
        for events in self.found().events:
            if events.number in self._gone_over or events.lost:
                continue
            # What cannot be read the pass over chunks finds out, too.
            with suppress(SourceError), self._reader(files[events.number]) as reader, self.watch.timed("reading"):
                for start, stop in reader.clusters([], len(events.parts)):
                    reader.read([], start, stop)
        return Cached(plan.computed(), lambda number: keeper.open(files[number]))

    def pieces(self, plan: Plan) -> dict[int, int]:
        """Return for each file, by its number, what the columns of its largest piece (basket, row group) take."""
        names, found = [*plan.reads, *plan.cut_reads], {}
        events = sum(int(np.count_nonzero(one.parts < CUT)) for one in self.found().events)
        each = event_bytes(self.specs(), names, events)
        for file in self._files:
            entries = 0
            with suppress(SourceError):  # what cannot be read the pass finds out, too
                trees = list_trees(file.input.path, self._wanted.reading)
                entries = max(piece_entries(tree, names) for tree in trees if tree.name == file.tree)
            found[file.input.number] = round(each * min(entries, file.used))
        return found

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

    @property
    def _cuts(self) -> tuple[str, ...]:
        return tuple(self._formulas.cuts if self._formulas else ())

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
