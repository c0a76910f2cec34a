"""Where to cut a file into ranges that are good to read at once."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST", "MOST", "join"]

MOST = 32 * 2**20
"""Most bytes of columns in a cluster."""
LEAST = 4 * 2**20
"""Clusters are joined until they reach so many bytes."""


def join(boundaries: Iterable[NDArray[np.int64]], event_bytes: float, start: int, stop: int) -> list[tuple[int, int]]:
    """Cut the entries from ``start`` to ``stop`` where all branches begin a basket.

    ``boundaries`` has for each branch the entries at which its baskets begin, ``event_bytes`` is what an
    event takes in memory on average. Between two common boundaries no basket is cut. Every cluster costs
    some work however small it is, so neighbours are joined until they have about 4 MB. What is larger than
    32 MB between two common boundaries is cut into equal parts; there a reader keeps the rest of a basket
    for the next part.
    """
    if start >= stop:
        return []
    edges = [edge for edge in _common(boundaries) if start < edge < stop]
    least, most = (max(1, int(limit / max(event_bytes, 1.0))) for limit in (LEAST, MOST))
    ranges: list[tuple[int, int]] = []
    begin = end = start
    for edge in [*edges, stop]:
        if end > begin and (end - begin >= least or edge - begin > most):
            ranges += _cut(begin, end, most)
            begin = end
        end = edge
    return ranges + _cut(begin, end, most)


def _common(boundaries: Iterable[NDArray[np.int64]]) -> list[int]:
    common: NDArray[np.int64] | None = None
    for edges in boundaries:
        common = np.unique(edges) if common is None else np.intersect1d(common, edges)
    return [] if common is None else common.tolist()


def _cut(begin: int, end: int, most: int) -> list[tuple[int, int]]:
    parts = -(-(end - begin) // most)
    cuts = [begin + (end - begin) * part // parts for part in range(parts + 1)]
    return list(pairwise(cuts))
