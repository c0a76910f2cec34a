"""Where to cut a file into ranges that are good to read at once."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "check_range", "join", "most_bytes", "stagger"]

MOST = 32 * 2**20
"""Most bytes of columns in a cluster."""


def _limits(beside: int) -> tuple[int, int]:
    """Bytes up to which clusters are joined, and those of the parts of one that is cut.

    Each cluster costs some work however small it is. Where many files are read side by side all have one in memory.
    """
    return max(2**22, min(2**24, 2**28 // beside)), max(2**23, min(MOST, 2**29 // beside))


def most_bytes(piece: int, beside: int) -> int:
    """Return the most bytes that a cluster takes, of files whose pieces (baskets, row groups) take so many."""
    least, part = _limits(beside)
    return min(MOST, max(part, least + piece))


def check_range(path: str, entries: int, start: int, stop: int) -> None:
    """Raise where a file has no such range of entries."""
    if not 0 <= start <= stop <= entries:
        raise IndexError(f"{path}: entries {start} to {stop} of {entries}")


def join(
    boundaries: Iterable[NDArray[np.int64]], event_bytes: float, start: int, stop: int, beside: int = 1
) -> list[tuple[int, int]]:
    """Cut the entries from ``start`` to ``stop`` where all branches begin a basket.

    ``boundaries`` has for each branch the entries at which its baskets begin, ``event_bytes`` is what an
    event takes in memory on average. Between two common boundaries no basket is cut, and neighbours are joined until
    they have about 16 MB; less where more than 16 files are read ``beside`` each other. What is larger than 32 MB
    between two common boundaries is cut into equal parts; there a reader keeps the rest of a basket for the next part.
    """
    if start >= stop:
        return []
    edges = [edge for edge in _common(boundaries) if start < edge < stop]
    least, part, most = (max(1, int(limit / max(event_bytes, 1.0))) for limit in (*_limits(beside), MOST))
    ranges: list[tuple[int, int]] = []
    begin = end = start
    for edge in [*edges, stop]:
        if end > begin and (end - begin >= least or edge - begin > most):
            ranges += _cut(begin, end, part, most)
            begin = end
        end = edge
    return ranges + _cut(begin, end, part, most)


def stagger(ranges: Sequence[tuple[int, int]], share: float) -> list[tuple[int, int]]:
    """Shift the cuts between ranges by a share of the range behind each, so that the first range is that much of it.

    Files that are read side by side, at the same rate, would all need their next cluster at the same time; with a
    share of its own for each file they need them one after the other.

    >>> stagger([(0, 10), (10, 20), (20, 30)], 0.5)
    [(0, 5), (5, 15), (15, 25), (25, 30)]
    """
    cuts = [start + round((stop - start) * share) for start, stop in ranges]
    edges = sorted({*cuts, ranges[0][0], ranges[-1][1]}) if ranges else []
    return list(pairwise(edges))


def _common(boundaries: Iterable[NDArray[np.int64]]) -> list[int]:
    common: NDArray[np.int64] | None = None
    for edges in boundaries:
        common = np.unique(edges) if common is None else np.intersect1d(common, edges)
    return [] if common is None else common.tolist()


def _cut(begin: int, end: int, part: int, most: int) -> list[tuple[int, int]]:
    parts = -(-(end - begin) // part) if end - begin > most else 1
    cuts = [begin + (end - begin) * number // parts for number in range(parts + 1)]
    return list(pairwise(cuts))
