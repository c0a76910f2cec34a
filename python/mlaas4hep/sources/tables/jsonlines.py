"""JSON lines, through pyarrow."""

import io
import json
import re
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import json as arrow_json

from mlaas4hep.errors import SourceError, first_line
from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import TreeInfo
from mlaas4hep.sources.place import place_of_source
from mlaas4hep.sources.tables.source import Columns, check_tree, edges_of, listed
from mlaas4hep.sources.tables.text import (
    Block,
    Known,
    Text,
    TextSource,
    arrow_type,
    check_declared,
    learned,
    parsing,
    pieces,
)

__all__ = ["JsonSource", "list_trees", "open_tree"]

NEEDED = "is no JSON object; each event must be an object on a line of its own"
CHANGED = re.compile(r"JSON parse error: Column\(/([^/)]+).*\) changed from (\w+) to (\w+) in row (\d+)")
DEEPEST = 64
"""Most levels of lists and objects in each other; of some ten thousands pyarrow would end the process."""

STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
STEPS = bytes(1 if byte in b"[{" else 255 if byte in b"]}" else 0 for byte in range(256))
"""What each byte adds to the levels, as an int8."""

NO_OBJECT = re.compile(rb"(?:^|\n)[ \t\r]*null\b")
"""A line that is null, which ends the process in pyarrow where it comes first."""
ROW = re.compile(r"(.*) in row (\d+)")
MIXED = pa.binary()
"""Stands for the type of a column that has none."""


def open_tree(path: str, tree: str | None, threads: int | None, reading: Reading) -> "JsonSource":
    """Open the one table of a file of JSON lines."""
    check_tree(path, tree, "JSON lines")
    with place_of_source(path, reading) as place:
        known = learned(place, reading, "JSON lines", lambda text: _Learner(text, threads, reading).learn())
        return JsonSource(place, known, threads, reading)


def list_trees(path: str, reading: Reading) -> list[TreeInfo]:
    """Return the one table of a file of JSON lines."""
    return listed(open_tree(path, None, 1, reading))


def _parse(data: bytes, schema: Any, unexpected: str, threads: bool) -> Any:
    """Parse a block; fields outside of the schema are inferred or ignored."""
    size = max(2**16, len(data) // 4 + 1) if threads else len(data) + 1
    return arrow_json.read_json(
        io.BytesIO(data),
        arrow_json.ReadOptions(use_threads=threads, block_size=size),
        arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected),
    )


def _end_of(data: bytes) -> int:
    return data.rfind(b"\n") + 1


def _lines(block: Block, data: bytes) -> list[tuple[int, bytes]]:
    """The lines that are not empty, with their numbers."""
    return [(number, line) for number, line in enumerate(data.split(b"\n"), block.line) if line.strip()]


def _depth(data: bytes) -> int:
    """The levels of lists and objects in each other; more where there are brackets in strings, or none to close one."""
    return int(np.cumsum(np.frombuffer(data.translate(STEPS), np.int8), dtype=np.int32).max(initial=0))


def _check_depth(path: str, block: Block, data: bytes) -> None:
    """Raise if a line has more levels than are read."""
    if _depth(data) > DEEPEST:
        for number, line in _lines(block, data):
            if _depth(STRING.sub(b"", line)) > DEEPEST:
                raise SourceError(f"{path}: line {number} has lists or objects in more than {DEEPEST} others")


class _Learner:
    """The first pass over a text: the types of all values, and where blocks begin."""

    def __init__(self, text: Text, threads: int | None, reading: Reading) -> None:
        self._text = text
        self._reading = reading
        self._threads = threads != 1
        self._declared = pa.schema([(name, arrow_type(type_)) for name, type_ in reading.types.items()])
        self._seen: set[str] = set()
        self._types: dict[str, Any] = {}
        self._why_not: dict[str, str] = {}

    def learn(self) -> Known:
        """Read everything."""
        blocks, rows = [], []
        start = 3 if self._text.read(0, 3) == b"\xef\xbb\xbf" else 0
        for block, data in pieces(self._text, start, 1, _end_of):
            if not data.strip():
                continue
            _check_depth(self._text.path, block, data)
            if found := NO_OBJECT.search(data):
                line = block.line + data.count(b"\n", 0, found.end())
                raise SourceError(f"{self._text.path}: line {line} {NEEDED}")
            with parsing(self._text.path, block.line):
                table = self._table(block, data)
                self._add(table, block)
            self._seen |= {name for name in self._declared.names if json.dumps(name).encode() in data}
            blocks.append(block)
            rows.append(len(table))
        if not blocks:
            raise SourceError(f"{self._text.path}: there is no event; it must have a JSON object a line")
        for name in self._why_not:
            self._types[name] = MIXED
        check_declared(self._text.path, self._reading, [name for name in self._types if name not in self._absent()])
        schema = pa.schema([pa.field(name, type_) for name, type_ in self._types.items()])
        return Known(schema, tuple(blocks), edges_of(rows), self._why_not)

    def _absent(self) -> set[str]:
        return {name for name in self._declared.names if name not in self._seen}

    def _table(self, block: Block, data: bytes) -> Any:
        """Parse a block, without the columns whose values are now of this, now of that type.

        What is wrong is looked for without threads, since only then its row is known.
        """
        for name in self._why_not:
            data = _without(data, name)
        if self._threads:
            with suppress(pa.ArrowInvalid):
                return _parse(data, self._declared, "infer", True)
        while True:
            try:
                return _parse(data, self._declared, "infer", False)
            except pa.ArrowInvalid as error:
                found = CHANGED.match(first_line(error))
                if found is None or found[1] in self._declared.names or found[1] in self._why_not:
                    raise self._error(first_line(error), block, data) from None
                line = _lines(block, data)[int(found[4])][0]
                self._why_not[found[1]] = f"now {found[2]}, now {found[3]} as in line {line}"
                data = _without(data, found[1])

    def _error(self, message: str, block: Block, data: bytes) -> SourceError:
        """What is wrong with a block: the first line that is no object, or a value that is not of its declared type."""
        path = self._text.path
        for number, line in _lines(block, data):
            try:
                value = [] if line.lstrip().startswith(b"[") else json.loads(line)
            except (ValueError, RecursionError) as error:
                return SourceError(f"{path}: line {number} is no JSON: {error}; it must have a JSON object a line")
            if not isinstance(value, dict):
                needed = NEEDED.replace("is no JSON object", "begins a JSON array") if value == [] else NEEDED
                return SourceError(f"{path}: line {number} {needed}")
            for name in self._declared.names:
                if wrong := self._wrong(line, name):
                    return SourceError(f"{path}: line {number}, column {name!r}: {wrong}")
        if found := ROW.match(message):
            number = _lines(block, data)[int(found[2])][0]
            return SourceError(f"{path}: line {number} cannot be read: {found[1]}")
        return SourceError(f"{path}: the lines from {block.line} on cannot be read: {message}")

    def _wrong(self, line: bytes, name: str) -> str:
        """What is wrong with the declared column of one line."""
        only = pa.schema([self._declared.field(name)])
        try:
            _parse(line, only, "ignore", False)
        except pa.ArrowInvalid:
            return f"{json.dumps(json.loads(line)[name])} is no {self._reading.types[name]}, which is declared"
        return ""

    def _add(self, table: Any, block: Block) -> None:
        """Note the types of the columns of a block."""
        for field in table.schema:
            if field.name in self._why_not:
                continue
            before = self._types.get(field.name, pa.null())
            after = _common(before, field.type)
            if after is None:
                after = MIXED
                self._why_not[field.name] = f"now {before}, now {field.type} in the lines from {block.line} on"
            self._types[field.name] = after


def _common(left: Any, right: Any) -> Any:
    """The type that has the values of both; None where there is none."""
    texts = [type_ for type_ in (left, right) if pa.types.is_string(type_) or pa.types.is_timestamp(type_)]
    if len(texts) == 2:
        return left if left == right else pa.string()
    schemas = [pa.schema([("", type_)]) for type_ in (left, right)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def _without(data: bytes, name: str) -> bytes:
    """The same lines without one column."""
    kept = []
    for line in data.split(b"\n"):
        try:
            value = json.loads(line) if line.strip() else None
        except ValueError:
            value = None
        if isinstance(value, dict):
            value.pop(name, None)
            line = json.dumps(value).encode()
        kept.append(line)
    return b"\n".join(kept)


class JsonSource(TextSource):
    """The table of a file of JSON lines: an object an event. See ``Source`` for the methods.

    Numbers and lists of numbers are branches, objects in them have fields with dots in their names. A key that an
    object lacks is null.
    """

    def _parse(self, data: bytes, columns: Columns, threads: bool) -> Any:
        return _parse(data, pa.schema([self._known.schema.field(name) for name in columns]), "ignore", threads)
