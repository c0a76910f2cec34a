"""Avro object container files, through fastavro."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mlaas4hep.errors import SourceError
from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import Storage, TreeInfo
from mlaas4hep.sources.memory import Memory
from mlaas4hep.sources.place import Place, place_of_source
from mlaas4hep.sources.tables.leaves import TYPENAME, leaves_of
from mlaas4hep.sources.tables.source import Columns, PieceSource, check_tree, edges_of, listed, opening

__all__ = ["AvroSource", "list_trees", "open_tree"]

JOINED = 2**20
"""Bytes up to which blocks are read as one piece."""

HEADER = 2**24
"""Most bytes of the header, which holds the schema."""

MARK = 16
"""Bytes of the mark behind every block."""

NUMBERS = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "null": pa.null(),
    "string": pa.string(),
    "enum": pa.string(),
}
OTHER = pa.binary()
"""Stands for types that are no numbers."""


def open_tree(path: str, tree: str | None, threads: int | None, reading: Reading) -> "AvroSource":
    """Open the one table of an Avro file."""
    check_tree(path, tree, "Avro")
    with place_of_source(path, reading) as place:
        return AvroSource(place, reading)


def list_trees(path: str, reading: Reading) -> list[TreeInfo]:
    """Return the one table of an Avro file; the columns of a block are stored together."""
    return listed(open_tree(path, None, 1, reading))


@dataclass(frozen=True, slots=True)
class _Known:
    """The schema, the header, and where the pieces are: first byte, last byte, and number of events."""

    schema: Any
    header: bytes
    codec: str
    pieces: tuple[tuple[int, int, int], ...]


_MEMORY: Memory[_Known] = Memory()


class AvroSource(PieceSource):
    """The table of an Avro file. See ``Source`` for what its methods promise.

    The first open of a file notes where blocks of events begin, without reading them; that is remembered for as long as
    the file stays as it is. Records are decoded one by one, with all of their fields, so that this format is slow.
    """

    def __init__(self, place: Place, reading: Reading) -> None:
        try:
            import fastavro
        except ImportError as error:
            raise SourceError(
                f"{place.path}: Avro files are read by fastavro, which is not installed: pip install 'mlaas4hep[avro]'"
            ) from error
        self._fastavro = fastavro
        key = (place.path, place.size, place.stamp) if place.stamp else None
        known = _MEMORY.get(key) if key else None
        if known is None:
            with opening(place.path, "Avro"):
                known = self._learn(place)
            if key:
                _MEMORY.put(key, known)
        self._known = known
        leaves = leaves_of(known.schema, "fastavro", flatten_nested=reading.flatten_nested)
        super().__init__(place, leaves, edges_of([rows for _, _, rows in known.pieces]))

    def storage(self) -> dict[str, Storage]:
        """Return how each branch is stored: all in the same way."""
        return dict.fromkeys(self._leaves, Storage(pieces=len(self._known.pieces), compression=self._known.codec))

    def _learn(self, place: Place) -> _Known:
        head = io.BytesIO(place.read(0, min(HEADER, place.size)))
        reader: Any = self._fastavro.reader(head)
        start = head.tell()
        schema = reader.writer_schema
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise SourceError(f"{place.path}: the events of the Avro file are no records")
        fields = [_field(field["name"], field["type"]) for field in schema["fields"]]
        pieces = tuple(_joined(_blocks(place, start, reader.codec == "null")))
        return _Known(pa.schema(fields), head.getvalue()[:start], reader.codec, pieces)

    def _piece(self, number: int, columns: Columns) -> Any:
        start, stop, _ = self._known.pieces[number]
        data = io.BytesIO(self._known.header + self._place.read(start, stop - start))
        records: list[Any] = list(self._fastavro.reader(data))
        types = [_readable(self._known.schema.field(name).type) for name in columns]
        arrays = [pa.array([one[name] for one in records], type_) for name, type_ in zip(columns, types, strict=True)]
        return pa.table(arrays, names=list(columns))

    def _empty(self, columns: Columns) -> Any:
        return self._known.schema.empty_table().select(columns)


def _blocks(place: Place, start: int, plain: bool) -> Iterator[tuple[int, int, int]]:
    """Yield where each block begins and ends, and how many events it has; ``plain`` ones have a byte for each."""
    while start < place.size:
        head = place.read(start, min(20, place.size - start))
        rows, at = _number(head, 0)
        size, at = _number(head, at)
        stop = start + at + size + MARK
        if rows < 0 or size < 0 or stop > place.size:
            raise ValueError("a block is longer than the file")
        if plain and rows > size:
            raise ValueError(f"a block has {rows} events in {size} bytes")
        yield start, stop, rows
        start = stop


def _joined(blocks: Iterator[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Join small neighbours."""
    begin = end = rows = 0
    for start, stop, more in blocks:
        if rows and stop - begin > JOINED:
            yield begin, end, rows
            rows = 0
        begin = begin if rows else start
        end, rows = stop, rows + more
    if rows:
        yield begin, end, rows


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of varying length, and where it ends."""
    number = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("the number of events of a block is damaged")
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at


def _field(name: str, type_: Any) -> Any:
    """The field of an Arrow schema for an Avro field."""
    found = _type(type_)
    return pa.field(name, found, metadata={TYPENAME: _words(type_)})


def _type(type_: Any) -> Any:
    """The Arrow type of an Avro type; a union with null may be null, others are no numbers."""
    if isinstance(type_, list):
        others = [one for one in type_ if one != "null"]
        return _type(others[0]) if len(others) == 1 else OTHER
    if isinstance(type_, str):
        return NUMBERS.get(type_, OTHER)
    if "logicalType" in type_:
        return OTHER
    return _complex(type_)


def _complex(type_: Mapping[str, Any]) -> Any:
    kind = type_["type"]
    if kind == "array":
        items = _type(type_["items"])
        return OTHER if items == OTHER else pa.list_(items)
    if kind in ("record", "error"):
        return pa.struct([(field["name"], _type(field["type"])) for field in type_["fields"]])
    return _type(kind) if not isinstance(kind, str) else NUMBERS.get(kind, OTHER)


def _readable(type_: Any) -> Any:
    """The type with fields in the place of those that are no numbers that no record has: they are null."""
    if pa.types.is_list(type_):
        return pa.list_(_readable(type_.value_type))
    if not pa.types.is_struct(type_):
        return type_
    fields = [type_.field(index) for index in range(type_.num_fields)]
    return pa.struct(
        [
            pa.field(f"\0{index}", pa.null()) if field.type == OTHER else pa.field(field.name, _readable(field.type))
            for index, field in enumerate(fields)
        ]
    )


def _words(type_: Any) -> str:
    """An Avro type in words."""
    if isinstance(type_, list):
        return " or ".join(map(_words, type_))
    if isinstance(type_, str):
        return type_
    kind = type_["type"]
    if "logicalType" in type_:
        return str(type_["logicalType"])
    return f"array of {_words(type_['items'])}" if kind == "array" else _words(kind)
