"""Arrow IPC files and streams, and Feather 2, through pyarrow."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mlaas4hep.errors import SourceError
from mlaas4hep.inputs import is_url
from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import Storage, TreeInfo
from mlaas4hep.sources.memory import Memory
from mlaas4hep.sources.place import Place, place_of_source
from mlaas4hep.sources.tables.leaves import leaves_of
from mlaas4hep.sources.tables.source import LASTS, Columns, PieceSource, check_tree, edges_of, listed, opening

__all__ = ["ArrowSource", "list_trees", "open_tree"]

_MEMORY: "Memory[_Known]" = Memory()


def open_tree(path: str, tree: str | None, threads: int | None, reading: Reading) -> "ArrowSource":
    """Open the one table of an Arrow file or stream."""
    check_tree(path, tree, "Arrow")
    with place_of_source(path, reading) as place:
        return ArrowSource(place, threads, reading)


def list_trees(path: str, reading: Reading) -> list[TreeInfo]:
    """Return the one table of an Arrow file or stream; the format does not tell how a branch is stored."""
    return listed(open_tree(path, None, 1, reading))


@dataclass(frozen=True, slots=True)
class _Known:
    """The schema, and at which events the batches begin."""

    schema: Any
    edges: tuple[int, ...]


class ArrowSource(PieceSource):
    """The table of an Arrow file or stream. See ``Source`` for what its methods promise.

    Neither says how many events it has: the first open of a file goes through its batches and looks at one column of
    each, and that is remembered for as long as the file stays as it is. Of a file only the columns that are asked for
    are read, batch by batch in any order; a stream is read in order, and from its beginning again where a read goes
    back.
    """

    def __init__(self, place: Place, threads: int | None, reading: Reading) -> None:
        self._threads = threads
        self._remote = is_url(place.path)
        self._readers: dict[Columns, _Batches] = {}
        self._path, self._place = place.path, place
        key = (place.path, place.size, place.stamp) if place.stamp else None
        known = _MEMORY.get(key) if key else None
        if known is None:
            with opening(place.path, "Arrow"):
                known = self._learn()
            if key:
                _MEMORY.put(key, known)
        self._schema = known.schema
        leaves = leaves_of(known.schema, "pyarrow", flatten_nested=reading.flatten_nested)
        super().__init__(place, leaves, known.edges)

    def storage(self) -> dict[str, Storage]:
        """Return in how many record batches each branch is."""
        return dict.fromkeys(self._leaves, Storage(pieces=len(self._edges) - 1))

    def close(self) -> None:
        """Close the file."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        super().close()

    def _learn(self) -> _Known:
        reader = _Batches(self._bytes(), None, 1)
        schema = reader.schema
        reader.close()
        if not len(schema):
            raise SourceError(f"{self._path}: the Arrow file has no columns")
        reader = _Batches(self._bytes(), [_smallest(schema)], 1)
        try:
            lengths = []
            for batch in reader.all():
                batch.validate()
                lengths.append(len(batch))
        finally:
            reader.close()
        return _Known(schema, edges_of(lengths))

    def _bytes(self) -> Any:
        return pa.PythonFile(self._place.file(), "r") if self._remote else pa.OSFile(self._path)

    def _piece(self, number: int, columns: Columns) -> Any:
        reader = self._readers.pop(columns, None)
        if reader is None:
            indices = [index for index, name in enumerate(self._schema.names) if name in columns]
            reader = _Batches(self._bytes(), indices, self._threads)
        while len(self._readers) >= LASTS:
            self._readers.pop(next(iter(self._readers))).close()
        self._readers[columns] = reader
        return pa.Table.from_batches([reader.batch(number)])

    def _empty(self, columns: Columns) -> Any:
        return self._schema.empty_table().select(columns)


class _Batches:
    """The batches of a file or stream, with some of the columns; all of them where None is given."""

    def __init__(self, file: Any, indices: list[int] | None, threads: int | None) -> None:
        self._file = file
        self._options = pa.ipc.IpcReadOptions(use_threads=threads != 1, included_fields=indices)
        self._next = 0
        try:
            self._whole = file.read(6) == b"ARROW1"
            self._begin()
        except BaseException:
            file.close()
            raise

    def _begin(self) -> None:
        self._file.seek(0)
        opened = pa.ipc.open_file if self._whole else pa.ipc.open_stream
        self._reader = opened(self._file, options=self._options)
        self._next = 0

    @property
    def schema(self) -> Any:
        """The schema of the columns."""
        return self._reader.schema

    def all(self) -> Iterator[Any]:
        """Yield every batch."""
        if self._whole:
            yield from map(self._reader.get_batch, range(self._reader.num_record_batches))
        else:
            yield from self._reader

    def batch(self, number: int) -> Any:
        """Return one batch; of a stream the later ones cost least in their order."""
        if self._whole:
            return self._reader.get_batch(number)
        if number < self._next:
            self._begin()
        for _ in range(self._next, number):
            self._reader.read_next_batch()
        self._next = number + 1
        return self._reader.read_next_batch()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _smallest(schema: pa.Schema) -> int:
    """The column that costs least to look at: of the fixed width that takes fewest bits, else the first one."""
    widths = [(_bits(field.type), index) for index, field in enumerate(schema)]
    return min(widths)[1]


def _bits(type_: Any) -> int:
    try:
        return int(type_.bit_width) or 2**31  # a column of nulls has no buffers that would prove its length
    except ValueError:
        return 2**30
