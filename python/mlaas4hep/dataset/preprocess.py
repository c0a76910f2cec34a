"""Formulas and cuts on the events of files: compiled for their branches, and applied cluster by cluster."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import keep_all
from mlaas4hep.errors import BranchError, ExpressionError, nearest
from mlaas4hep.formulas import bind, check_branches
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Sentinels
from mlaas4hep.sources import Branch, Column, Source

__all__ = ["Cutter", "Schemas", "See", "compile_for", "with_new"]

Schemas = Sequence[tuple[str, Mapping[str, Branch]]]

See = Callable[[Mapping[str, Column], NDArray[np.int64]], None]
"""Is shown columns of events, and the entries of these."""


def compile_for(preproc: Preprocessing, schemas: Schemas, sentinels: Sentinels) -> _rust.Formulas | None:
    """Compile formulas and cuts for the branches of all files; None where there is nothing to do.

    Every branch that they read must be in each file, flat in all or jagged in all; types are promoted.
    """
    if not preproc:
        return None
    known: dict[str, tuple[str, list[str]]] = {}
    for _, schema in schemas:
        for name, branch in schema.items():
            if branch.kind in ("flat", "jagged"):
                known.setdefault(name, (branch.kind, []))[1].append(branch.type)
    types = {name: (kind, _rust.promoted(found)) for name, (kind, found) in known.items()}
    check_branches(preproc, types)
    formulas = bind(preproc, types, sentinels)
    for name in dict.fromkeys([*formulas.cut_reads, *formulas.new_reads]):
        _require(name, known[name][0], schemas)
    return formulas


def _require(name: str, kind: str, schemas: Schemas) -> None:
    """Raise unless a branch that formulas read is in every file, of that kind."""
    for path, schema in schemas:
        if name not in schema:
            raise BranchError(f"formulas: branch {name!r} is missing in {path}{nearest(name, schema)}")
        if schema[name].kind != kind:
            raise BranchError(f"formulas: branch {name!r} is {schema[name].kind} in {path} and {kind} in another file")


def with_new(schemas: Schemas, formulas: _rust.Formulas | None) -> Schemas:
    """Return the schemas of files in which the new branches are, too."""
    if formulas is None:
        return schemas
    new = {
        name: Branch(name, "flat" if kind == "flat" else "jagged", type_, "formula")
        for name, (kind, type_) in formulas.new_branches.items()
    }
    return [(path, {**schema, **new}) for path, schema in schemas]


class Cutter:
    """Reads clusters of one file, the columns of cuts first, and of the others the events that pass.

    ``see`` is shown the columns ``seen`` of all events, whether they pass or not.
    """

    def __init__(
        self, source: Source, formulas: _rust.Formulas | None, threads: int, seen: Sequence[str], see: See
    ) -> None:
        self._source, self._formulas, self._threads, self._see = source, formulas, threads, see
        self._first = list(dict.fromkeys([*(formulas.cut_reads if formulas else []), *seen]))
        cuts = formulas.cuts if formulas else []
        self.passed = np.zeros(len(cuts), np.int64)

    def clusters(self, columns: Sequence[str], stop: int) -> list[tuple[int, int]]:
        """Return ranges of the first entries, up to ``stop``, each good to be read at once; see ``Source``.

        A file without events has one range, which is empty: its branches have types.
        """
        return self._source.clusters([*columns, *self._first], 0, stop) or [(0, 0)]

    def read(self, columns: Sequence[str], start: int, stop: int) -> tuple[dict[str, Column], NDArray[np.int64]]:
        """Return these columns of the events from ``start`` to ``stop`` that pass, and the entries of these.

        Where none passes, nothing but the columns of cuts is read.
        """
        entries = np.arange(start, stop)
        if self._formulas is None or not len(self.passed):
            found = dict(self._source.read(columns, start, stop))
            self._see(found, entries)
            return found, entries
        first = self._source.read(self._first, start, stop)
        self._see(first, entries)
        try:
            passed, flow = self._formulas.select(first or {"": entries}, True, self._threads, entries)
        except ExpressionError as error:
            raise ExpressionError(f"{self._source.path}: {error}") from None
        self.passed += flow
        if start < stop and not passed.any():
            return {}, entries[:0]
        rest = [name for name in columns if name not in first]
        found = {**first, **(self._source.read(rest, start, stop) if rest else {})}
        if passed.all():
            return {name: found[name] for name in columns}, entries
        return keep_all({name: found[name] for name in columns}, passed), entries[passed]
