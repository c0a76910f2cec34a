"""The second pass: a plan, and flattening with it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.errors import ParamsError, SpecsError, note
from mlaas4hep.formulas import bind
from mlaas4hep.jsonfile import read_json_text, write_text
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Given
from mlaas4hep.specs import Specs, scan
from mlaas4hep.threads import asked_threads

__all__ = ["Flat", "Plan", "flatten"]

Out = tuple[NDArray[np.float32], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class Flat:
    """What flattening gives.

    Attributes
    ----------
    data
        float32, C order, shape (events, columns): normalised values, ``pad_value`` where there is none.
    padding_mask
        bool, the same shape: ``True`` where the value is padding or missing.
    names
        Names of the columns: flat branches first, then ``name_0 ... name_{width-1}`` of jagged ones.
    truncated
        For each jagged branch of which values were cut off, how many.
    missing
        For each branch with missing values (null, NaN, infinite; null lists too), how many.
    passed
        bool, shape (events of the data,): which events passed the cuts, and have a row; None without cuts.
    cutflow
        For each cut in order its name, and how many events passed it and all before it.
    """

    data: NDArray[np.float32]
    padding_mask: NDArray[np.bool_]
    names: list[str]
    truncated: dict[str, int]
    missing: dict[str, int]
    passed: NDArray[np.bool_] | None = None
    cutflow: tuple[tuple[str, int], ...] = ()


class Plan:
    """The compiled transformation of columns into matrix and mask: immutable, hashable, the same on every machine.

    Normalisation ``"minmax"`` is ``(x - min) * (1 / (max - min))`` by branch, ``"none"`` leaves values as they are.
    Values are converted to the type that the specs give the branch first, whatever type they arrive in: floats are
    cut towards zero for an integer branch, and what lies outside its type goes to the nearest limit. Values outside
    the range are not clipped. A list longer than the width keeps its first values.

    Parameters
    ----------
    specs
        What the first pass learned.
    normalize
        ``"minmax"`` or ``"none"``.
    pad_value
        What stands in the matrix where there is no value; a finite float32 number.
    widths
        Padded lengths by name, in place of the largest lengths of the specs. 0 gives no column.
    preproc
        The formulas and cuts that the specs were made with, as for :func:`scan`; specs that were made without any do
        for cuts alone. The plan applies them.

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
    """

    __slots__ = ("_core", "_names")

    _core: _rust.Plan
    _names: tuple[str, ...]

    def __init__(
        self,
        specs: Specs,
        *,
        normalize: str = "minmax",
        pad_value: float = 0.0,
        widths: Mapping[str, int] | None = None,
        preproc: object = None,
    ) -> None:
        """Compile specs."""
        if not isinstance(specs, Specs):
            raise SpecsError(f"specs is a {type(specs).__qualname__}; it must be Specs, as scan returns them")
        if not isinstance(normalize, str):
            raise ParamsError(f"normalize is {normalize!r}; it must be 'minmax' or 'none'")
        given = Preprocessing.of(preproc)
        specs, formulas = _with_formulas(specs, given)
        self._core = _rust.Plan(specs._core, formulas, normalize, _number(pad_value), _widths(widths or {}))
        self._names = tuple(self._core.names)
        empty = [name for name, width in self.widths.items() if width == 0]
        if empty:
            note(f"branches of width 0, which give no column: {', '.join(empty)}")

    @classmethod
    def _of(cls, core: _rust.Plan) -> "Plan":
        plan = object.__new__(cls)
        plan._core, plan._names = core, tuple(core.names)
        return plan

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "Plan":
        """Read a ``plan.json``; ``SpecsError`` names file and place of what is wrong."""
        text = read_json_text(path, SpecsError)
        try:
            return cls._of(_rust.Plan.from_json(text))
        except (SpecsError, ParamsError) as error:
            raise SpecsError(f"{os.fspath(path)}: {error}") from None

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

    def __call__(
        self, data: object, *, threads: int | None = None, out: Out | None = None, training: bool = True
    ) -> Flat:
        """Flatten the events of ``data`` that pass the cuts; see :func:`flatten` for the arguments.

        Cuts that are for training only are counted, and applied unless ``training`` is False.
        """
        if not self.cuts:
            run = self._core.run(data, asked_threads(threads), out)
            return Flat(run.data, run.padding_mask, self.names, run.truncated, run.missing)
        data, asked = _rust.held(data), asked_threads(threads)
        passed, flow = self._core.select(data, training, asked)
        count = int(np.count_nonzero(passed))
        target = out or (np.empty((count, len(self._names)), np.float32), np.empty((count, len(self._names)), np.bool_))
        rows = None if count == len(passed) else np.where(passed, np.cumsum(passed) - 1, -1)
        run = self._core.run(data, asked, target, rows)
        found = run.data[:count], run.padding_mask[:count]
        return Flat(*found, self.names, run.truncated, run.missing, passed, tuple(zip(self.cuts, flow, strict=True)))

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
        run = self._core.place(held, start, asked_threads(threads), out, rows, entries)
        return Flat(run.data, run.padding_mask, self.names, run.truncated, run.missing)

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
        return _from_text, (self.to_text(),)


def _from_text(text: str) -> Plan:
    return Plan._of(_rust.Plan.from_json(text))


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


def _number(pad_value: float) -> float:
    if isinstance(pad_value, (bool, str)):
        raise ParamsError(f"pad_value is {pad_value!r}; it must be a finite float32 number")
    try:
        return float(pad_value)
    except (TypeError, ValueError):
        raise ParamsError(f"pad_value is {pad_value!r}; it must be a finite float32 number") from None


def _widths(widths: Mapping[str, object]) -> dict[str, int]:
    checked = {}
    for name, width in widths.items():
        if isinstance(width, bool) or not isinstance(width, (int, np.integer)) or width < 0:
            raise ParamsError(f"widths: branch {name!r} has {width!r}; it must be a whole number, not negative")
        checked[name] = min(int(width), 2**64 - 1)  # what is larger is refused as too wide
    return checked


def flatten(
    data: object,
    specs: Specs | None = None,
    *,
    normalize: str = "minmax",
    pad_value: float = 0.0,
    widths: Mapping[str, int] | None = None,
    preproc: object = None,
    sentinels: Given = None,
    threads: int | None = None,
    out: Out | None = None,
) -> Flat:
    """Flatten columns in memory: jagged to fixed size, padded, masked and normalised.

    Parameters
    ----------
    data
        Columns in memory, as for :func:`scan`. Columns that the specs do not name are ignored.
    specs
        What the first pass learned; ``None``: ``data`` are scanned first.
    normalize, pad_value, widths
        As in :class:`Plan`.
    preproc
        Formulas and cuts, as in :class:`Plan`: rows are those of the events that pass.
    sentinels
        Numbers that stand for a missing value, as in :func:`scan`; specs know their own, so this is for a scan.
    threads
        Threads to use; ``None``: the variable ``MLAAS4HEP_NUM_THREADS``, else the CPUs that the process may use.
        1 runs in the calling thread. The result does not depend on it.
    out
        ``(data, padding_mask)`` to fill: writeable, C order, exactly as wide as the plan, with at least as many rows
        as there are events. What is returned are views of their first rows; rows behind stay as they are.

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
    if specs is None:
        data = _rust.held(data)
        specs = scan(data, preproc=preproc, sentinels=sentinels, threads=threads)
    elif sentinels is not None:
        raise ParamsError("sentinels are given beside specs, which know their own; give them to the scan")
    plan = Plan(specs, normalize=normalize, pad_value=pad_value, widths=widths, preproc=preproc)
    return plan(data, threads=threads, out=out)
