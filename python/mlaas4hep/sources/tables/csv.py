"""CSV files, through pyarrow."""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from mlaas4hep.errors import SourceError, first_line
from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import TreeInfo
from mlaas4hep.sources.place import place_of_source
from mlaas4hep.sources.tables.leaves import is_string
from mlaas4hep.sources.tables.source import Columns, check_tree, edges_of, listed
from mlaas4hep.sources.tables.text import (
    LONGEST,
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

__all__ = ["CsvSource", "list_trees", "open_tree"]

NUMBER = r"^\s*[+-]?(0x[0-9a-f]+|inf(inity)?|nan|([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?)\s*$"
CONVERSION = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to \w+: invalid value '(.*)'$")
FIELDS = re.compile(r"CSV parse error: (?:Row #(\d+): )?Expected (\d+) columns, got (\d+)")


def open_tree(path: str, tree: str | None, threads: int | None, reading: Reading) -> "CsvSource":
    """Open the one table of a CSV file."""
    check_tree(path, tree, "CSV")
    with place_of_source(path, reading) as place:
        known = learned(place, reading, "CSV", lambda text: _Learner(text, threads, reading).learn())
        return CsvSource(place, known, threads, reading)


def list_trees(path: str, reading: Reading) -> list[TreeInfo]:
    """Return the one table of a CSV file."""
    return listed(open_tree(path, None, 1, reading))


@dataclass(frozen=True, slots=True)
class Form:
    """How the text is written: the names of its columns, what stands between fields and behind lines, whether packed.

    ``start`` and ``line`` are the byte and the line with which the events begin.
    """

    names: tuple[str, ...]
    delimiter: str
    newline: bytes
    start: int
    line: int

    def flat(self, data: bytes) -> bytes:
        """Return the bytes with a zero in the place of every newline inside of quotes.

        A quote opens a field only where that begins, as in pyarrow. Where all that seem to open one stand there, or
        behind the quote that they double, a newline is inside if the number of quotes before it is odd.
        """
        if b'"' not in data:
            return data
        array = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(array == ord('"'))
        newlines = np.flatnonzero(array == self.newline[0])
        opening = quotes[::2]
        if not np.isin(array[opening[opening > 0] - 1], [*b'\r\n"', ord(self.delimiter)]).all():
            return self._quoted.sub(lambda found: found[0].replace(self.newline, b"\0"), data)
        inside = newlines[np.searchsorted(quotes, newlines) % 2 == 1]
        if not len(inside):
            return data
        flat = array.copy()
        flat[inside] = 0
        return flat.tobytes()

    @property
    def _quoted(self) -> re.Pattern[bytes]:
        """Matches a field in quotes, up to the end where they are not closed."""
        begin = rb"(?:^|(?<=[\r\n" + re.escape(self.delimiter.encode()) + rb"]))"
        return re.compile(begin + rb'"[^"]*(?:""[^"]*)*(?:"|(\Z))')

    def unclosed(self, data: bytes) -> int | None:
        """Return where a quote begins that is not closed."""
        if data.count(b'"') % 2 == 0:
            return None
        return next((found.start() for found in self._quoted.finditer(data) if found[1] is not None), None)

    def end_of(self, data: bytes) -> int:
        """Return where the last whole line ends."""
        return self.flat(data).rfind(self.newline) + 1

    def line_of(self, block: Block, data: bytes, row: int) -> int:
        """Return the number of the line that has an event of a block; empty lines are none."""
        number = block.line
        for line in self.flat(data).split(self.newline):
            if line.strip(b"\r\n"):
                if row == 0:
                    break
                row -= 1
            number += 1 + line.count(0)
        return number


def _form(text: Text) -> Form:
    """Find out how a text is written, from its first line."""
    data = text.read(0, 2**20)
    while b"\n" not in data and b"\r" not in data and len(data) < LONGEST:
        more = text.read(len(data), 2**20)
        if not more:
            break
        data += more
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{text.path}: the text is written in UTF-16; write it in UTF-8")
    mark = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    newline = b"\n" if b"\n" in data or b"\r" not in data else b"\r"
    draft = Form((), ",", newline, mark, 1)
    end = draft.flat(data[mark:]).find(newline) + 1 or len(data) - mark
    names, delimiter = _names(text.path, data[mark : mark + end])
    return Form(names, delimiter, newline, mark + end, 1 + data[mark : mark + end].count(newline))


def _names(path: str, header: bytes) -> tuple[tuple[str, ...], str]:
    """The names of the columns, and what stands between them."""
    try:
        line = header.decode("utf-8")
    except UnicodeDecodeError:
        line = "\0"
    if "\0" in line:
        raise SourceError(f"{path}: this is CSV by its name, but not by its content: line 1 is no text in UTF-8")
    delimiter = _delimiter(path, line)
    try:
        found = next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise SourceError(f"{path}: line 1, the names of the columns, cannot be read: {error}") from None
    names = tuple(name.strip() for name in found)
    if not any(names):
        raise SourceError(f"{path}: line 1 is empty; it must have the names of the columns")
    twice = next((name for name, number in Counter(names).items() if number > 1), None)
    if twice is not None:
        raise SourceError(f"{path}: line 1: two columns have the name {twice!r}; give each a name of its own")
    if all(re.match(NUMBER, name, re.IGNORECASE) for name in names):
        raise SourceError(f"{path}: line 1 has numbers ({', '.join(names[:3])}); it must have the names of the columns")
    return names, delimiter


def _delimiter(path: str, line: str) -> str:
    """A tab where the name of the file says so; else what the first line has: comma, semicolon or tab."""
    name = path.partition("?")[0].lower()
    if ".tsv" in name[-9:] or ".tab" in name[-9:]:
        return "\t"
    bare = re.sub('"[^"]*"', "", line)
    return next((found for found in (",", ";", "\t") if found in bare), ",")


def _parse(form: Form, data: bytes, types: Mapping[str, Any], columns: Columns, threads: bool) -> Any:
    """Parse a block; types that are not given are inferred. Without threads an error says in which row."""
    size = max(2**16, len(data) // 4 + 1) if threads else len(data) + 1
    return arrow_csv.read_csv(
        io.BytesIO(data),
        arrow_csv.ReadOptions(use_threads=threads, block_size=size, column_names=form.names),
        arrow_csv.ParseOptions(delimiter=form.delimiter, newlines_in_values=b'"' in data),
        arrow_csv.ConvertOptions(
            column_types={name: types[name] for name in columns if name in types},
            include_columns=columns,
            strings_can_be_null=True,
        ),
    )


class _Learner:
    """The first pass over a text: the types of all values, and where blocks begin."""

    def __init__(self, text: Text, threads: int | None, reading: Reading) -> None:
        self._text = text
        self._threads = threads != 1
        self._reading = reading
        self._form = _form(text)
        check_declared(text.path, reading, list(self._form.names))
        self._declared = {name: arrow_type(type_) for name, type_ in reading.types.items()}
        self._types: dict[str, Any] = dict.fromkeys(self._form.names, pa.null())
        self._why_not: dict[str, str] = {}

    def learn(self) -> Known:
        """Read everything."""
        blocks, rows = [], []
        form = self._form
        for block, data in pieces(self._text, form.start, form.line, form.end_of, form.newline):
            if not data.strip(b"\r\n"):
                continue
            if (quote := form.unclosed(data)) is not None:
                line = block.line + data.count(form.newline, 0, quote)
                raise SourceError(f"{self._text.path}: line {line}: a quote is opened and never closed")
            table = self._table(block, data)
            for name in form.names:
                self._add(name, table, block, data)
            blocks.append(block)
            rows.append(len(table))
        schema = pa.schema([pa.field(name, type_) for name, type_ in self._types.items()])
        return Known(schema, tuple(blocks), edges_of(rows), self._why_not, form)

    def _table(self, block: Block, data: bytes) -> Any:
        """Parse a block; what is wrong is looked for without threads, since only then its row is known."""
        form = self._form
        try:
            return _parse(form, data, self._declared, form.names, self._threads)
        except pa.ArrowInvalid:
            pass
        with parsing(self._text.path, block.line):
            try:
                return _parse(form, data, self._declared, form.names, False)
            except pa.ArrowInvalid as error:
                raise self._error(first_line(error), block, data) from None

    def _error(self, message: str, block: Block, data: bytes) -> SourceError:
        path, form = self._text.path, self._form
        if found := FIELDS.match(message):
            line = form.line_of(block, data, int(found[1] or 1) - 1)
            return SourceError(f"{path}: line {line} has {found[3]} fields; line 1 has {found[2]} names")
        if found := CONVERSION.match(message):
            name = form.names[int(found[1])]
            line = form.line_of(block, data, int(found[2] or 1) - 1)
            type_ = self._reading.types[name]
            return SourceError(f"{path}: line {line}, column {name!r}: {found[3]!r} is no {type_}, which is declared")
        return SourceError(f"{path}: the lines from {block.line} on cannot be read: {message}")

    def _add(self, name: str, table: Any, block: Block, data: bytes) -> None:
        """Note the type of a column, and the first word among its numbers."""
        column, before = table.column(name), self._types[name]
        after = _common(before, column.type)
        self._types[name] = after
        if name in self._why_not or not is_string(column.type) or name in self._declared:
            return
        others = pc.and_(column.is_valid(), pc.invert(pc.match_substring_regex(column, NUMBER, ignore_case=True)))
        row = pc.index(others, True).as_py()
        if row < 0:
            return
        numbers = pa.types.is_integer(before) or pa.types.is_floating(before)
        if numbers or (pa.types.is_null(before) and column.slice(0, row).null_count < row):
            line = self._form.line_of(block, data, row)
            self._why_not[name] = f"strings: {column[row].as_py()!r} in line {line} is no number"
        else:
            self._why_not[name] = "strings"


def _common(left: Any, right: Any) -> Any:
    """The type that has the values of both."""
    if left == right or pa.types.is_null(right):
        return left
    if pa.types.is_null(left):
        return right
    if {left, right} == {pa.int64(), pa.float64()}:
        return pa.float64()
    return pa.binary() if pa.binary() in (left, right) else pa.string()


class CsvSource(TextSource):
    """The table of a CSV file: names in the first line, then a line an event. See ``Source`` for the methods.

    Fields are parted by commas, in ``.tsv`` files by tabs, and by what the first line has where that has no comma:
    semicolons or tabs. Empty fields, ``NaN``, ``null``, ``NA`` and the like are missing.
    """

    def _parse(self, data: bytes, columns: Columns, threads: bool) -> Any:
        types = {field.name: field.type for field in self._known.schema}
        return _parse(self._known.form, data, types, columns, threads)
