"""Files as a first pass reads them with a cache: from there, or from the file, and then they are kept."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.dataset.cache import Reader
from mlaas4hep.dataset.cache.draft import Draft
from mlaas4hep.dataset.cache.folder import Cache
from mlaas4hep.dataset.cache.kept import Kept
from mlaas4hep.dataset.files import File, fingerprint
from mlaas4hep.dataset.preprocess import Cutter
from mlaas4hep.dataset.wanted import Wanted
from mlaas4hep.errors import ExpressionError
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Sentinels
from mlaas4hep.sources import Column

__all__ = ["Keeper"]

MAPPED = 128
"""Files that stay mapped, whose pages the next pass finds."""


class Keeper:
    """Keeps the columns of files: those that a first pass reads, and the new branches among those that stay."""

    def __init__(
        self,
        cache: Cache,
        wanted: Wanted,
        preproc: Preprocessing,
        formulas: _rust.Formulas | None,
        sentinels: Sentinels,
        columns: Sequence[str],
    ) -> None:
        self._cache, self._wanted, self._formulas = cache, wanted, formulas
        self.columns, self._new = list(dict.fromkeys(columns)), list(formulas.new_branches if formulas else ())
        self._common = {
            "columns": self.columns,
            "new": self._new,
            "formulas and cuts": preproc.to_dict(),
            "steps": formulas.steps()[0] if formulas else "",
            "sentinels": sentinels,
            "reading": wanted.reading.key,
        }
        self._open: dict[int, Kept] = {}
        self._known: dict[int, tuple[str, dict[str, Any]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return what finds kept files again; formulas are needed only to keep more."""
        return {**self.__dict__, "_formulas": None, "_open": {}}

    def open(self, file: File) -> Kept | None:
        """Return what is kept of a file; None where nothing is."""
        number = file.input.number
        kept = self._open.get(number) or self._cache.open(self._key(file)[0], str(file.input))
        if kept is not None and len(self._open) < MAPPED:
            self._open[number] = kept
        return kept

    @contextmanager
    def keeping(self, file: File, cutter: Cutter) -> Generator[Reader]:
        """Yield what reads a file and keeps what it read, if the block comes to its end."""
        key, of = self._key(file)
        with self._cache.writing(key, str(file.input), of) as draft:
            reader = _Keeping(cutter, draft, self.columns, self._formulas, self._wanted.threads, file.input.path)
            yield reader
            draft.passed = cutter.passed.tolist()

    def _key(self, file: File) -> tuple[str, dict[str, Any]]:
        number = file.input.number
        if number not in self._known:
            of = {"file": [*fingerprint(file, self._wanted.reading), file.used], **self._common}
            self._known[number] = self._cache.key(of), of
        return self._known[number]


class _Keeping:
    """Reads a file through a ``Cutter``, and keeps what it read."""

    def __init__(
        self,
        cutter: Cutter,
        draft: Draft,
        columns: Sequence[str],
        formulas: _rust.Formulas | None,
        threads: int,
        path: str,
    ) -> None:
        self._cutter, self._draft, self._columns = cutter, draft, columns
        self._formulas, self._threads, self._path = formulas, threads, path

    @property
    def passed(self) -> NDArray[np.int64]:
        """How many events passed each cut and all before it, so far."""
        return self._cutter.passed

    def clusters(self, columns: Sequence[str], stop: int) -> list[tuple[int, int]]:
        """Return ranges up to an entry, each good to be read at once."""
        return self._cutter.clusters([*columns, *self._columns], stop)

    def read(self, columns: Sequence[str], start: int, stop: int) -> tuple[dict[str, Column], NDArray[np.int64]]:
        """Return columns of the events of a range that pass, and the entries of these."""
        found, entries = self._cutter.read(list(dict.fromkeys([*columns, *self._columns])), start, stop)
        if len(entries) or start == stop:
            self._draft.add(
                [*((found[name]) for name in self._columns), *self._new(found, entries)], entries, start, stop
            )
        return {name: found[name] for name in columns} if found else found, entries

    def _new(self, columns: dict[str, Column], entries: NDArray[np.int64]) -> list[Column]:
        """The new branches, as a file would have them."""
        if self._formulas is None or not self._formulas.new_branches:
            return []
        try:
            computed = self._formulas.compute(columns, self._threads, entries)
        except ExpressionError as error:
            raise ExpressionError(f"{self._path}: {error}") from None
        return [_column(*computed[name]) for name in self._formulas.new_branches]


def _column(values: NDArray[Any], offsets: NDArray[np.int64] | None, nulls: NDArray[np.bool_] | None) -> Column:
    column: Any = values if nulls is None else _rust.Masked(values, nulls, valid_when=False)
    found: Column = column if offsets is None else (offsets, column)
    return found
