"""Parquet files, through pyarrow."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlaas4hep.errors import SourceError
from mlaas4hep.inputs import is_url
from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import Storage, TreeInfo
from mlaas4hep.sources.place import Place, open_place
from mlaas4hep.sources.tables.leaves import Leaf, leaves_of
from mlaas4hep.sources.tables.source import LASTS, Columns, TableSource, check_tree, edges_of, listed, opening

__all__ = ["ParquetSource", "list_trees", "open_tree"]

BATCH = 2**24
"""Bytes of columns that are decoded at once."""

FETCHED = 2**26
"""Bytes of a remote file that are asked for together."""


def open_tree(path: str, tree: str | None, threads: int | None, reading: Reading) -> "ParquetSource":
    """Open the one table of a Parquet file."""
    check_tree(path, tree, "Parquet")
    return ParquetSource(open_place(path, reading), threads, reading)


def list_trees(path: str, reading: Reading) -> list[TreeInfo]:
    """Return the one table of a Parquet file, and how each branch is stored."""
    return listed(open_tree(path, None, 1, reading))


@dataclass(slots=True)
class _Stream:
    """Batches of some columns, and what is left of the last one; ``next`` is the event with which it begins."""

    batches: Iterator[Any]
    next: int
    size: int
    left: list[Any] = field(default_factory=list)


class ParquetSource(TableSource):
    """The table of a Parquet file. See ``Source`` for what its methods promise.

    Batches of equal size are decoded in order, across row groups, so that a large row group never is in memory as a
    whole, and small ones are joined. A read that begins where the last one of the same columns ended goes on with them;
    any other one begins at its row group.
    """

    decoded = True

    def __init__(self, place: Place, threads: int | None, reading: Reading) -> None:
        self._remote = is_url(place.path)
        self._bytes: Any = None
        try:
            with opening(place.path, "Parquet"):
                self._bytes = pa.PythonFile(place.file(), "r") if self._remote else pa.OSFile(place.path)
                self._file = pq.ParquetFile(
                    self._bytes, pre_buffer=self._remote, buffer_size=2**20, page_checksum_verification=True
                )
                leaves = leaves_of(self._file.schema_arrow, "pyarrow", flatten_nested=reading.flatten_nested)
                meta = self._file.metadata
                rows = [meta.row_group(number).num_rows for number in range(meta.num_row_groups)]
        except BaseException:
            self._close(place)
            raise
        edges = edges_of(rows)
        if meta.num_rows != edges[-1] or min(rows, default=0) < 0:
            self._close(place)
            raise SourceError(f"{place.path}: the Parquet file is damaged: its row groups do not add up to its events")
        super().__init__(place, leaves, edges[-1], edges)
        self._threads = threads
        self._streams: dict[Columns, _Stream] = {}
        self._sizes = self._measure()

    def storage(self) -> dict[str, Storage]:
        """Return how each branch is stored."""
        parts: dict[str, list[Any]] = {}
        for name, chunk in self._chunks():
            parts.setdefault(name, []).append(chunk)
        return {
            name: Storage(
                sum(chunk.total_compressed_size for chunk in chunks),
                sum(chunk.total_uncompressed_size for chunk in chunks),
                len(chunks),
                ", ".join(sorted({chunk.compression for chunk in chunks})),
            )
            for name, chunks in parts.items()
        }

    def close(self) -> None:
        """Close the file."""
        self._streams.clear()
        self._close(self._place)

    def _close(self, place: Place) -> None:
        if self._bytes is not None:
            with suppress(Exception):  # it was only read
                self._bytes.close()
        place.close()

    def _chunks(self) -> Iterator[tuple[str, Any]]:
        """Every column chunk with the name of its branch; the steps of lists are no part of the names of branches."""
        meta = self._file.metadata
        names = [self._branch_of(meta.schema.column(number)) for number in range(meta.num_columns)]
        for group in range(meta.num_row_groups):
            chunks = meta.row_group(group)
            for number, name in enumerate(names):
                if name in self._leaves:
                    yield name, chunks.column(number)

    def _branch_of(self, column: Any) -> str:
        """The name of the branch that a leaf of the file's schema is: it has the same fields."""
        parts = column.path.split(".")
        if column.max_repetition_level:
            parts = [
                part for at, part in enumerate(parts) if not at or part not in ("list", "element", "item", "array")
            ]
        return ".".join(parts)

    def _measure(self) -> dict[str, float]:
        """What an event of each branch takes in memory."""
        values: dict[str, int] = {}
        for name, chunk in self._chunks():
            values[name] = values.get(name, 0) + chunk.num_values
        events = max(1, self.entries)
        sizes = {}
        for name, leaf in self._leaves.items():
            size = np.dtype(leaf.branch.type).itemsize if leaf.branch.type else 64
            lists = 8 if leaf.branch.kind == "jagged" else 0
            sizes[name] = lists + size * max(1.0, values.get(name, events) / events)
        return sizes

    def _event_bytes(self, leaf: Leaf) -> float:
        return self._sizes[leaf.branch.name]

    def _size(self, event_bytes: float) -> int:
        """Events of a batch."""
        return max(1, min(2**20, int(BATCH / max(1.0, event_bytes))))

    def _cuts(self, leaves: Iterable[Leaf], event_bytes: float) -> NDArray[np.int64]:
        return np.arange(0, self.entries + 1, self._size(event_bytes))

    def _table(self, columns: Columns, start: int, stop: int) -> Any:
        if start == stop:
            return self._file.schema_arrow.empty_table().select(columns)
        stream = self._streams.pop(columns, None)
        if stream is None or stream.next > start or start - stream.next > stream.size:
            stream = self._begin(columns, start)
        parts = self._take(stream, columns, start - stream.next, stop - start)
        while len(self._streams) >= LASTS:
            del self._streams[next(iter(self._streams))]
        if stop < self.entries:
            self._streams[columns] = stream
        return pa.Table.from_batches(parts)

    def _begin(self, columns: Columns, start: int) -> _Stream:
        """Begin with the row group that has the event ``start``."""
        leaves = [leaf for leaf in self._leaves.values() if leaf.column in columns]
        size = self._size(sum(self._event_bytes(leaf) for leaf in leaves))
        group = int(np.searchsorted(self._edges, start, "right")) - 1
        return _Stream(self._batches(columns, group, size), int(self._edges[group]), size)

    def _batches(self, columns: Columns, first: int, size: int) -> Iterator[Any]:
        for groups in self._runs(first):
            yield from self._file.iter_batches(size, groups, columns=list(columns), use_threads=self._threads != 1)

    def _runs(self, first: int) -> Iterator[list[int]]:
        """Row groups that are read as one: all there are, but of a remote file no more than are fetched together."""
        run: list[int] = []
        fetched = 0
        for group in range(first, self._file.metadata.num_row_groups):
            size = self._file.metadata.row_group(group).total_byte_size if self._remote else 0
            if run and fetched + size > FETCHED:
                yield run
                run, fetched = [], 0
            run, fetched = [*run, group], fetched + size
        if run:
            yield run

    def _next(self, stream: _Stream, columns: Columns) -> Any:
        """The next batch; an error names the entries of this, which may be more than are asked for."""
        try:
            return next(stream.batches)
        except Exception as error:  # whatever pyarrow makes of damaged bytes
            stop = min(stream.next + stream.size, self.entries)
            raise self._damaged(columns, stream.next, stop, error) from error

    def _take(self, stream: _Stream, columns: Columns, skip: int, count: int) -> list[Any]:
        """The next events of a stream, after some that are skipped."""
        parts = []
        while count:
            batch = stream.left.pop() if stream.left else self._next(stream, columns)
            used = min(len(batch), skip or count)
            if used < len(batch):
                stream.left.append(batch.slice(used))
            if skip:
                skip -= used
            elif used:
                parts.append(batch.slice(0, used))
                count -= used
            stream.next += used
        return parts
