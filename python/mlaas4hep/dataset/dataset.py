"""Events of many files as chunks for training: sources, schedule and plan together, read ahead."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any, Unpack

import numpy as np

from mlaas4hep.dataset.badfiles import BadFile
from mlaas4hep.dataset.checks import (
    PARTS,
    cache_in,
    given_specs,
    names_of,
    naming,
    part_number,
    skips,
    targets_of,
    whole,
)
from mlaas4hep.dataset.chunk import Chunk
from mlaas4hep.dataset.cutflow import CutFlow
from mlaas4hep.dataset.events import DROPPED
from mlaas4hep.dataset.firstpass import FirstPass
from mlaas4hep.dataset.folds import Folds
from mlaas4hep.dataset.found import Found
from mlaas4hep.dataset.ledger import Ledger
from mlaas4hep.dataset.passing import Passes
from mlaas4hep.dataset.tally import Tally
from mlaas4hep.dataset.wanted import Wanted
from mlaas4hep.dataset.watch import Watch
from mlaas4hep.errors import note
from mlaas4hep.inputs import Files, Input, pair_labels, resolve
from mlaas4hep.plan import Plan
from mlaas4hep.planoptions import PlanOptions, checked, plain
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Given
from mlaas4hep.sources import Reading, find
from mlaas4hep.specs import Specs
from mlaas4hep.splits import SplitBy, split_of
from mlaas4hep.tensors import MATRIX
from mlaas4hep.threads import resolve_threads
from mlaas4hep.weights import Weights

__all__ = ["PARTS", "Chunk", "Dataset"]


class Dataset(Passes):
    """Events of one or more files, with labels, split into parts, as chunks for training.

    Parameters
    ----------
    files
        Paths, globs and URLs (``root://``, ``https://``, ``s3://`` ...), each with an optional ``:tree``; a mapping of
        them to their trees; or the name of a list file, or a text with commas.
    labels
        A list with an integer or a class name for each input, or the name of the branch that holds the label
        (integers, bools, whole floats or strings), or a formula that gives it, such as ``"nLeptons >= 2"``. Events
        whose label is missing are left out and counted.
    targets
        Branches or formulas, flat, that a regression learns: one, or a list. Events of which one is missing are left
        out and counted.
    weights
        What events weigh: a branch or formula, a list with a number for each input, ``"balanced"``, or
        :class:`Weights` or a dict like them.
    tree
        Name of the tree for inputs that name none; not needed where a file holds only one.
    select, exclude
        Names or globs of the branches to use or to leave out: a list, a text with commas, or a text file with a name
        a line. Counters are inputs only where ``select`` names them.
    identifier
        Branches that identify an event: they decide its part in place of its entry, and are no inputs.
    preproc
        Formulas and cuts: a ``Preprocessing``, the path of a ``preproc.json``, or a dict like one. New branches are
        inputs like others; events that do not pass the cuts are not used.
    specs
        ``Specs`` or the path of a ``specs.json`` to use instead of scanning the files; refused where they do not fit.
        Files that changed since they were made are scanned again, which a note says.
    classes
        Names of the classes in order; by default the sorted names, or the integers.
    split
        Fractions of train, validation and test, or parts by the values of a branch or formula:
        ``{"by": "evtNo % 5", "validation": [3], "test": [4]}``, where the rest is train; with ``identifier`` two
        events of a file that have the same are not in two parts, which is checked.
    seed
        Every random choice follows from it.
    nevts
        Events to use in all, the first ones of each file in proportion to its size; -1: all.
    max_open
        Up to so many files are open at a time; more are read as chains.
    threads
        Threads to use; ``None``: the variable ``MLAAS4HEP_NUM_THREADS``, else the CPUs that the process may use.
    redirector
        A URL behind which files are looked for that do not exist here.
    sentinels
        Numbers that stand for a missing value: a number or several for all branches, or such by names and globs, as in
        ``{"DER_*": -999}``. An integer must equal a sentinel, a float may also equal it rounded to float32. Labels
        of a branch are missing where they are one, too; identifiers stay as they are.
    common_branches
        Use the branches that all files have, flat in all or jagged in all, and list the others in a note; otherwise
        a branch that a file lacks is an error.
    on_bad_file
        ``"error"``, or ``"skip"``: a file that cannot be opened or read is left out and listed in ``bad_files``.
    reading
        How files are read: a :class:`Reading`, or a dict of its values.
    cache
        A folder in which the columns that the first pass reads are kept, with new branches, of the events that pass
        the cuts: later passes and later runs map them and only flatten. What is kept of a file that has changed, or
        of other branches, formulas or cuts, is not used. Processes may share it.
    cache_limit
        Bytes that the folder may hold, as a number or as ``"20 GB"``: what was not used for longest makes room.
    options
        How values are normalised, padded and laid out: :class:`~mlaas4hep.planoptions.PlanOptions` lists them all.
        Jagged branches with one counter, or fields of one record, are one collection, unless others are declared.

    A branch that stands alone as label, target, weight or split is no input; branches in formulas of these are inputs
    like others, unless they are excluded.

    Raises
    ------
    SourceError, BranchError, ParamsError, SpecsError, ExpressionError
        The input is wrong; the message says what, where, and what would be right.

    Examples
    --------
    >>> import mlaas4hep
    >>> from importlib.resources import files
    >>> sample = files("mlaas4hep") / "sample"
    >>> paths = [f"{sample}/ttH.root", f"{sample}/ttbar.root"]
    >>> dataset = mlaas4hep.Dataset(paths, labels=[1, 0], exclude=["genWeight"])
    >>> chunk = next(dataset.chunks(1000, part="train"))
    >>> chunk.data.shape, chunk.labels.shape, str(chunk.labels.dtype)
    ((1000, 171), (1000,), 'int64')
    """

    def __init__(
        self,
        files: Files,
        labels: Sequence[int] | Sequence[str] | str | None = None,
        *,
        tree: str | None = None,
        select: str | Iterable[str] | None = None,
        exclude: str | Iterable[str] | None = None,
        identifier: str | Sequence[str] = (),
        preproc: object = None,
        specs: Specs | str | os.PathLike[str] | None = None,
        classes: Sequence[str] | None = None,
        targets: str | Sequence[str] = (),
        weights: Weights | Mapping[str, Any] | Sequence[float] | str | None = None,
        split: tuple[float, float, float] | SplitBy | Mapping[str, Any] = (0.64, 0.16, 0.2),
        seed: int = 21,
        nevts: int = -1,
        max_open: int = 128,
        threads: int | None = None,
        redirector: str = "",
        sentinels: Given = None,
        common_branches: bool = False,
        on_bad_file: str = "error",
        reading: Reading | Mapping[str, Any] | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_limit: int | str = "20 GB",
        **options: Unpack[PlanOptions],
    ) -> None:
        self._options = checked(options, "Dataset", Dataset.__init__.__kwdefaults__ or ())
        self.preproc = Preprocessing.of(preproc)
        self._seed = whole("seed", seed, 0, 2**64 - 1)
        self._max_open = whole("max_open", max_open, 1, 2**31)
        self._threads = resolve_threads(threads)
        reading = Reading.of(reading)
        self.inputs: list[Input] = resolve(files, tree, redirector, partial(find, reading=reading))
        lines = self.inputs[-1].line + 1
        given = given_specs(specs)
        with naming(specs):
            wanted = Wanted(
                labels if labels is None or isinstance(labels, str) else pair_labels(labels, lines),
                select,
                exclude,
                identifier=names_of(identifier),
                classes=classes,
                targets=targets_of(targets),
                weights=Weights.of(weights),
                split=split_of(split),
                seed=self._seed,
                nevts=nevts if nevts == -1 else whole("nevts", nevts, 1, 2**63),
                threads=self._threads,
                preproc=self.preproc,
                sentinels=sentinels,
                common=bool(common_branches),
                skip=skips(on_bad_file),
                reading=reading,
            )
            self._first_pass = FirstPass(self.inputs, wanted, given, cache_in(cache, cache_limit))
        self._plan: Plan | None = None
        self._watches = [self._first_pass.watch]
        self._tallies: list[Tally] = []
        self._told: set[int | None] = set()
        self.on_events: Callable[[int], None] | None = None
        if len(self.inputs) > self._max_open:
            chains = "the files of one label" if labels is not None and not isinstance(labels, str) else "they"
            note(
                f"{len(self.inputs)} files are more than may be open at a time (max_open is {max_open}): {chains} are "
                "read one after the other, so a chunk does not hold events of every file"
            )

    @property
    def _found(self) -> Found:
        return self._first_pass.found(self.on_events)

    def specs(self) -> Specs:
        """Return the specs of all files; the first call scans them, once, unless specs were given."""
        return self._first_pass.specs(self.on_events)

    def take_specs(self, specs: Specs) -> None:
        """Use what :meth:`specs` of a dataset of equal :meth:`identity` returned, instead of scanning again.

        Where files may be skipped they are scanned again, which finds out those that cannot be read.
        """
        self._first_pass.take_specs(specs)

    def reuse(self, specs: Specs) -> list[str]:
        """Take from earlier specs what they know of files that did not change since; returns the names of these.

        The other files are scanned by :meth:`specs`, as are those of which other events were used, or whose specs
        were made with other formulas, cuts, sentinels, labels or branches. Specs given to the dataset stay as they are.
        """
        return self._first_pass.reuse(specs)

    def identity(self) -> dict[str, Any]:
        """Return what chunks follow from besides the arguments of :meth:`chunks`, as values of JSON.

        Datasets of equal identity give the same specs, and bit for bit the same chunks. Files count with path, tree,
        entries, size and what else tells a changed one.
        """
        ours = {"seed": self._seed, "open files": self._max_open, "plan": plain(self._options)}
        return {**self._first_pass.identity(), **ours}

    @property
    def plan(self) -> Plan:
        """The plan that every chunk is made with, compiled from the specs."""
        if self._plan is None:
            self._plan = self._plan_of(self._options)
        return self._plan

    def _plan_of(self, options: PlanOptions) -> Plan:
        return Plan.finding(self.specs(), self._first_pass.preproc, options, self._first_pass.collections)

    def unnormalised(self) -> "Dataset":
        """Return this dataset with a plan that leaves values as they are, but for rounding them to float32."""
        other = copy(self)
        names = self.plan.branches  # by name, since new branches may have a rule of their own
        other._plan = self._plan_of({**self._options, "normalize": dict.fromkeys(names, "none")})
        return other

    def as_matrix(self) -> "Dataset":
        """Return this dataset with all values in the matrix, as many of each branch as the layout has."""
        if self.plan.layout == MATRIX:
            return self
        other, matrix = copy(self), {"layout": MATRIX, "images": None, "widths": self.plan.widths}
        other._options, other._plan = checked({**self._options, **matrix}, "Dataset"), None
        return other

    def folds(self, number: int, by: str | None = None) -> Folds:
        """Return as many datasets, in each of which other events are the test part: every event is in one of these.

        The other events of a fold are train and validation, in the proportion that these have in ``split``. The
        datasets share specs and plan, which are of all events used, and weights, which follow from the train part of
        the whole. With u_n the upper 53 bits of s(h + n) as a number in [0, 1), where h is the hash that parts follow
        from, an event is in fold floor(number u_1), whatever format, chunk size, threads and order.

        Parameters
        ----------
        number
            How many; at least 2, and no more than there are events.
        by
            A flat branch or formula whose values, from 0 to ``number`` - 1, are the folds, such as ``"evtNo % 5"``.
            With ``identifier`` no two events of a file that have the same may be in two folds, which is checked. The
            branch stays an input, unless it is excluded.

        Raises
        ------
        ParamsError
            There are too few events, a value is no fold, or ``split`` has no fractions.

        Examples
        --------
        >>> import mlaas4hep
        >>> from importlib.resources import files
        >>> dataset = mlaas4hep.Dataset(files("mlaas4hep") / "sample" / "ttH.root", select=["met", "nJets"])
        >>> folds = dataset.folds(5)
        >>> len(folds), sum(fold.count("test") for fold in folds) == len(dataset)
        (5, True)
        """
        passes = self._first_pass.folds(whole("folds", number, 2, 2**31 - 1), by, self.on_events)
        found = [one.found() for one in passes]
        return Folds([self._with(one) for one in passes], self._found, found)

    def _with(self, first_pass: FirstPass) -> "Dataset":
        """This dataset with the events that another pass found."""
        other = copy(self)
        other._plan, other._first_pass, other._watches, other._tallies = self.plan, first_pass, [Watch()], []
        return other

    def with_threads(self, threads: int) -> "Dataset":
        """Return this dataset with passes of so many threads."""
        other = copy(self)
        other._threads = resolve_threads(threads)
        return other

    def __copy__(self) -> "Dataset":
        other = object.__new__(Dataset)
        other.__dict__.update(self.__dict__)
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: what the first pass found, which is made now if it was not before."""
        plan = self.plan
        return {**self.__dict__, "_plan": plan, "_watches": [Watch()], "on_events": None}

    @property
    def names(self) -> list[str]:
        """Names of the matrix's columns."""
        return self.plan.names

    @property
    def branches(self) -> list[str]:
        """Names of the branches that are inputs, new ones too, in the order of the matrix."""
        return self.plan.branches

    @property
    def classes(self) -> list[str]:
        """Names of the classes that occur, in the order of ``label_values``; empty without labels."""
        return self._found.labels.classes

    @property
    def label_values(self) -> list[int]:
        """The sorted distinct labels as chunks hold them; a model gets the position in this list."""
        return self._found.labels.values

    @property
    def targets(self) -> list[str]:
        """What a regression learns, in the order of ``chunk.targets``; empty without targets."""
        return list(self._first_pass.targets)

    @property
    def entries(self) -> int:
        """Number of events that the first pass goes over: those with a missing label are among them."""
        return self._first_pass.entries

    @property
    def threads(self) -> int:
        """Number of threads to use."""
        return self._threads

    @property
    def left_out(self) -> int:
        """Number of events that are left out because their label, or a target, is missing."""
        return self._found.left_out

    @property
    def dropped(self) -> int:
        """Number of events that are left out for their weights: negative, outside a spectrum, or not drawn."""
        return sum(int(np.count_nonzero(events.parts == DROPPED)) for events in self._found.events)

    @property
    def cutflow(self) -> CutFlow:
        """How many events were read of each file, and how many passed each cut and all before it."""
        return self._first_pass.cutflow(self.on_events)

    @property
    def ledger(self) -> Ledger:
        """What became of every event: of each file how many were found, cut, put into parts, and delivered so far."""
        accounts = self._first_pass.accounts(self.on_events)
        known = {account.file for account in accounts}
        unopened = [bad.file for bad in self.bad_files if bad.file not in known]
        return Ledger.of(accounts, unopened, [tally.delivery for tally in self._tallies])

    @property
    def bad_files(self) -> tuple[BadFile, ...]:
        """The files that were skipped because they cannot be read, so far, with the reason and how much is lost."""
        return tuple(self._first_pass.bad.found.values())

    @property
    def skips(self) -> bool:
        """Whether files that cannot be read are skipped."""
        return self._first_pass.bad.skip

    def count(self, part: str | None = None) -> int:
        """Return the number of events of a part; None: of all parts."""
        code = part_number(part)
        return sum(int(np.count_nonzero(events.wanted(code))) for events in self._found.events)

    def scheduled(self, part: int | None) -> int:
        """Return the number of places in passes over a part, by its number: events that are lost keep theirs."""
        return sum(int(np.count_nonzero(events.scheduled(part))) for events in self._found.events)

    def __len__(self) -> int:
        """Return the number of events used."""
        return self.count()
