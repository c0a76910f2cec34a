"""The second pass: a plan, and flattening with it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.errors import ParamsError, SpecsError, note
from mlaas4hep.formulas import bind
from mlaas4hep.grouping import Groups, named
from mlaas4hep.jsonfile import read_json_text, write_text
from mlaas4hep.planoptions import PlanOptions, checked
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Given
from mlaas4hep.specs import Specs, scan
from mlaas4hep.tensors import MATRIX, Collection, Flat, Pair, Shapes, fields_of, pair_of
from mlaas4hep.threads import asked_threads
from mlaas4hep.treatment import Resolver

__all__ = ["Flat", "Plan", "flatten"]

Out = Pair | Mapping[str, Pair]
"""Arrays to fill: ``(data, padding_mask)``, or for a layout with tensors such pairs by name, also of the matrix."""


class Plan:
    """The compiled transformation of columns into matrix and mask: immutable, hashable, the same on every machine.

    Values are converted to the type that the specs give the branch first, whatever type they arrive in: floats are
    cut towards zero for an integer branch, and what lies outside its type goes to the nearest limit. Then they are
    normalised, in float32 for float32, bool, 8- and 16-bit branches if the rule's numbers are normal ones there, else
    in float64, and rounded to float32; where minimum and maximum are equal, or the deviation is 0, every value becomes
    0. Nothing is clipped, unless limits are given. A list longer than the width keeps its first values.

    Parameters
    ----------
    specs
        What the first pass learned.
    preproc
        The formulas and cuts that the specs were made with, as for :func:`scan`; specs that were made without any do
        for cuts alone. The plan applies them.
    options
        How values are normalised, padded and laid out: :class:`~mlaas4hep.planoptions.PlanOptions` lists them all.

    Raises
    ------
    SpecsError, BranchError, ParamsError, ExpressionError
        An argument is wrong, the specs were made with other formulas and cuts, or two columns of the matrix would have
        the same name.

    Examples
    --------
    >>> import numpy as np, mlaas4hep
    >>> data = {"nJets": np.array([2, 1]), "jetPt": (np.array([0, 2, 3]), np.float32([90, 40, 120]))}
    >>> plan = mlaas4hep.Plan(mlaas4hep.scan(data))
    >>> plan.names
    ['nJets', 'jetPt_0', 'jetPt_1']
    >>> plan(data).data
    array([[1.   , 0.625, 0.   ],
           [0.   , 1.   , 0.   ]], dtype=float32)

    Padding that repeats the list, and a tensor for each collection:

    >>> specs = mlaas4hep.scan(data)
    >>> plan = mlaas4hep.Plan(specs, normalize="none", padding="wrap", layout="collections")
    >>> flat = plan(data)
    >>> flat.names, flat.collections["jetPt"].data.tolist()
    (['nJets'], [[[90.0, 40.0]], [[120.0, 120.0]]])
    >>> flat.collections["jetPt"].mask.tolist()
    [[False, False], [False, True]]
    """

    __slots__ = ("_core", "_names", "_tensors")

    _core: _rust.Plan
    _names: tuple[str, ...]
    _tensors: list[tuple[str, list[int], list[str]]]

    def __init__(self, specs: Specs, *, preproc: object = None, **options: Unpack[PlanOptions]) -> None:
        """Compile specs."""
        self._hold(_compiled(specs, preproc, checked(options, "Plan"), None))

    @classmethod
    def finding(cls, specs: Specs, preproc: object, options: PlanOptions, find: Callable[[], Groups]) -> "Plan":
        """Return a plan of options that were checked; ``find`` tells, if need be, which branches are collections."""
        return cls._of(_compiled(specs, preproc, options, find))

    @classmethod
    def _of(cls, core: _rust.Plan) -> "Plan":
        plan = object.__new__(cls)
        plan._hold(core)
        return plan

    def _hold(self, core: _rust.Plan) -> None:
        self._core, self._names, self._tensors = core, tuple(core.names), core.tensors

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "Plan":
        """Read a ``plan.json``; ``SpecsError`` names file and place of what is wrong."""
        text = read_json_text(path, SpecsError)
        try:
            return cls.from_text(text)
        except (SpecsError, ParamsError) as error:
            raise SpecsError(f"{os.fspath(path)}: {error}") from None

    @classmethod
    def from_text(cls, text: str) -> "Plan":
        """Read what :meth:`to_text` gave."""
        return cls._of(_rust.Plan.from_json(text))

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the canonical JSON form, whole or not at all; a file that is there is replaced."""
        write_text(path, self.to_text() + "\n")

    def to_text(self) -> str:
        """Return the canonical JSON form: equal plans have equal texts."""
        return self._core.to_json()

    def computed(self) -> "Plan":
        """Return this plan for events that passed the cuts and whose new branches are there: it only flattens."""
        return Plan._of(self._core.computed())

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON form, in hexadecimal: the plan's name everywhere."""
        return self._core.hash

    @property
    def names(self) -> list[str]:
        """Names of the matrix's columns."""
        return list(self._names)

    @property
    def branches(self) -> list[str]:
        """Names of the branches that the matrix is made of, new ones too, in the order of their columns."""
        return self._core.branches

    @property
    def reads(self) -> list[str]:
        """Names of the branches of the data that rows are made of: inputs, and what formulas of new branches read."""
        return self._core.reads[0]

    @property
    def cut_reads(self) -> list[str]:
        """Names of the branches of the data that cuts read."""
        return self._core.reads[1]

    @property
    def cuts(self) -> list[str]:
        """The cuts in order, as tables call them."""
        return self._core.cuts

    @property
    def widths(self) -> dict[str, int]:
        """Padded length of each jagged branch."""
        return self._core.widths

    @property
    def layout(self) -> str:
        """``"matrix"``, ``"collections"`` or ``"image"``."""
        return self._core.layout

    @property
    def collections(self) -> dict[str, tuple[str, ...]]:
        """Names of the branches of each collection and image that has a tensor, in order."""
        return {name: tuple(branches) for name, _, branches in self._tensors}

    @property
    def shapes(self) -> Shapes:
        """Shape of each tensor behind the events, in memory; the mask has that of the last axes but the first."""
        return {name: tuple(shape) for name, shape, _ in self._tensors}

    @property
    def fields(self) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
        """Type of each array that a pass fills, and its shape behind the events, by names for :meth:`gathered`."""
        width = (len(self._names),)
        return {"data": (np.float32, width), "padding_mask": (np.bool_, width), **fields_of(self.shapes)}

    def out(self, arrays: Mapping[str, NDArray[Any]]) -> Out:
        """Return those of the arrays, named as in :attr:`fields`, that :meth:`place` is to fill."""
        matrix = arrays["data"], arrays["padding_mask"]
        return {MATRIX: matrix, **{name: pair_of(arrays, name) for name in self.shapes}} if self._tensors else matrix

    def gathered(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Return the arrays with those of each tensor put together, as ``collections``."""
        ours = fields_of(self.shapes)
        collections = {
            name: Collection.of(pair_of(arrays, name), branches) for name, branches in self.collections.items()
        }
        return {name: array for name, array in arrays.items() if name not in ours} | {"collections": collections}

    def __call__(
        self, data: object, *, threads: int | None = None, out: Out | None = None, training: bool = True
    ) -> Flat:
        """Flatten the events of ``data`` that pass the cuts; see :func:`flatten` for the arguments.

        Cuts that are for training only are counted, and applied unless ``training`` is False.
        """
        if not self.cuts:
            pairs = None if out is None else self._pairs(out)
            return self._flat(self._core.run(data, asked_threads(threads), pairs))
        data, asked = _rust.held(data), asked_threads(threads)
        passed, flow = self._core.select(data, training, asked)
        count = int(np.count_nonzero(passed))
        pairs = self._new(count) if out is None else self._pairs(out)
        rows = None if count == len(passed) else np.where(passed, np.cumsum(passed) - 1, -1)
        run = self._core.run(data, asked, pairs, rows)
        flat = self._flat(run, count)
        return replace(flat, passed=passed, cutflow=tuple(zip(self.cuts, flow, strict=True)))

    def _flat(self, run: _rust.Run, count: int | None = None) -> Flat:
        """What a run made: the first ``count`` rows of it."""
        made = run.tensors if count is None else [(data[:count], mask[:count]) for data, mask in run.tensors]
        (data, mask), *pairs = made
        tensors = zip(self._tensors, pairs, strict=True)
        collections = {name: Collection.of(pair, tuple(branches)) for (name, _, branches), pair in tensors}
        return Flat(data, mask, self._names, run.truncated, run.missing, collections=collections)

    def _new(self, rows: int) -> list[Pair]:
        """New arrays of so many rows."""
        shapes = [((len(self._names),), (len(self._names),)), *((shape, shape[1:]) for shape in self.shapes.values())]
        return [(np.empty((rows, *data), np.float32), np.empty((rows, *mask), np.bool_)) for data, mask in shapes]

    def _pairs(self, out: Out) -> list[Pair]:
        """The caller's arrays in the order of the tensors."""
        if not self._tensors and not isinstance(out, Mapping):
            return [out]
        names = [MATRIX, *self.shapes]
        if not isinstance(out, Mapping) or set(out) != set(names):
            found = f"has {', '.join(map(repr, out))}" if isinstance(out, Mapping) else f"is a {type(out).__qualname__}"
            raise ParamsError(f"out {found}; it must be a mapping with (data, mask) for {', '.join(map(repr, names))}")
        return [out[name] for name in names]

    def hold(self, data: object) -> _rust.Held:
        """Look at columns once, so that :meth:`place` need not do it again; they must not change until then."""
        return self._core.hold(data)

    def place(
        self,
        data: object,
        rows: NDArray[np.int64],
        out: Out,
        *,
        threads: int | None = None,
        entries: NDArray[np.int64] | None = None,
        start: int | None = None,
    ) -> Flat:
        """Flatten events into chosen rows of ``out``: event i goes to row ``rows[i]``, or nowhere if that is -1.

        Rows that no event goes to stay as they are; two events with the same row are a ``ParamsError``. Only events
        that have a row are counted in ``truncated`` and ``missing``. Cuts are not applied: the rows say which events
        there are. Errors name events by their ``entries``, or count them from 0. With ``start`` the rows are those of
        the events from that one on, and the others are left alone.
        """
        held = data if isinstance(data, _rust.Held) else self._core.hold(data)
        return self._flat(self._core.place(held, start, asked_threads(threads), self._pairs(out), rows, entries))

    def __eq__(self, other: object) -> bool:
        """Whether both do the same."""
        return isinstance(other, Plan) and self.hash == other.hash

    def __hash__(self) -> int:
        """Hash of the canonical form."""
        return hash(self.hash)

    def __repr__(self) -> str:
        """Return a short description."""
        return f"Plan({len(self.branches)} branches, {len(self.names)} columns, {self.hash[:12]})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Plans travel to other processes as their JSON text."""
        return Plan.from_text, (self.to_text(),)


def _compiled(specs: Specs, preproc: object, options: PlanOptions, find: Callable[[], Groups] | None) -> _rust.Plan:
    """The plan of specs in the core."""
    if not isinstance(specs, Specs):
        raise SpecsError(f"specs is a {type(specs).__qualname__}; it must be Specs, as scan returns them")
    given = Preprocessing.of(preproc)
    specs, formulas = _with_formulas(specs, given)
    asked = Resolver(options, specs, given, find)
    layout, pad_value, branches = asked.layout, asked.pad_value, asked.branches()
    core = _rust.Plan(specs._core, formulas, pad_value, branches, layout, asked.tensors())
    empty = [name for name, width in core.widths.items() if width == 0]
    if empty:
        note(f"branches of width 0, which give no column: {', '.join(empty)}")
    return core


def _with_formulas(specs: Specs, given: Preprocessing) -> tuple[Specs, _rust.Formulas | None]:
    """The specs of the branches that remain, and the formulas compiled for the branches that these were made of."""
    if specs.preproc is not None and specs.preproc != given.hash:
        other = "other formulas and cuts" if given else "formulas and cuts: give the plan their preproc"
        raise SpecsError(f"the specs were made with {other}, or scan the data again")
    if not given:
        return specs, None
    new = {new.name for new in given.new_branches}
    kinds = dict.fromkeys(specs.fkeys, "flat") | dict.fromkeys(specs.jkeys, "jagged")
    schema = {name: (kinds[name], type_) for name, type_ in specs.types.items() if name not in new or not specs.preproc}
    formulas = bind(given, {**schema, **specs.reads})
    if specs.preproc is None:
        specs = specs.select(name for name in specs.branches if name not in given.removed)
    return specs, formulas


def flatten(
    data: object,
    specs: Specs | None = None,
    *,
    preproc: object = None,
    sentinels: Given = None,
    threads: int | None = None,
    out: Out | None = None,
    **options: Unpack[PlanOptions],
) -> Flat:
    """Flatten columns in memory: jagged to fixed size, padded, masked and normalised.

    Parameters
    ----------
    data
        Columns in memory, as for :func:`scan`. Columns that the specs do not name are ignored.
    specs
        What the first pass learned; ``None``: ``data`` are scanned first.
    preproc
        Formulas and cuts, as in :class:`Plan`: rows are those of the events that pass.
    sentinels
        Numbers that stand for a missing value, as in :func:`scan`; specs know their own, so this is for a scan.
    threads
        Threads to use; ``None``: the variable ``MLAAS4HEP_NUM_THREADS``, else the CPUs that the process may use.
        1 runs in the calling thread. The result does not depend on it.
    out
        ``(data, padding_mask)`` to fill: writeable, C order, exactly as wide as the plan, with at least as many rows
        as there are events. What is returned are views of their first rows; rows behind stay as they are. For the
        layouts with tensors a mapping with such a pair for ``"matrix"`` and for each of ``plan.shapes``.
    options
        As in :class:`Plan`. Branches in memory whose lists have equal offsets are one collection, unless others are
        declared.

    Returns
    -------
    Flat
        ``data`` float32 and ``padding_mask`` bool, both of shape (events, columns), with names and counts. Missing
        values (null, NaN, infinite) are masked and hold ``pad_value``.

    Raises
    ------
    BranchError
        A branch of the specs is absent, or flat instead of jagged.
    ColumnError, SpecsError, ParamsError
        Columns contradict themselves, or an argument is wrong.

    Examples
    --------
    >>> import numpy as np, mlaas4hep
    >>> flat = mlaas4hep.flatten({"jetPt": (np.array([0, 2, 3]), np.float32([90, 40, 120]))})
    >>> flat.data
    array([[0.625, 0.   ],
           [1.   , 0.   ]], dtype=float32)
    >>> flat.padding_mask
    array([[False, False],
           [False,  True]])
    """
    data = _rust.held(data)
    if specs is None:
        specs = scan(data, preproc=preproc, sentinels=sentinels, threads=threads)
    elif sentinels is not None:
        raise ParamsError("sentinels are given beside specs, which know their own; give them to the scan")
    plan = Plan.finding(specs, preproc, checked(options, "flatten"), lambda: named(_rust.collections(data)))
    return plan(data, threads=threads, out=out)
