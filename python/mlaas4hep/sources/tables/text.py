"""Text files with an event a line, packed or not, in blocks that end where an event does."""

import io
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from mlaas4hep.errors import BranchError, MLaaSError, SourceError, first_line, nearest
from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import Branch
from mlaas4hep.sources.clusters import ALONE, Turn
from mlaas4hep.sources.memory import Memory
from mlaas4hep.sources.place import Place
from mlaas4hep.sources.tables.leaves import Leaf, leaves_of
from mlaas4hep.sources.tables.source import Columns, PieceSource, opening

__all__ = [
    "BLOCK",
    "LONGEST",
    "Block",
    "Known",
    "Text",
    "TextSource",
    "arrow_type",
    "check_declared",
    "learned",
    "parsing",
    "pieces",
]

BLOCK = 2**22
"""Bytes of text that are parsed at once."""

LONGEST = 2**26
"""Most bytes of a line."""

CODECS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
"""How a file is packed, by its first bytes."""

SKIPPED = 2**20
"""Bytes that are unpacked at once where they are only skipped."""


class Text:
    """The bytes of a text, unpacked.

    Any part of a file that is not packed can be read. A packed one is unpacked from its beginning: a read that goes on
    behind the last one costs least, one that goes back begins again.
    """

    def __init__(self, place: Place) -> None:
        self.path = place.path
        self.seconds = {"fetching": 0.0, "decompression": 0.0}
        self._place = place
        head = place.read(0, min(4, place.size))
        self._codec = next((codec for magic, codec in CODECS.items() if head.startswith(magic)), None)
        self._stream: Any = None
        self._at = 0

    @property
    def packed(self) -> bool:
        """Whether it is."""
        return self._codec is not None

    def read(self, start: int, size: int) -> bytes:
        """Return ``size`` bytes from ``start`` on, fewer where the text ends."""
        begin = perf_counter()
        if self._codec is None:
            found = self._place.read(start, max(0, min(size, self._place.size - start)))
            self.seconds["fetching"] += perf_counter() - begin
            return found
        try:
            found = self._unpacked(start, size)
        except (OSError, ValueError) as error:
            raise SourceError(
                f"{self.path}: the compressed data ({self._codec}) are truncated or damaged: {first_line(error)}"
            ) from error
        self.seconds["decompression"] += perf_counter() - begin
        return found

    def _unpacked(self, start: int, size: int) -> bytes:
        if self._stream is None or start < self._at:
            self.close()
            self._stream, self._at = pa.CompressedInputStream(pa.PythonFile(self._place.file(), "r"), self._codec), 0
        while self._at < start:
            skipped = len(self._stream.read(min(SKIPPED, start - self._at)))
            if not skipped:
                return b""
            self._at += skipped
        found = io.BytesIO()
        while found.tell() < size:
            part = self._stream.read(size - found.tell())
            if not part:
                break
            found.write(part)
        self._at += found.tell()
        return found.getvalue()

    def close(self) -> None:
        """Let go of the stream."""
        if self._stream is not None:
            with suppress(Exception):  # it was only read
                self._stream.close()
            self._stream = None


@dataclass(frozen=True, slots=True)
class Block:
    """Whole events of a text: where their bytes are, and the number of the first line."""

    start: int
    size: int
    line: int


def pieces(
    text: Text, start: int, line: int, end_of: Callable[[bytes], int], newline: bytes = b"\n"
) -> Iterator[tuple[Block, bytes]]:
    """Yield the text from ``start`` on in blocks; ``end_of`` says where the last whole event of some bytes ends."""
    rest = b""
    while data := text.read(start + len(rest), BLOCK):
        rest += data
        end = end_of(rest)
        if not end:
            if len(rest) > LONGEST:
                raise SourceError(
                    f"{text.path}: line {line} does not end within {LONGEST} bytes; an event has one line, and a quote "
                    "that is opened must be closed"
                )
            continue
        yield Block(start, end, line), rest[:end]
        start, line, rest = start + end, line + rest.count(newline, 0, end), rest[end:]
    if rest:
        yield Block(start, len(rest), line), rest


@dataclass(frozen=True, slots=True)
class Known:
    """What the first open of a text learned: its columns, its blocks, and the events with which they begin.

    ``why_not`` has the columns that cannot be read as numbers and why. ``form`` is what else the format has to know.
    """

    schema: Any
    blocks: tuple[Block, ...]
    edges: tuple[int, ...]
    why_not: Mapping[str, str] = field(default_factory=dict)
    form: Any = None


_MEMORY: Memory[Known] = Memory()


def learned(place: Place, reading: Reading, format_: str, learn: Callable[[Text], Known]) -> Known:
    """Return what is known of a text, learned only once while the file stays as it is."""
    key = (format_, place.path, place.size, place.stamp, reading.key) if place.stamp else None
    known = _MEMORY.get(key) if key else None
    if known is None:
        text = Text(place)
        try:
            with opening(place.path, format_):
                known = learn(text)
        finally:
            text.close()
        if key:
            _MEMORY.put(key, known)
    return known


def check_declared(path: str, reading: Reading, names: list[str]) -> None:
    """Raise if a type is declared for a column that is not there."""
    for name in reading.types:
        if name not in names:
            raise BranchError(
                f"{path}: there is no column {name!r}{nearest(name, names)}, for which a type is declared; columns are "
                f"{', '.join(names[:20])}"
            )


class TextSource(PieceSource):
    """The table of a text. See ``Source`` for what its methods promise.

    The first open of a file reads all of it once: types are those of all values, and it is noted where blocks of some
    MB begin, each at the begin of a line. That is remembered for as long as the file stays as it is. A read parses the
    blocks in which its events are, and of them only the columns that are asked for.
    """

    reader = "pyarrow"

    def __init__(self, place: Place, known: Known, threads: int | None, reading: Reading) -> None:
        leaves = leaves_of(known.schema, self.reader, flatten_nested=reading.flatten_nested)
        for name, why in known.why_not.items():
            for leaf in [leaf for leaf in leaves.values() if leaf.column == name]:
                leaves[leaf.branch.name] = _why_not(leaf, why)
        super().__init__(place, leaves, known.edges)
        self._known = known
        self._threads = threads
        self._text = Text(place)
        self._block = (-1, b"")

    @abstractmethod
    def _parse(self, data: bytes, columns: Columns, threads: bool) -> Any:
        """Return these columns of a block as a table."""

    def clusters(self, columns: Sequence[str], start: int, stop: int, turn: Turn = ALONE) -> list[tuple[int, int]]:
        """Return ranges of at most 32 MB from ``start`` to ``stop``, cut where blocks begin.

        None has events of two blocks of a packed text: to read other columns of it would begin with the first one, for
        which the text is unpacked from its beginning.
        """
        ranges = super().clusters(columns, start, stop, turn)
        if not self._text.packed:
            return ranges
        inner = {edge for edge in self._edges.tolist() if start < edge < stop}
        return list(pairwise(sorted(inner.union(*ranges))))

    def close(self) -> None:
        """Close the file."""
        self._text.close()
        super().close()

    def _piece(self, number: int, columns: Columns) -> Any:
        kept, data = self._block
        if kept != number:
            block = self._known.blocks[number]
            data = self._text.read(block.start, block.size)
            self.seconds.update(self._text.seconds)
            if len(data) != block.size:
                raise ValueError("the file changed while it was read")
            self._block = number, data
        if self._threads != 1 and len(data) > BLOCK // 4:
            with suppress(pa.ArrowInvalid):  # a line that is longer than what a thread gets
                return self._parse(data, columns, True)
        return self._parse(data, columns, False)

    def _empty(self, columns: Columns) -> Any:
        return self._known.schema.empty_table().select(columns)


def _why_not(leaf: Leaf, why: str) -> Leaf:
    """The same with the reason why it is no input."""
    old = leaf.branch
    return Leaf(Branch(old.name, old.kind, old.type, old.typename, why_not=why, reader=old.reader), leaf.column)


def arrow_type(name: str) -> Any:
    """Return Arrow's type for a declared one."""
    return {"bool": pa.bool_(), "string": pa.string()}.get(name) or pa.from_numpy_dtype(np.dtype(name))


@contextmanager
def parsing(path: str, line: int) -> Iterator[None]:
    """Turn what pyarrow raises on a block into a ``SourceError`` that names its first line."""
    try:
        yield
    except MLaaSError:
        raise
    except Exception as error:
        raise SourceError(f"{path}: the lines from {line} on cannot be read: {first_line(error)}") from error
