"""Columns of an RNTuple: their pages, fetched together and decoded one by one, each once in a pass."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np
import uproot
import xxhash
from numpy.typing import NDArray
from uproot.source.chunk import Chunk
from uproot.source.cursor import Cursor

from mlaas4hep.errors import MLaaSError
from mlaas4hep.sources.localfile import TooShort
from mlaas4hep.sources.place import Place
from mlaas4hep.sources.root.baskets import SECONDS, words
from mlaas4hep.sources.root.encoding import Encoding, encoding_of

__all__ = ["CHECKSUM", "Column", "DamagedColumn", "PageReader"]

CHECKSUM = 8
"""Bytes of the checksum behind a page or a list of pages."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a field, by its number; where it has several representations, a cluster has one of them.

    ``per_event`` is how many elements each event has, 0 where that varies.
    """

    numbers: tuple[int, ...]
    per_event: int = 0


class DamagedColumn(Exception):
    """A column cannot be read; the message says why."""

    def __init__(self, column: Column, why: str) -> None:
        super().__init__(why)
        self.column = column


@dataclass(slots=True)
class _Pages:
    """The pages of a column in one cluster: page ``i`` has the elements from ``edges[i]`` to ``edges[i + 1]``.

    Elements before the first page are of events that were there before the column was added; they are 0. ``kept`` is
    the last page that was decoded, if it may be needed again.
    """

    cluster: int
    encoding: Encoding
    pages: list[Any]
    edges: NDArray[np.int64]
    kept: tuple[int, NDArray[Any]] | None = None

    def needed(self, start: int, stop: int) -> Iterator[int]:
        """Yield the numbers of pages with elements from ``start`` to ``stop`` that are not kept."""
        first = int(np.searchsorted(self.edges[1:], start, "right"))
        last = int(np.searchsorted(self.edges[:-1], stop, "left"))
        kept = -1 if self.kept is None else self.kept[0]
        return (number for number in range(first, last) if number != kept)

    def join(self, decoded: dict[int, NDArray[Any]], dtype: np.dtype[Any], start: int, stop: int) -> NDArray[Any]:
        """Return the elements, and keep the page in which they end."""
        parts = decoded if self.kept is None else {self.kept[0]: self.kept[1]} | decoded
        found = np.zeros(stop - start, dtype)
        for number, values in parts.items():
            at = int(self.edges[number])
            first, last = max(start, at), min(stop, at + len(values))
            if first < last:
                found[first - start : last - start] = values[first - at : last - at]
        if parts:
            number = max(parts)
            # Also a page that is used up: the end of its last list is where the next one begins.
            self.kept = (number, parts[number]) if self.edges[-1] > stop else None
        return found


class PageReader:
    """Reads columns, cluster by cluster; on several threads if it may.

    Of each column the page is kept in which the last range ended, so that reading on decodes no page again. Not for
    two threads at once.
    """

    def __init__(self, place: Place, ntuple: Any, threads: int) -> None:
        self._place = place
        self._ntuple = ntuple
        self._columns: dict[Column, _Pages] = {}
        self._executor = ThreadPoolExecutor(threads, "mlaas4hep-decode") if threads > 1 else None
        self._lock = Lock()
        self.seconds = dict.fromkeys(SECONDS, 0.0)

    def read(self, cluster: int, wanted: Mapping[Column, tuple[int, int]]) -> dict[Column, NDArray[Any]]:
        """Return of each column the elements from start to stop, by their numbers in the cluster.

        Raises ``DamagedColumn``, also where a column has not so many elements.
        """
        columns = {column: self._pages(cluster, column, stop) for column, (_, stop) in wanted.items()}
        tasks = [(column, number) for column, span in wanted.items() for number in columns[column].needed(*span)]
        data = self._fetch(tasks)
        decoded: dict[Column, dict[int, NDArray[Any]]] = defaultdict(dict)
        for (column, number), values in zip(tasks, self._all_decoded(tasks, data), strict=True):
            decoded[column][number] = values
        return {
            column: pages.join(decoded[column], self.dtype(column), *wanted[column])
            for column, pages in columns.items()
        }

    def dtype(self, column: Column) -> np.dtype[Any]:
        """Return the type of a column, whatever its representation."""
        return dtype_of(self._ntuple, column)

    def elements(self, column: Column) -> int:
        """Return how many elements a column has in all clusters."""
        listed = self._ntuple.page_link_list
        return sum(
            page.num_elements
            for columns in listed
            for number in column.numbers
            if number < len(columns)
            for page in columns[number].pages
        )

    def close(self) -> None:
        """Let the threads go."""
        if self._executor is not None:
            self._executor.shutdown()

    def _pages(self, cluster: int, column: Column, stop: int) -> _Pages:
        found = self._columns.get(column)
        if found is None or found.cluster != cluster:
            found = self._columns[column] = self._find(cluster, column)
        if stop > found.edges[-1]:
            raise DamagedColumn(column, f"there are {found.edges[-1]} values instead of {stop}")
        return found

    def _find(self, cluster: int, column: Column) -> _Pages:
        listed = self._ntuple.page_link_list[cluster]
        there = (number for number in column.numbers if number < len(listed) and not listed[number].suppressed)
        number = next(there, None)
        pages = [] if number is None else listed[number].pages
        record = self._ntuple.column_records[column.numbers[0] if number is None else number]
        summary = self._ntuple.cluster_summaries[cluster]
        most, first = column.per_event * summary.num_entries, column.per_event * summary.num_first_entry
        before = max(0, min(most, record.first_element_index - first))
        edges = before + np.cumsum([0, *(page.num_elements for page in pages)], dtype=np.int64)
        if column.per_event and edges[-1] != most:
            raise DamagedColumn(column, f"there are {edges[-1]} values instead of {most}")
        return _Pages(cluster, encoding_of(record), pages, edges)

    def _fetch(self, tasks: list[tuple[Column, int]]) -> list[bytes]:
        """The bytes of pages, checksum included."""
        ranges = []
        for column, number in tasks:
            page = self._columns[column].pages[number]
            start = page.locator.offset
            stop = start + page.locator.num_bytes + CHECKSUM * page.has_checksum
            if stop > self._place.size:
                raise DamagedColumn(column, f"the file ends too early: it has {self._place.size} bytes, not {stop}")
            ranges.append((start, stop))
        try:
            with self._timed("fetching"):
                return self._place.fetch(ranges)
        except TooShort as error:
            raise DamagedColumn(tasks[0][0], str(error)) from error

    def _all_decoded(self, tasks: list[tuple[Column, int]], data: list[bytes]) -> Iterable[NDArray[Any]]:
        if self._executor is None:
            return map(self._decode, tasks, data)
        return list(self._executor.map(self._decode, tasks, data))

    def _decode(self, task: tuple[Column, int], data: bytes) -> NDArray[Any]:
        column, number = task
        page, encoding = self._columns[column].pages[number], self._columns[column].encoding
        try:
            with self._timed("decompression"):
                plain = self._plain(page, data, encoding.size(page.num_elements))
            with self._timed("decoding"):
                return encoding.decode(plain, page.num_elements)
        except MLaaSError:
            raise
        except Exception as error:  # whatever uproot or a decompressor makes of damaged bytes
            raise DamagedColumn(column, words(error)) from error

    def _plain(self, page: Any, data: bytes, size: int) -> NDArray[np.uint8]:
        """The decompressed bytes of a page, once its checksum is right."""
        stored = page.locator.num_bytes
        if page.has_checksum and xxhash.xxh3_64_intdigest(data[:stored]) != int.from_bytes(data[stored:], "little"):
            raise ValueError("the checksum of a page is wrong")
        plain = np.frombuffer(data, np.uint8, stored)
        if stored >= size:
            return plain
        chunk = Chunk.wrap(self._ntuple.file.source, plain)
        found: NDArray[np.uint8] = uproot.compression.decompress(chunk, Cursor(0), {}, stored, size).raw_data
        return found

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begin = perf_counter()
        yield
        with self._lock:
            self.seconds[what] += perf_counter() - begin


def dtype_of(ntuple: Any, column: Column) -> np.dtype[Any]:
    """Return the type of a column's numbers: the one that holds those of all its representations."""
    return np.result_type(*(encoding_of(ntuple.column_records[number]).dtype for number in column.numbers))
