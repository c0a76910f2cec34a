"""Counts what a pass schedules and what it delivers, file by file."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset.checks import PARTS
from mlaas4hep.dataset.events import Events
from mlaas4hep.dataset.ledger import Delivery
from mlaas4hep.errors import LedgerError

__all__ = ["Tally"]


class Tally:
    """The count of one pass over a part; None: over all parts.

    What is scheduled is counted before the pass, what is lost where a file cannot be read, and what is delivered as
    chunks are handed out: counts that know nothing of each other, and must agree at the end.
    """

    def __init__(self, part: int | None, events: Sequence[Events]) -> None:
        self._part, self._events = part, events
        numbers = max((one.number for one in events), default=-1) + 1
        self._scheduled, self._delivered, self._lost = np.zeros((3, numbers), np.int64)
        self._ended: Delivery | None = None

    def schedule(
        self, groups: Sequence[Sequence[Events]], ranges: Sequence[tuple[int, int]], skipped: Sequence[int]
    ) -> None:
        """Note what the pass is to deliver of the files of each stream.

        That is a range of the events scheduled of the stream, of which the first are left out.
        """
        for group, (start, stop), skip in zip(groups, ranges, skipped, strict=True):
            begin, behind = start + skip, 0
            for events in group:
                first, behind = behind, behind + int(np.count_nonzero(events.scheduled(self._part)))
                self._scheduled[events.number] = max(0, min(stop, behind) - max(begin, first))

    def leave(self, files: NDArray[np.int32]) -> None:
        """Note events that were read but are in no chunk that was asked for, by the numbers of their files."""
        self._scheduled -= np.bincount(files, minlength=len(self._scheduled))

    def deliver(self, files: NDArray[np.int32]) -> None:
        """Note the rows of a chunk that is handed out, by the numbers of their files."""
        self._delivered += np.bincount(files, minlength=len(self._delivered))

    def lose(self, number: int, events: int) -> None:
        """Note events that cannot be read, of the file with this number."""
        self._lost[number] += events

    def check(self) -> None:
        """Raise ``LedgerError`` unless what was scheduled was delivered, or is lost with files that were skipped."""
        wrong = self._scheduled != self._delivered + self._lost
        for events in self._events:
            if wrong[events.number]:
                raise LedgerError(self._wrong(events))

    def end(self) -> None:
        """End the count, at the end of the pass or where it is left; what is lost later is not its business."""
        self._ended = self.delivery

    @property
    def delivery(self) -> Delivery:
        """What was delivered so far."""
        if self._ended is not None:
            return self._ended
        numbers = [events.number for events in self._events]
        return Delivery(
            part="all" if self._part is None else PARTS[self._part],
            passes=1,
            complete=bool((self._scheduled == self._delivered + self._lost).all()),
            scheduled=tuple(self._scheduled[numbers].tolist()),
            delivered=tuple(self._delivered[numbers].tolist()),
            failed=tuple(self._lost[numbers].tolist()),
        )

    def _wrong(self, events: Events) -> str:
        scheduled, delivered, lost = (
            int(counts[events.number]) for counts in (self._scheduled, self._delivered, self._lost)
        )
        return (
            f"{events.name}: the ledger of a pass does not agree: of {scheduled} events that were scheduled "
            f"{delivered} were delivered and {lost} are lost; this is a mistake of mlaas4hep, please report it"
        )
