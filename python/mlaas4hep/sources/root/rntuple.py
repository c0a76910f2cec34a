"""RNTuples in ROOT files: uproot knows what is in them and where, their pages come from a place."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import join_offsets
from mlaas4hep.errors import BranchError, ReadError, SourceError, first_line, nearest
from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import Branch, Column, Storage
from mlaas4hep.sources.clusters import ALONE, Turn, check_range, join
from mlaas4hep.sources.place import Place
from mlaas4hep.sources.root.baskets import STRING_BYTES, strings
from mlaas4hep.sources.root.fields import Field, Level, fields_of
from mlaas4hep.sources.root.pages import CHECKSUM, DamagedColumn, PageReader

__all__ = ["KnownNTuple", "RNTupleSource", "learn"]

FIELD, PAGES = 2**12, 1200
"""Bytes of what uproot makes of a field, and of the list of its pages in a cluster."""

Levels = tuple[Level, ...]


@dataclass(frozen=True, slots=True, eq=False)
class KnownNTuple:
    """One RNTuple: uproot's object, and its fields by the names of their branches. No file is open for it.

    ``edges`` are the entries at which clusters begin, and the number of entries.
    """

    name: str
    entries: int
    ntuple: Any
    fields: dict[str, Field]
    schema: dict[str, Branch]
    edges: NDArray[np.int64]

    @property
    def storage(self) -> dict[str, Storage]:
        """How the branches are stored: uproot does not tell."""
        return {}

    @property
    def size(self) -> int:
        """Bytes that it takes, about: most of it are uproot's objects."""
        return (FIELD + PAGES * (len(self.edges) - 1)) * len(self.fields)


def learn(path: str, name: str, ntuple: Any, reading: Reading) -> KnownNTuple:
    """Ask uproot for everything that it must have the file for; ``SourceError`` says that it is damaged."""
    try:
        fields = fields_of(ntuple, reading)
        _check_page_lists(ntuple)
        clusters = [(cluster.num_first_entry, cluster.num_entries) for cluster in ntuple.cluster_summaries]
        _ = ntuple.page_link_list
    except Exception as error:
        why = first_line(error)
        if isinstance(error, AssertionError) and not str(error):
            why = "a checksum is wrong"
        raise SourceError(f"{path}: RNTuple {name!r} is damaged: {why}") from error
    edges = np.cumsum([0, *(count for _, count in clusters)], dtype=np.int64)
    if edges[:-1].tolist() != [first for first, _ in clusters]:
        raise SourceError(f"{path}: RNTuple {name!r} is damaged: its clusters do not follow each other")
    counters = {field.levels: branch for branch, field in fields.items() if field.counter}
    schema = {branch: field.branch(branch, counters.get(field.levels, "")) for branch, field in fields.items()}
    return KnownNTuple(name, int(edges[-1]), ntuple, fields, schema, edges)


def _check_page_lists(ntuple: Any) -> None:
    """Verify the checksums of the lists of pages, which uproot does not."""
    for group in ntuple.footer.cluster_group_records:
        link = group.page_list_link
        chunk, _ = ntuple.read_locator(link.locator, link.env_uncomp_size)
        data = bytes(chunk.raw_data)
        if xxhash.xxh3_64_intdigest(data[:-CHECKSUM]) != int.from_bytes(data[-CHECKSUM:], "little"):
            raise ValueError("the checksum of a list of pages is wrong")


class RNTupleSource:
    """One RNTuple of an open ROOT file. See ``Source`` for what its methods promise."""

    def __init__(self, place: Place, known: KnownNTuple, threads: int | None) -> None:
        self.path = place.path
        self.tree = known.name
        self.entries = known.entries
        self.state = place.state
        self._known = known
        self._place = place
        self._pages = PageReader(self._place, known.ntuple, threads or _rust.default_threads())

    def schema(self) -> dict[str, Branch]:
        """Return every branch by its name, in the file's order."""
        return self._known.schema

    def clusters(self, columns: Sequence[str], start: int, stop: int, turn: Turn = ALONE) -> list[tuple[int, int]]:
        """Return ranges of at most 32 MB from ``start`` to ``stop``, cut between clusters of the RNTuple."""
        check_range(self.path, self.entries, start, stop)
        event_bytes = sum(self._event_bytes(self._field(name)) for name in dict.fromkeys(columns))
        return join([self._known.edges], event_bytes, start, stop, turn)

    def read(self, columns: Sequence[str], start: int, stop: int) -> dict[str, Column]:
        """Return the columns of the events from ``start`` to ``stop``."""
        check_range(self.path, self.entries, start, stop)
        fields = {name: self._field(name) for name in columns}
        parts = [self._part(fields, *overlap) for overlap in self._overlaps(start, stop)]
        joined: dict[Levels, NDArray[np.int64]] = {}
        return {name: self._column(field, parts, joined, stop - start) for name, field in fields.items()}

    @property
    def seconds(self) -> dict[str, float]:
        """What threads spent so far on bytes, on decompression and on decoding."""
        return dict(self._pages.seconds)

    def close(self) -> None:
        """Close the file."""
        self._pages.close()
        self._place.close()

    def _field(self, name: str) -> Field:
        if name not in self._known.fields:
            hint = nearest(name, self._known.fields)
            raise BranchError(f"{self.path}: RNTuple {self.tree!r} has no branch {name!r}{hint}")
        field = self._known.fields[name]
        if field.kind == "other":
            raise BranchError(f"{self.path}: branch {name!r} is no column: {field.why_not}")
        return field

    def _overlaps(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield every cluster with entries from ``start`` to ``stop``, and which of its entries these are."""
        edges = self._known.edges
        number = int(np.searchsorted(edges, start, "right")) - 1
        while start < stop:
            end = min(stop, int(edges[number + 1]))
            if end > start:
                yield number, start - int(edges[number]), end - int(edges[number])
                start = end
            number += 1

    def _part(self, fields: dict[str, Field], cluster: int, start: int, stop: int) -> "_Part":
        """Some entries of a cluster."""
        part = _Part(self._pages, cluster, start, stop)
        try:
            part.find({field.levels for field in fields.values()})
            part.load(fields.values())
        except DamagedColumn as error:
            begin, end = self._known.edges[cluster : cluster + 2]
            damaged = (
                name
                for name, field in fields.items()
                if error.column in (field.column, *(level.column for level in field.levels))
            )
            raise ReadError(f"{self.path}: branch {next(damaged)!r}, entries {begin} to {end}: {error}") from error
        return part

    def _column(
        self, field: Field, parts: list["_Part"], joined: dict[Levels, NDArray[np.int64]], entries: int
    ) -> Column:
        """The column of a range from its parts; collections share their offsets."""
        if field.levels and field.levels not in joined:
            joined[field.levels] = join_offsets([part.positions[field.levels] for part in parts])
        offsets = joined.get(field.levels)
        if field.column is None:
            assert offsets is not None
            return np.diff(offsets).astype(field.dtype)
        contents = [part.values[field.column] for part in parts]
        content = (
            contents[0]
            if len(contents) == 1
            else np.concatenate([np.empty(0, self._pages.dtype(field.column)), *contents])
        )
        if offsets is None:
            return content
        if field.kind == "string":
            return strings(offsets, content.tobytes())
        if field.kind == "jagged":
            return offsets, content
        present = np.diff(offsets) > 0
        values = np.zeros(entries, content.dtype)
        values[present] = content
        return _rust.Masked(values, present, valid_when=True)

    def _event_bytes(self, field: Field) -> float:
        """What an entry takes in memory, on average."""
        size = 1 if field.dtype is None else field.dtype.itemsize
        if field.column is None or (field.kind == "flat" and not field.levels):
            return float(size)
        elements = self._pages.elements(field.column) / max(1, self.entries)
        return elements * size + (STRING_BYTES if field.kind == "string" else 8)


class _Part:
    """Some entries of a cluster: where the elements of each of them lie, and the elements."""

    def __init__(self, pages: PageReader, cluster: int, start: int, stop: int) -> None:
        self._pages = pages
        self._cluster = cluster
        self.positions: dict[Levels, NDArray[np.int64]] = {(): np.arange(start, stop + 1, dtype=np.int64)}
        self.values: dict[Any, NDArray[Any]] = {}

    def find(self, wanted: set[Levels]) -> None:
        """Follow levels, those of all branches side by side, so that their pages are fetched together."""
        for depth in range(1, 1 + max(map(len, wanted), default=0)):
            levels = {path[:depth] for path in wanted if len(path) >= depth}
            spans = {path[-1].column: self._span(path[:-1]) for path in levels}
            ends = self._pages.read(
                self._cluster, {column: (max(0, start - 1), stop) for column, (start, stop) in spans.items() if column}
            )
            for path in levels:
                column, positions = path[-1].column, self.positions[path[:-1]]
                if column is None:
                    self.positions[path] = positions * path[-1].length
                else:
                    self.positions[path] = _step(positions, ends[column], path[-1])

    def load(self, fields: Iterable[Field]) -> None:
        """Read the elements themselves."""
        spans = {field.column: self._span(field.levels) for field in fields if field.column is not None}
        self.values = dict(self._pages.read(self._cluster, spans))

    def _span(self, levels: Levels) -> tuple[int, int]:
        positions = self.positions[levels]
        return int(positions[0]), int(positions[-1])


def _step(positions: NDArray[np.int64], ends: NDArray[Any], level: Level) -> NDArray[np.int64]:
    """Where lists begin whose numbers are given; ``ends`` has those of the lists, from the one before the first."""
    assert level.column is not None
    all_ends = ends.astype(np.int64)
    if positions[0] == 0:
        all_ends = np.concatenate([np.zeros(1, np.int64), all_ends])
    lengths = np.diff(all_ends)
    if all_ends[0] < 0 or np.any(lengths < 0) or (level.nullable and np.any(lengths > 1)):
        raise DamagedColumn(level.column, "the data are damaged (the lengths of its lists make no sense)")
    found: NDArray[np.int64] = all_ends[positions - positions[0]]
    return found
