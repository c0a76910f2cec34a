"""Bytes of a remote file, fetched a cluster ahead of their use."""

import bisect
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import Future, wait
from time import perf_counter

from mlaas4hep.sources.deadline import begin
from mlaas4hep.sources.place import Place

__all__ = ["Ahead", "merged"]

Range = tuple[int, int]

GAP = 2**16
"""Bytes between two ranges that are fetched along with them: another request costs more."""
MOST = 2**22
"""A range is not made longer than this by that, so that several may come at the same time."""


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Return ranges each of which holds one or several of these whole, as they lie close together.

    >>> merged([(70, 80), (0, 50), (40, 60), (1_000_000, 1_000_010)])
    [(0, 80), (1000000, 1000010)]
    """
    found: list[Range] = []
    for start, stop in sorted(ranges):
        if found and start <= found[-1][1] + GAP and (start < found[-1][1] or stop - found[-1][0] <= MOST):
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found


class Ahead:
    """Gives the ranges of one cluster after the other; those of the next are fetched while this one is worked on.

    At any time the bytes of at most one cluster are held that nobody asked for yet: of each group of columns that is
    read from it. What was expected wrongly costs time only. Not for two threads at once, save ``read``.
    """

    def __init__(self, place: Place) -> None:
        self.path = place.path
        self.seconds = 0.0
        self._place = place
        self._held: list[tuple[int, bytes]] = []
        self._cluster: Range | None = None
        self._coming: dict[Hashable, Future[dict[Range, bytes]]] = {}

    def get(self, cluster: Range, group: Hashable, ranges: Iterable[Range]) -> list[tuple[int, bytes]]:
        """Return bytes in which the ranges lie, and where each begins, sorted; they are held for ``read``."""
        started = perf_counter()
        wanted = merged(ranges)
        coming = self._coming.pop(group, None) if cluster == self._cluster else None
        found = coming.result() if coming is not None else {}
        found |= self._fetched([span for span in wanted if span not in found])
        self._held = [(span[0], found[span]) for span in wanted]
        self.seconds += perf_counter() - started
        return self._held

    def expect(self, cluster: Range, group: Hashable, ranges: Iterable[Range]) -> None:
        """Begin to fetch what will be asked for next."""
        if cluster != self._cluster:
            self._drop()
            self._cluster = cluster
        if group not in self._coming:
            wanted = merged(ranges)
            self._coming[group] = begin(lambda: self._fetched(wanted))

    def read(self, start: int, size: int) -> bytes:
        """Return bytes, held or fetched."""
        at = bisect.bisect_right(self._held, start, key=lambda held: held[0]) - 1
        if at >= 0:
            begins, held = self._held[at]
            if start + size <= begins + len(held):
                return held[start - begins : start - begins + size]
        return self._place.read(start, size)

    def close(self) -> None:
        """Close the place, and wait for what is being fetched, which ends with that."""
        self._place.close()
        self._drop()
        self._held = []

    def _fetched(self, ranges: Sequence[Range]) -> dict[Range, bytes]:
        return dict(zip(ranges, self._place.fetch(ranges), strict=True))

    def _drop(self) -> None:
        wait(self._coming.values())
        self._coming.clear()
