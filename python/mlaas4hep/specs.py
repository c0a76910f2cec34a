"""The first pass over columns in memory, and what it learned."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import survivors
from mlaas4hep.errors import BranchError, ParamsError, SpecsError, nearest, note
from mlaas4hep.formulas import bind, check_branches
from mlaas4hep.jsonfile import read_json_text, write_text
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Given, Sentinels, resolve_sentinels
from mlaas4hep.threads import asked_threads
from mlaas4hep.widths import WidthReport, WidthRow

__all__ = ["FilePart", "Specs", "scan"]


class FilePart(NamedTuple):
    """What specs keep of one file.

    ``fingerprint`` tells it from itself when it has changed, ``made_with`` is a hash of what else its specs follow
    from, ``events`` of it were used, ``specs`` are its specs, packed.
    """

    fingerprint: str
    made_with: str
    events: int
    specs: str


class Specs:
    """What the first pass learned of each branch: kind, type, range, largest length and counts.

    Specs are immutable. They come from :func:`scan`, :meth:`Dataset.specs`, or a ``specs.json``; those of several
    files are merged, in any order and with the same result.

    Examples
    --------
    >>> import numpy as np, mlaas4hep
    >>> jet_pt = np.array([0, 2, 3]), np.float32([90, 40, 120])  # offsets and content
    >>> specs = mlaas4hep.scan({"ht": np.float32([210.5, 380.0]), "jetPt": jet_pt})
    >>> specs.fkeys, specs.jkeys, specs.jdim
    (['ht'], ['jetPt'], {'jetPt': 2})
    >>> specs.minv["jetPt"], specs.maxv["jetPt"]
    (40.0, 120.0)
    """

    __slots__ = ("_core",)

    def __init__(self, core: _rust.Specs) -> None:
        """Wrap the extension module's specs; users call :func:`scan` or :meth:`from_json`."""
        self._core = core

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "Specs":
        """Read a ``specs.json``: ours, or one of the original MLaaS4HEP, whose branches then count as float64.

        Raises
        ------
        SpecsError
            The file cannot be read, is no JSON, lacks one of the keys ``fkeys``, ``jkeys``, ``jdim``, ``minv``,
            ``maxv``, or contradicts itself; the message names file and place.
        """
        text = read_json_text(path, SpecsError)
        try:
            return cls(_rust.Specs.from_json(text))
        except SpecsError as error:
            raise SpecsError(f"{os.fspath(path)}: {error}") from None

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write a ``specs.json``, whole or not at all; one that is there is replaced."""
        write_text(path, self.to_text() + "\n")

    @classmethod
    def from_text(cls, text: str) -> "Specs":
        """Return the specs of the JSON text that :meth:`to_text` gives."""
        return cls(_rust.Specs.from_json(text))

    def to_text(self) -> str:
        """Return the JSON text that :meth:`to_json` writes."""
        return self._core.to_json()

    @classmethod
    def merge(cls, parts: "Iterable[Specs]") -> "Specs":
        """Merge the specs of several sets of events with the same branches, in any order.

        Types that differ are promoted as NumPy does. Raises ``SpecsError`` where a branch is missing in one of them,
        or is flat in one and jagged in another.

        Examples
        --------
        >>> import numpy as np, mlaas4hep
        >>> parts = [mlaas4hep.scan({"ht": np.array([value])}) for value in (3.0, 1.0)]
        >>> mlaas4hep.Specs.merge(parts).minv
        {'ht': 1.0}
        """
        return cls(_rust.Specs.merge([part._core for part in parts]))

    def select(self, names: Iterable[str]) -> "Specs":
        """Return the specs of these branches only; ``BranchError`` names one that is not there."""
        return Specs(self._core.select(list(names)))

    def with_files(self, events: Mapping[str, int], selected: Mapping[str, tuple[int, int, int]]) -> "Specs":
        """Return the same specs with entries, and events by part (train, validation, test), of each file."""
        return Specs(self._core.with_files(dict(events), dict(selected)))

    @property
    def fkeys(self) -> list[str]:
        """Names of the flat branches, sorted."""
        return self._core.fkeys

    @property
    def jkeys(self) -> list[str]:
        """Names of the jagged branches, sorted."""
        return self._core.jkeys

    @property
    def typed(self) -> bool:
        """Whether types are known; the original's files lack them, and their branches count as float64."""
        return self._core.typed

    @property
    def branches(self) -> list[str]:
        """Names of all branches in the order of the matrix: flat ones, then jagged ones."""
        return self.fkeys + self.jkeys

    @property
    def jdim(self) -> dict[str, int]:
        """Largest length of each jagged branch."""
        return self._core.jdim

    @property
    def minv(self) -> dict[str, int | float | None]:
        """Smallest finite value of each branch; ``None`` where there is none."""
        return self._core.minv

    @property
    def maxv(self) -> dict[str, int | float | None]:
        """Largest finite value of each branch; ``None`` where there is none."""
        return self._core.maxv

    @property
    def types(self) -> dict[str, str]:
        """NumPy's name of each branch's type."""
        return self._core.types

    @property
    def bad_files(self) -> dict[str, tuple[str, int | None]]:
        """Files that were skipped, each with the reason and the number of its events, if that is known."""
        return self._core.bad_files

    def with_bad_files(self, bad_files: Mapping[str, tuple[str, int | None]]) -> "Specs":
        """Return the same specs, made without files that were skipped."""
        return Specs(self._core.with_bad_files(dict(bad_files)))

    @property
    def sentinels(self) -> dict[str, list[int | float]]:
        """Numbers that stood for a missing value, by branch."""
        return self._core.sentinels

    @property
    def preproc(self) -> str | None:
        """Hash of the formulas and cuts that they were made with; ``None`` if there were none."""
        return self._core.preproc

    @property
    def reads(self) -> dict[str, tuple[str, str]]:
        """Kind and type of every branch that these formulas and cuts read."""
        return self._core.reads

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """For each branch the number of values, and of nulls (null lists too), NaN and infinities among them."""
        return self._core.counts

    @property
    def mean(self) -> dict[str, float | None]:
        """Mean of each branch's finite values, weighted where the scan was given weights.

        ``None`` where there is no finite value, one is beyond 1e100, or the weights sum to 0; empty for specs without
        statistics, as those of the original. The same in any order of events and files, within 1e-12 of the largest
        magnitude.
        """
        return self._core.mean

    @property
    def std(self) -> dict[str, float | None]:
        """Standard deviation of each branch's finite values, as of a whole population; see :attr:`mean`.

        ``None`` also where negative weights make the variance negative.
        """
        return self._core.std

    @property
    def weighted(self) -> bool:
        """Whether mean and standard deviation count events with weights."""
        return self._core.weighted

    def quantile(self, name: str, q: float) -> float | None:
        """Return a quantile of a branch's finite values, from 0 (minimum) to 1; events count without weights.

        It is the value of rank ceil(q n) among n in ascending order, off by less than 0.79 %, and the same whatever the
        order of events and files. ``None`` where there is no finite value, or specs have no statistics. Raises
        ``BranchError`` for an unknown branch, ``SpecsError`` for a ``q`` out of range.

        Examples
        --------
        >>> import numpy as np, mlaas4hep
        >>> specs = mlaas4hep.scan({"met": np.arange(1.0, 101.0)})
        >>> specs.quantile("met", 0.5), specs.mean, round(specs.std["met"], 3)
        (50.25, {'met': 50.5}, 28.866)
        """
        return self._core.quantile(name, _share(q))

    def lengths(self, name: str) -> dict[int, int]:
        """Return how many lists of a jagged branch there are of each length, a null list being empty.

        Beyond 1024 a length counts as the next one of ten binary digits, up to 0.2 % more. Empty for a flat branch, and
        where specs have no statistics.

        Examples
        --------
        >>> import numpy as np, mlaas4hep
        >>> mlaas4hep.scan({"jetPt": (np.array([0, 2, 3, 5]), np.ones(5))}).lengths("jetPt")
        {1: 1, 2: 2}
        """
        return self._core.lengths(name) or {}

    def widths(self, quantile: float = 0.99) -> dict[str, int]:
        """Return for each jagged branch the smallest width that holds the whole lists of such a share of events.

        Branches that share their lengths get equal widths. A branch whose lengths are not known keeps its largest.

        Examples
        --------
        >>> import numpy as np, mlaas4hep
        >>> specs = mlaas4hep.scan({"jetPt": (np.array([0, 2, 3, 5, 14]), np.ones(14))})
        >>> specs.widths(0.75), specs.jdim
        ({'jetPt': 2}, {'jetPt': 9})
        """
        share = _share(quantile)
        found = {name: self._core.length_quantile(name, share) for name in self.jkeys}
        longest = self.jdim
        return {name: longest[name] if width is None else min(width, longest[name]) for name, width in found.items()}

    def width_report(self, widths: Mapping[str, int] | None = None) -> WidthReport:
        """Return what widths cut off of each jagged branch, and what their padding costs, over all events.

        ``widths`` has that of some branches; others have their largest length. Branches whose lengths are not known
        are left out.
        """
        longest = self.jdim
        for name in widths or {}:
            if name not in longest:
                raise BranchError(f"widths: {name!r} is no jagged branch{nearest(name, longest)}")
        asked = longest | dict(widths or {})
        known = {name: lengths for name in longest if (lengths := self.lengths(name))}
        return WidthReport(tuple(WidthRow.of(name, longest[name], asked[name], known[name]) for name in known))

    @property
    def parts(self) -> dict[str, FilePart]:
        """What is kept of single files, so that only those that change are scanned again."""
        return {file: FilePart(*part) for file, part in self._core.parts.items()}

    def with_parts(self, parts: Mapping[str, FilePart]) -> "Specs":
        """Return the same specs with what is kept of single files."""
        return Specs(self._core.with_parts(dict(parts)))

    @property
    def events(self) -> dict[str, int]:
        """Entries used of each file (all, without ``nevts``), and those of all files under ``total``."""
        return {**self._core.files, "total": self._core.total}

    @property
    def selected(self) -> dict[str, tuple[int, int, int]]:
        """Events used of each file, by part: train, validation, test."""
        return {file: (parts[0], parts[1], parts[2]) for file, parts in self._core.selected.items()}

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same."""
        return isinstance(other, Specs) and self._core == other._core

    __hash__ = None  # type: ignore[assignment]  # specs are compared by content, which is too long to hash

    def __repr__(self) -> str:
        """Return a short description."""
        return f"Specs({len(self.fkeys)} flat and {len(self.jkeys)} jagged branches, {self._core.total} events)"

    def __reduce__(self) -> tuple[Any, ...]:
        """Specs travel to other processes as their JSON text."""
        return Specs.from_text, (self.to_text(),)


def _share(q: float) -> float:
    """A share from 0 to 1."""
    if not 0 <= q <= 1:
        raise SpecsError(f"quantile is {q!r}; it must be a number from 0 to 1")
    return float(q)


def scan(
    data: object,
    *,
    preproc: object = None,
    sentinels: Given = None,
    weights: ArrayLike | None = None,
    threads: int | None = None,
) -> Specs:
    """Make the first pass over columns in memory.

    Parameters
    ----------
    data
        An Awkward record array, a dict, a pyarrow Table or RecordBatch, a Polars data frame, or anything with
        ``__arrow_c_array__`` or ``__arrow_c_stream__``. In a dict a value is a one-dimensional NumPy array (flat), a
        two-dimensional one (jagged of constant length), a pair ``(offsets, content)`` (jagged), or an Awkward or
        Arrow array. Contiguous native layouts are not copied.
    preproc
        Formulas and cuts: a ``Preprocessing``, the path of a ``preproc.json``, or a dict like one. The specs are those
        of the events that pass and of the branches that remain, new ones included.
    sentinels
        Numbers that stand for a missing value and count as null: a number or several for all columns, or such by
        names and globs, as in ``{"DER_*": -999}``. The specs know them, and plans made with the specs mask them.
        An integer must equal a sentinel, a float may also equal it rounded to float32.
    weights
        A number for each event, with which it counts in mean and standard deviation; an entry of a list has its
        event's weight. They may be negative, and are converted to float64.
    threads
        Threads to use; ``None``: the variable ``MLAAS4HEP_NUM_THREADS``, else the CPUs that the process may use.

    Returns
    -------
    Specs
        Ranges are taken over finite values; nulls, NaN and infinities are counted apart. A null list is empty and
        counts one null.

    Raises
    ------
    ColumnError
        There are no columns of numbers, or they contradict themselves. Columns of other types than numbers are left
        out, with one note that lists them.
    ExpressionError
        A formula or cut is wrong.
    ParamsError
        There is not one weight for each event, or one is no finite number.

    Examples
    --------
    >>> import numpy as np, mlaas4hep
    >>> mlaas4hep.scan({"met": np.array([12.5, np.nan, 80.0])}).counts["met"]
    {'inf': 0, 'nan': 1, 'nulls': 0, 'values': 3}
    """
    given, asked = Preprocessing.of(preproc), asked_threads(threads)
    weight = None if weights is None else np.ascontiguousarray(weights, np.float64).reshape(-1)
    if not given and sentinels is None:
        return Specs(_scan(data, asked, weights=weight))
    data = _rust.held(data)
    schema = _rust.schema(data)
    absent = resolve_sentinels(sentinels, schema)
    if not given:
        return Specs(_scan(data, asked, absent, weight))
    check_branches(given, schema)
    formulas = bind(given, schema, absent)
    passed, _ = formulas.select(data, True, asked)
    if not passed.all():
        data, weight = survivors(data, passed), None if weight is None else _weights_of(weight, passed)
    core = _scan(data, asked, absent, weight)
    kept = [name for name in [*core.types, *formulas.new_branches] if name not in given.removed]
    if not kept:
        raise ParamsError("preproc: no branch remains, all are removed")
    return Specs(formulas.complete(core, data, kept, given.hash, asked, None, weight))


def _weights_of(weights: NDArray[np.float64], passed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The weights of the events that passed."""
    if weights.shape != passed.shape:
        raise ParamsError(f"weights: there are {len(weights)} of them for {len(passed)} events; each event needs one")
    return weights[passed]


def _scan(
    data: object,
    threads: int | None,
    sentinels: Sentinels | None = None,
    weights: NDArray[np.float64] | None = None,
) -> _rust.Specs:
    core, left_out = _rust.scan(data, threads, sentinels or {}, weights)
    if left_out:
        note("left out, because they are no numbers: " + ", ".join(f"{name} ({why})" for name, why in left_out))
    return core
