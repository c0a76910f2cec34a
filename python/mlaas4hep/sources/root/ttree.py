"""TTrees in ROOT files: uproot knows where everything lies, the Rust core reads it, or uproot where it cannot."""

import bisect
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.errors import BranchError, ReadError, SourceError, nearest, shortened
from mlaas4hep.sources.branch import Branch, Plain
from mlaas4hep.sources.clusters import ALONE, Turn, check_range, join
from mlaas4hep.sources.localfile import LocalFile
from mlaas4hep.sources.place import Place
from mlaas4hep.sources.remote.ahead import Ahead
from mlaas4hep.sources.remote.remotefile import Lost
from mlaas4hep.sources.root.baskets import SECONDS, BranchReader, share
from mlaas4hep.sources.root.known import Known
from mlaas4hep.sources.root.native import NativeBranch

__all__ = ["TTreeSource"]

NAMES_SHOWN = 3

Reader = NativeBranch | BranchReader


class TTreeSource:
    """One tree of an open ROOT file. See ``Source`` for what its methods promise.

    Each branch is read by the Rust core if its layout has a packing, else by uproot. Of a remote file the bytes of all
    branches are fetched together, and those of the next cluster come while one is decoded and used.
    """

    def __init__(self, place: Place, known: Known, threads: int | None) -> None:
        self.path = place.path
        self.tree = known.name
        self.entries = known.entries
        self.state = place.state
        self._known = known
        self._threads = threads
        self._readers: dict[str, Reader] = {}
        self._place = place
        self._ahead = None if isinstance(place, LocalFile) else Ahead(place)
        self._following: dict[tuple[int, int], tuple[int, int]] = {}
        self._executor: Executor | None = None
        modified = place.modified if isinstance(place, LocalFile) else None
        try:
            self._native = _rust.BasketReader(place.path, place.size, modified)
        except OSError as error:
            raise SourceError(f"{place.path}: cannot be opened: {error.strerror or error}") from None

    def schema(self) -> dict[str, Branch]:
        """Return every branch by its name, in the file's order."""
        return self._known.schema

    def clusters(self, columns: Sequence[str], start: int, stop: int, turn: Turn = ALONE) -> list[tuple[int, int]]:
        """Return ranges of at most 32 MB from ``start`` to ``stop``, cut where the columns begin baskets."""
        check_range(self.path, self.entries, start, stop)
        readers = [self._reader(name, stop) for name in dict.fromkeys(columns)]
        boundaries = (np.asarray(reader.edges) for reader in readers)
        ranges = join(boundaries, sum(reader.event_bytes for reader in readers), start, stop, turn)
        self._following = dict(pairwise(ranges))
        return ranges

    def read(self, columns: Sequence[str], start: int, stop: int) -> dict[str, Plain]:
        """Return the columns of the events from ``start`` to ``stop``."""
        check_range(self.path, self.entries, start, stop)
        readers = {name: self._reader(name, stop) for name in columns}
        fetched = self._fetch(readers, start, stop) if self._ahead else None
        whole = all(reader.edges[bisect.bisect_left(reader.edges, stop)] == stop for reader in readers.values())
        if whole:
            self._expect(readers, start, stop)
        native = _native(readers)
        found: dict[str, Plain] = {}
        if native:
            read = self._native.read(list(native.values()), start, stop, self._threads, fetched)
            found = dict(zip(native, read, strict=True))
        others = {name: reader for name, reader in readers.items() if isinstance(reader, BranchReader)}
        if others:
            found |= self._by_uproot(others, start, stop)
        if not whole:  # now it is known what is left of the last baskets
            self._expect(readers, start, stop)
        return {name: _with_offsets(found[name], reader, stop - start) for name, reader in readers.items()}

    @property
    def seconds(self) -> dict[str, float]:
        """What threads spent so far on bytes, on decompression and on decoding."""
        spent = [reader.seconds for reader in self._readers.values() if isinstance(reader, BranchReader)]
        native = dict(zip(SECONDS, self._native.seconds, strict=True))
        total = {what: native[what] + sum(seconds[what] for seconds in spent) for what in SECONDS}
        total["fetching"] += self._ahead.seconds if self._ahead else 0.0
        return total

    def close(self) -> None:
        """Close the file."""
        self._readers.clear()
        self._native.close()
        (self._ahead or self._place).close()
        if self._executor is not None:
            self._executor.shutdown()

    def _reader(self, name: str, stop: int) -> Reader:
        """What reads a branch, which must have entries up to ``stop``."""
        reader = self._readers.get(name) or self._new_reader(name)
        if stop > reader.edges[-1]:
            found = f"has only {reader.edges[-1]} entries, tree {self.tree!r} has {self.entries}"
            raise ReadError(f"{self.path}: branch {name!r} {found}")
        return reader

    def _new_reader(self, name: str) -> Reader:
        if name not in self._known.schema:
            hint = nearest(name, self._known.schema)
            raise BranchError(f"{self.path}: tree {self.tree!r} has no branch {name!r}{hint}")
        branch = self._known.schema[name]
        if branch.kind == "other":
            raise BranchError(f"{self.path}: branch {name!r} is no column: {branch.why_not}")
        known = self._known.readers[name]
        if isinstance(known, str):
            raise ReadError(known)
        if isinstance(known, NativeBranch):
            return self._readers.setdefault(name, known)
        return self._readers.setdefault(name, BranchReader(*known, name, self._ahead or self._place))

    def _ranges(self, readers: Mapping[str, Reader], start: int, stop: int) -> list[tuple[int, int]]:
        """The ranges of the file that are needed; none that reach behind its end, of which the readers tell."""
        ranges = self._native.ranges(list(_native(readers).values()), start, stop)
        for reader in readers.values():
            if isinstance(reader, BranchReader):
                ranges += reader.ranges(start, stop)
        return [(first, last) for first, last in ranges if last <= self._place.size]

    def _expect(self, readers: Mapping[str, Reader], start: int, stop: int) -> None:
        """Begin to fetch the next cluster of a remote file."""
        if self._ahead and (following := self._following.get((start, stop))):
            self._ahead.expect(following, tuple(readers), self._ranges(readers, *following))

    def _fetch(self, readers: Mapping[str, Reader], start: int, stop: int) -> list[tuple[int, bytes]]:
        """The bytes of everything that is needed of a remote file."""
        assert self._ahead is not None
        try:
            return self._ahead.get((start, stop), tuple(readers), self._ranges(readers, start, stop))
        except Lost as lost:
            branches = f"branch{'es' * (len(readers) > 1)} {shortened([*map(repr, readers)], NAMES_SHOWN)}"
            raise ReadError(f"{self.path}: {branches}, entries {start} to {stop}: {lost.cause}") from lost

    def _by_uproot(self, readers: dict[str, BranchReader], start: int, stop: int) -> dict[str, Plain]:
        threads = self._threads or _rust.default_threads()
        if threads == 1 or len(readers) == 1:
            return _share({name: reader.read(start, stop) for name, reader in readers.items()}, readers.values())
        if self._executor is None:
            self._executor = ThreadPoolExecutor(threads, "mlaas4hep-decode")
        futures = {name: self._executor.submit(reader.read, start, stop) for name, reader in readers.items()}
        wait(futures.values())  # also where one fails, so that no thread is left behind
        return _share({name: future.result() for name, future in futures.items()}, readers.values())


def _native(readers: Mapping[str, Reader]) -> dict[str, _rust.BasketBranch]:
    return {name: reader.branch for name, reader in readers.items() if isinstance(reader, NativeBranch)}


def _with_offsets(column: Plain, reader: Reader, entries: int) -> Plain:
    """The column; arrays of a fixed size are lists of that length."""
    if isinstance(reader, NativeBranch) and reader.length and not isinstance(column, tuple):
        return np.arange(entries + 1, dtype=np.int64) * reader.length, column
    return column


def _share(columns: dict[str, Plain], readers: Iterable[BranchReader]) -> dict[str, Plain]:
    """Let jagged columns with equal offsets have them in one array: they take most of the memory otherwise."""
    known: list[NDArray[np.int64]] = []
    rests: list[NDArray[np.integer[Any]]] = []
    for name, column in columns.items():
        if isinstance(column, tuple):
            columns[name] = share(column[0], known), column[1]
    for reader in readers:
        reader.share_rest(rests)
    return columns
