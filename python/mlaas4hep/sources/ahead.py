"""Bytes of a remote file, fetched a cluster ahead of their use."""

from collections.abc import Hashable, Sequence
from concurrent.futures import Future, wait
from time import perf_counter

from mlaas4hep.sources.deadline import begin
from mlaas4hep.sources.place import Place

__all__ = ["Ahead"]

Range = tuple[int, int]


class Ahead:
    """Gives the ranges of one cluster after the other; those of the next are fetched while this one is worked on.

    At any time the bytes of at most one cluster are held that nobody asked for yet: of each group of columns that is
    read from it. What was expected wrongly costs time only. Not for two threads at once, save ``read``.
    """

    def __init__(self, place: Place) -> None:
        self.path = place.path
        self.seconds = 0.0
        self._place = place
        self._held: dict[Range, bytes] = {}
        self._cluster: Range | None = None
        self._coming: dict[Hashable, Future[dict[Range, bytes]]] = {}

    def get(self, cluster: Range, group: Hashable, ranges: Sequence[Range]) -> list[tuple[int, bytes]]:
        """Return where each range begins and its bytes, and hold them for ``read``."""
        started = perf_counter()
        coming = self._coming.pop(group, None) if cluster == self._cluster else None
        found = coming.result() if coming is not None else {}
        missing = [span for span in ranges if span not in found]
        found |= zip(missing, self._place.fetch(missing), strict=True)
        self._held = {span: found[span] for span in ranges}
        self.seconds += perf_counter() - started
        return [(start, part) for (start, _), part in self._held.items()]

    def expect(self, cluster: Range, group: Hashable, ranges: Sequence[Range]) -> None:
        """Begin to fetch what will be asked for next, unless it is another cluster that is waited for."""
        if cluster != self._cluster:
            self._drop()
            self._cluster = cluster
        if group not in self._coming:
            wanted = list(ranges)
            self._coming[group] = begin(lambda: dict(zip(wanted, self._place.fetch(wanted), strict=True)))

    def read(self, start: int, size: int) -> bytes:
        """Return bytes, held or fetched."""
        held = self._held.get((start, start + size))
        return self._place.read(start, size) if held is None else held

    def close(self) -> None:
        """Close the place, and wait for what is being fetched, which ends with that."""
        self._place.close()
        self._drop()
        self._held = {}

    def _drop(self) -> None:
        wait(self._coming.values())
        self._coming.clear()
