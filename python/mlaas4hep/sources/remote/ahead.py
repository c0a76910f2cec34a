"""Bytes of a remote file, fetched a cluster ahead of their use."""

import bisect
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from time import perf_counter

from mlaas4hep.sources.place import Place
from mlaas4hep.sources.remote.deadline import begin

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

    Of each group of columns, such as those of cuts and the others, the bytes of at most one cluster are held that
    nobody asked for yet. What was expected wrongly costs time only. Not for two threads at once, save ``read``.
    """

    def __init__(self, place: Place) -> None:
        self.path = place.path
        self.seconds = 0.0
        self._place = place
        self._held: list[tuple[int, bytes]] = []
        self._coming: dict[Hashable, tuple[Range, Future[list[tuple[int, bytes]]]]] = {}

    def get(self, cluster: Range, group: Hashable, ranges: Sequence[Range]) -> list[tuple[int, bytes]]:
        """Return bytes in which the ranges lie, and where each begins, sorted; they are held for ``read``."""
        started = perf_counter()
        self._held = self._expected(cluster, group)
        missing = [(start, stop) for start, stop in ranges if self._find(start, stop) is None]
        if missing:
            self._held = sorted(self._held + self._fetched(merged(missing)))
        self.seconds += perf_counter() - started
        return self._held

    def expect(self, cluster: Range, group: Hashable, ranges: Sequence[Range]) -> None:
        """Begin to fetch what will be asked for next."""
        before = self._coming.get(group)
        if before is not None and before[0] != cluster:
            wait([before[1]])
        if before is None or before[0] != cluster:
            self._coming[group] = cluster, begin(partial(self._fetched, merged(ranges)))

    def read(self, start: int, size: int) -> bytes:
        """Return bytes, held or fetched."""
        found = self._find(start, start + size)
        if found is None:
            return self._place.read(start, size)
        begins, held = found
        return held[start - begins : start - begins + size]

    def close(self) -> None:
        """Close the place, and wait for what is being fetched, which ends with that."""
        self._place.close()
        wait([coming for _, coming in self._coming.values()])
        self._coming.clear()
        self._held = []

    def _find(self, start: int, stop: int) -> tuple[int, bytes] | None:
        """The bytes in which a range lies, and where they begin, if they are held."""
        at = bisect.bisect_right(self._held, start, key=lambda held: held[0])
        for begins, held in reversed(self._held[:at]):
            if stop <= begins + len(held):
                return begins, held
        return None

    def _fetched(self, ranges: Sequence[Range]) -> list[tuple[int, bytes]]:
        return [(start, part) for (start, _), part in zip(ranges, self._place.fetch(ranges), strict=True)]

    def _expected(self, cluster: Range, group: Hashable) -> list[tuple[int, bytes]]:
        """The bytes of a cluster that are coming, if it was expected; else what is coming in its place is dropped."""
        expected, coming = self._coming.pop(group, (cluster, None))
        if coming is None:
            return []
        wait([coming])
        return coming.result() if expected == cluster else []
