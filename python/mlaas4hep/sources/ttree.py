"""TTrees in local ROOT files, through uproot."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BranchError, nearest
from mlaas4hep.sources.baskets import SECONDS, BranchReader, share
from mlaas4hep.sources.branch import Branch, Column, TreeInfo
from mlaas4hep.sources.clusters import join
from mlaas4hep.sources.known import Known, known_tree, known_trees
from mlaas4hep.sources.localfile import LocalFile

__all__ = ["TTreeSource", "list_trees", "open_tree"]


def open_tree(path: str, tree: str | None, executor: Executor | None) -> "TTreeSource":
    """Open one tree of a ROOT file: the one that is named, else the only one."""
    return TTreeSource(path, known_tree(path, tree), executor)


def list_trees(path: str) -> list[TreeInfo]:
    """Return every tree of a ROOT file with its branches."""
    return [TreeInfo(tree.name, tree.entries, tuple(tree.schema.values())) for tree in known_trees(path)]


class TTreeSource:
    """One tree of an open ROOT file. See ``Source`` for what its methods promise."""

    def __init__(self, path: str, known: Known, executor: Executor | None) -> None:
        self.path = path
        self.tree = known.name
        self.entries = known.entries
        self._known = known
        self._file = LocalFile(path)
        self._executor = executor
        self._readers: dict[str, BranchReader] = {}

    def schema(self) -> dict[str, Branch]:
        """Return every branch by its name, in the file's order."""
        return self._known.schema

    def clusters(self, columns: Sequence[str], start: int, stop: int) -> list[tuple[int, int]]:
        """Return ranges of at most 32 MB from ``start`` to ``stop``, cut where the columns begin baskets."""
        self._check(start, stop)
        readers = [self._reader(name) for name in dict.fromkeys(columns)]
        for reader in readers:
            reader.check(stop)
        boundaries = (np.asarray(reader.edges) for reader in readers)
        return join(boundaries, sum(reader.event_bytes for reader in readers), start, stop)

    def read(self, columns: Sequence[str], start: int, stop: int) -> dict[str, Column]:
        """Return the columns of the events from ``start`` to ``stop``."""
        self._check(start, stop)
        readers = {name: self._reader(name) for name in columns}
        if self._executor is None:
            return _share({name: reader.read(start, stop) for name, reader in readers.items()}, readers.values())
        futures = {name: self._executor.submit(reader.read, start, stop) for name, reader in readers.items()}
        wait(futures.values())  # also where one fails, so that no thread is left behind
        return _share({name: future.result() for name, future in futures.items()}, readers.values())

    @property
    def seconds(self) -> dict[str, float]:
        """What threads spent so far on bytes, on decompression and on decoding."""
        spent = [reader.seconds for reader in self._readers.values()]
        return {what: sum(seconds[what] for seconds in spent) for what in SECONDS}

    def close(self) -> None:
        """Close the file."""
        self._readers.clear()
        self._file.close()

    def _reader(self, name: str) -> BranchReader:
        if name not in self._readers:
            if name not in self._known.branches:
                hint = nearest(name, self._known.branches)
                raise BranchError(f"{self.path}: tree {self.tree!r} has no branch {name!r}{hint}")
            branch, layout = self._known.branches[name]
            if layout.kind == "other":
                raise BranchError(f"{self.path}: branch {name!r} is no column: {layout.why_not}")
            self._readers[name] = BranchReader(branch, name, layout, self._file)
        return self._readers[name]

    def _check(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.entries:
            raise IndexError(f"{self.path}: entries {start} to {stop} of {self.entries}")


def _share(columns: dict[str, Column], readers: Iterable[BranchReader]) -> dict[str, Column]:
    """Let jagged columns with equal offsets have them in one array: they take most of the memory otherwise."""
    known: list[NDArray[np.int64]] = []
    rests: list[NDArray[np.integer[Any]]] = []
    for name, column in columns.items():
        if isinstance(column, tuple):
            columns[name] = share(column[0], known), column[1]
    for reader in readers:
        reader.share_rest(rests)
    return columns
