"""The first pass over columns in memory, and what it learned."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from mlaas4hep import _rust
from mlaas4hep.columns import survivors
from mlaas4hep.errors import ParamsError, SpecsError, note
from mlaas4hep.formulas import bind, check_branches
from mlaas4hep.jsonfile import read_json_text, write_text
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Given, Sentinels, resolve_sentinels
from mlaas4hep.threads import asked_threads

__all__ = ["Specs", "scan"]


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
        return _from_text, (self.to_text(),)


def _from_text(text: str) -> Specs:
    return Specs(_rust.Specs.from_json(text))


def scan(data: object, *, preproc: object = None, sentinels: Given = None, threads: int | None = None) -> Specs:
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

    Examples
    --------
    >>> import numpy as np, mlaas4hep
    >>> mlaas4hep.scan({"met": np.array([12.5, np.nan, 80.0])}).counts["met"]
    {'inf': 0, 'nan': 1, 'nulls': 0, 'values': 3}
    """
    given, asked = Preprocessing.of(preproc), asked_threads(threads)
    if not given and sentinels is None:
        return Specs(_scan(data, asked))
    data = _rust.held(data)
    schema = _rust.schema(data)
    absent = resolve_sentinels(sentinels, schema)
    if not given:
        return Specs(_scan(data, asked, absent))
    check_branches(given, schema)
    formulas = bind(given, schema, absent)
    passed, _ = formulas.select(data, True, asked)
    data = data if passed.all() else survivors(data, passed)
    core = _scan(data, asked, absent)
    kept = [name for name in [*core.types, *formulas.new_branches] if name not in given.removed]
    if not kept:
        raise ParamsError("preproc: no branch remains, all are removed")
    return Specs(formulas.complete(core, data, kept, given.hash, asked))


def _scan(data: object, threads: int | None, sentinels: Sentinels | None = None) -> _rust.Specs:
    core, left_out = _rust.scan(data, threads, sentinels or {})
    if left_out:
        note("left out, because they are no numbers: " + ", ".join(f"{name} ({why})" for name, why in left_out))
    return core
