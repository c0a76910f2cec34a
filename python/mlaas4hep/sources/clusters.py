"""Where to cut a file into ranges that are good to read at once."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALONE", "MOST", "Turn", "check_range", "join", "most_bytes"]

MOST = 32 * 2**20
"""Most bytes of columns in a cluster."""


class Turn(NamedTuple):
    """A file is this one, from 1 on, of so many that are read beside each other."""

    number: int = 1
    files: int = 1

    @property
    def share(self) -> float:
        """How much of its first range a file has: the events behind it are needed at another time by each file."""
        return self.number / self.files


ALONE = Turn()


def _limits(files: int) -> tuple[int, int]:
    """Bytes up to which clusters are joined, and those of the parts of one that is cut.

    Each cluster costs some work however small it is. Where many files are read side by side all have one in memory.
    """
    return max(2**22, min(2**24, 2**28 // files)), max(2**23, min(MOST, 2**29 // files))


def most_bytes(piece: int, files: int) -> int:
    """Return the most bytes that a cluster takes, of so many files whose pieces (baskets, row groups) take so many."""
    least, part = _limits(files)
    return min(MOST, max(part, least + piece))


def check_range(path: str, entries: int, start: int, stop: int) -> None:
    """Raise where a file has no such range of entries."""
    if not 0 <= start <= stop <= entries:
        raise IndexError(f"{path}: entries {start} to {stop} of {entries}")


def join(
    boundaries: Iterable[NDArray[np.int64]], event_bytes: float, start: int, stop: int, turn: Turn = ALONE
) -> list[tuple[int, int]]:
    """Cut the entries from ``start`` to ``stop`` where all branches begin a basket.

    ``boundaries`` has for each branch the entries at which its baskets begin, ``event_bytes`` is what an
    event takes in memory on average. Between two common boundaries no basket is cut, and neighbours are joined until
    they have about 16 MB; less where more than 16 files are read beside each other. What is larger than 32 MB
    between two common boundaries is cut into equal parts; there a reader keeps the basket for the next part.

    Files that are read beside each other, at the same rate, would all need their next range at the same time. So the
    first range that is joined, and the first part of each that is cut, is shorter: by the ``turn`` of the file.
    """
    if start >= stop:
        return []
    edges = [start, *(edge for edge in _common(boundaries) if start < edge < stop), stop]
    least, part, most = (max(1, int(limit / max(event_bytes, 1.0))) for limit in (*_limits(turn.files), MOST))
    begin, end = next(_joined(edges, least, most))
    first = bisect.bisect_left(edges, begin + (end - begin) * turn.share)
    ranges = [(begin, edges[first]), *_joined(edges[first:], least, most)]
    return [found for begin, end in ranges for found in _cut(begin, end, part, most, turn)]


def _joined(edges: Sequence[int], least: int, most: int) -> Iterator[tuple[int, int]]:
    """Ranges between edges, the smallest of so many entries that do not take more than the most."""
    begin = end = edges[0]
    for edge in edges[1:]:
        if end > begin and (end - begin >= least or edge - begin > most):
            yield begin, end
            begin = end
        end = edge
    if end > begin:
        yield begin, end


def _common(boundaries: Iterable[NDArray[np.int64]]) -> list[int]:
    common: NDArray[np.int64] | None = None
    for edges in boundaries:
        common = np.unique(edges) if common is None else np.intersect1d(common, edges)
    return [] if common is None else common.tolist()


def _cut(begin: int, end: int, part: int, most: int, turn: Turn) -> list[tuple[int, int]]:
    """Equal parts of a range that is too large; the first is a share of a part, and what it lacks comes last."""
    if end - begin <= most:
        return [(begin, end)]
    parts = -(-(end - begin) // part) * turn.files  # whole numbers: no part is larger than it may be
    cuts = {begin + (end - begin) * number // parts for number in range(turn.number, parts, turn.files)}
    return list(pairwise(sorted({begin, *cuts, end})))
