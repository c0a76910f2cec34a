"""One branch of a TTree, read by uproot in any range of entries, each basket decompressed once in a pass."""

import bisect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import uproot
from numpy.typing import NDArray
from uproot.interpretation.library import NumPy
from uproot.models.TBasket import Model_TBasket
from uproot.source.chunk import Chunk
from uproot.source.cursor import Cursor

from mlaas4hep.columns import join_offsets
from mlaas4hep.errors import ReadError, first_line
from mlaas4hep.sources.branch import Plain
from mlaas4hep.sources.localfile import TooShort
from mlaas4hep.sources.remote.remotefile import Lost
from mlaas4hep.sources.root.kinds import Layout
from mlaas4hep.sources.root.native import basket_edges
from mlaas4hep.sources.root.nested import flatten_vectors

__all__ = ["SECONDS", "BranchReader", "share", "strings", "words"]

SECONDS = ("fetching", "decompression", "decoding")
"""What a reader spends its time with."""

STRING_BYTES = 64
"""What a Python string takes besides its characters."""


class Bytes(Protocol):
    """A file from which any thread reads any range."""

    @property
    def path(self) -> str:
        """The path or URL."""

    def read(self, start: int, size: int) -> bytes:
        """Return ``size`` bytes from ``start`` on; ``TooShort`` says that the file does not reach so far."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Decoded entries from ``start`` on: values, and for lists of varying length their offsets."""

    start: int
    values: NDArray[Any]
    offsets: NDArray[np.integer[Any]] | None = None

    def cut(self, start: int, stop: int) -> "Piece":
        """Return some of the entries; the offsets keep counting from where they did."""
        first, last = start - self.start, stop - self.start
        if self.offsets is None:
            return Piece(start, self.values[first:last])
        base, offsets = self.offsets[0], self.offsets[first : last + 1]
        return Piece(start, self.values[offsets[0] - base : offsets[-1] - base], offsets)

    def copy(self) -> "Piece":
        """Return the same in memory of its own, as small as it can be."""
        if self.offsets is None:
            return Piece(self.start, self.values.copy())
        small = np.int32 if self.offsets[-1] < 2**31 else np.int64
        return Piece(self.start, self.values.copy(), self.offsets.astype(small))


def share(offsets: NDArray[Any], known: list[NDArray[Any]]) -> NDArray[Any]:
    """Return an equal array of ``known``, or add this one to it."""
    for other in known:
        if other.dtype == offsets.dtype and np.array_equal(other, offsets):
            return other
    known.append(offsets)
    return offsets


class BranchReader:
    """Reads a branch by itself.

    What is left of the decoded basket in which the last range ended is kept, so that the next range starts from it;
    ranges in any other order are right too, only slower. For one thread at a time.
    """

    def __init__(self, branch: Any, layout: Layout, name: str, file: Bytes) -> None:
        self._branch = branch
        self._layout = layout
        self._where = f"{file.path}: branch {name!r}"
        self._bytes = file
        self._last: tuple[int, Piece] | None = None
        self._counts: BranchReader | None = None
        self.seconds = dict.fromkeys(SECONDS, 0.0)
        self.edges = basket_edges(branch, self._where)
        self._embedded = len(self.edges) - 1 - len(branch.embedded_baskets)

    @property
    def event_bytes(self) -> float:
        """What an entry takes in memory, on average."""
        stored = self._branch.uncompressed_bytes / max(1, self.edges[-1])
        match self._layout:
            case Layout(kind="flat", dtype=np.dtype(itemsize=size)):
                return float(size)
            case Layout(kind="jagged"):
                return float(stored) + 8
            case _:
                return float(stored) + STRING_BYTES

    def ranges(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the ranges of the file that a read of these entries would fetch."""
        if start >= stop:
            return []
        first, last = bisect.bisect_right(self.edges, start) - 1, bisect.bisect_left(self.edges, stop)
        numbers = (number for number in range(first, min(last, self._embedded)) if not self._kept(number, start))
        return [self._place(number) for number in numbers if self.edges[number] < self.edges[number + 1]]

    def read(self, start: int, stop: int) -> Plain:
        """Return the entries from ``start`` to ``stop`` in native byte order, contiguous."""
        pieces = list(self._pieces(start, stop))
        if self._layout.kind == "string":
            return np.concatenate([np.empty(0, object), *(piece.values for piece in pieces)])
        values = self._join([piece.values for piece in pieces])
        if self._layout.kind == "flat":
            return values
        if self._layout.length:
            return np.arange(stop - start + 1, dtype=np.int64) * self._layout.length, values.reshape(-1)
        return join_offsets([piece.offsets for piece in pieces if piece.offsets is not None]), values

    def _join(self, parts: list[NDArray[Any]]) -> NDArray[Any]:
        """The parts one behind the other; a byte of a bool other than 0 and 1 becomes 1, as in C++."""
        assert self._layout.dtype is not None
        shape = (self._layout.length,) if self._layout.length else ()
        joined = np.empty((sum(map(len, parts)), *shape), self._layout.dtype)
        at = 0
        for part in parts:
            target = joined[at : at + len(part)]
            if part.dtype == np.bool_:
                np.not_equal(part.view(np.uint8), 0, out=target)
            else:
                target[...] = part
            at += len(part)
        return joined

    def _pieces(self, start: int, stop: int) -> Iterator[Piece]:
        """Yield the decoded parts that make up a range, and keep the last basket if some of it is left."""
        number = bisect.bisect_right(self.edges, start) - 1
        while start < stop:
            begin, end = self.edges[number], self.edges[number + 1]
            if end > begin:
                piece = self._basket(number, start)
                self._last = (number, piece.cut(stop, end).copy()) if stop < end else None
                yield piece.cut(start, min(stop, end))
                start = end
            number += 1

    def _basket(self, number: int, start: int) -> Piece:
        """The entries of a basket, at least those from ``start`` on."""
        if self._last is not None and self._kept(number, start):
            return self._last[1]
        self._last = None
        begin, end = self.edges[number], self.edges[number + 1]
        try:
            if number >= self._embedded:
                return self._decode(self._branch.basket(number), begin, end)
            with self._timed("fetching"):
                start, end_of_bytes = self._place(number)
                found = self._bytes.read(start, end_of_bytes - start)
            with self._timed("decompression"):
                file, cursor = self._branch.file, Cursor(start)
                chunk = Chunk.wrap(file.source, np.frombuffer(found, np.uint8), start)
                basket = Model_TBasket.read(chunk, cursor, {"basket_num": number}, file, file, self._branch)
            with self._timed("decoding"):
                return self._decode(basket, begin, end)
        except Lost as lost:
            raise ReadError(f"{self._where}, entries {begin} to {end}: {lost.cause}") from lost
        except ReadError:
            raise
        except Exception as error:  # whatever uproot or a decompressor makes of damaged bytes
            cause = str(error) if isinstance(error, TooShort) else words(error)
            raise ReadError(f"{self._where}, entries {begin} to {end}: {cause}") from error

    def _kept(self, number: int, start: int) -> bool:
        """Whether the entries of a basket from ``start`` on are still there."""
        return self._last is not None and self._last[0] == number and self._last[1].start <= start

    def _place(self, number: int) -> tuple[int, int]:
        """Where a basket lies in the file."""
        start = int(self._branch.member("fBasketSeek")[number])
        return start, start + int(self._branch.basket_compressed_bytes(number))

    def share_rest(self, known: list[NDArray[Any]]) -> None:
        """Take the offsets of what is left from ``known``, if they are there, else add them."""
        if self._last is None:
            return
        number, piece = self._last
        if piece.offsets is not None:
            self._last = number, Piece(piece.start, piece.values, share(piece.offsets, known))

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begin = perf_counter()
        yield
        self.seconds[what] += perf_counter() - begin

    def _decode(self, basket: Any, begin: int, end: int) -> Piece:
        """The entries of a decompressed basket, checked against what the tree promises."""
        interpretation, starts = self._branch.interpretation, basket.byte_offsets
        if self._layout.inner == 0:
            offsets, content = flatten_vectors(basket.data, starts, interpretation.model)
            return _checked(Piece(begin, content, offsets), end - begin)
        if starts is None and isinstance(interpretation, uproot.AsJagged):
            starts = self._starts(interpretation, begin, end)
        found = interpretation.basket_array(
            data=basket.data,
            byte_offsets=starts,
            basket=basket,
            branch=self._branch,
            context=self._branch.context,
            cursor_offset=basket.member("fKeylen"),
            library=NumPy(),
            options={},
        )
        if isinstance(found, np.ndarray):
            values = found[self._layout.leaf] if self._layout.leaf else found
            shape = (len(values), self._layout.length) if self._layout.length else (len(values),)
            return _checked(Piece(begin, values.reshape(shape)), end - begin)
        offsets = np.asarray(found.offsets, np.int64)
        if offsets[0] < 0 or np.any(offsets[1:] < offsets[:-1]) or offsets[-1] > len(found.content):
            raise ValueError("the lengths of its lists do not fit their content")
        if self._layout.kind == "string":
            return _checked(Piece(begin, strings(offsets, found.content)), end - begin)
        content = found.content[offsets[0] : offsets[-1]].reshape(-1)
        return _checked(Piece(begin, content, offsets * self._layout.inner), end - begin)

    def _starts(self, interpretation: Any, begin: int, end: int) -> NDArray[np.int32]:
        """Where the entries of a basket begin that has no table of offsets: the counter branch tells.

        The baskets of the counter need not begin at the same entries, so it is read by entries.
        """
        if self._counts is None:
            counter = self._branch.count_branch
            if counter is None:
                raise ValueError("it has neither offsets nor a counter")
            layout = Layout("flat", np.dtype(np.int64))
            self._counts = BranchReader(counter, layout, counter.name, self._bytes)
        counts = self._counts.read(begin, end)
        sizes = np.asarray(counts) * interpretation.content.itemsize + interpretation.header_bytes
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)


def _checked(piece: Piece, entries: int) -> Piece:
    """The piece, if it has as many entries as the tree says."""
    found = len(piece.values) if piece.offsets is None else len(piece.offsets) - 1
    if found != entries:
        raise ValueError(f"the basket holds {found} entries instead of {entries}")
    return piece


def strings(offsets: NDArray[np.int64], content: bytes) -> NDArray[Any]:
    """Return the strings between these offsets, as an array of objects."""
    edges = pairwise(offsets.tolist())
    return np.array([content[start:stop].decode("utf-8", "surrogateescape") for start, stop in edges], object)


def words(error: Exception) -> str:
    """Return the cause in plain words: the first line of the exception, and what it means where that is known."""
    text = first_line(error)
    about = f"{type(error).__module__}.{type(error).__qualname__} {text}".lower()
    if any(word in about for word in ("zlib", "lzma", "compress", "checksum")):
        return f"the compressed data are damaged ({text})"
    return f"the data are damaged ({text})"
