"""Counts what a pass schedules and what it delivers, file by file."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset.checks import PARTS
from mlaas4hep.dataset.events import LOST, Events
from mlaas4hep.dataset.ledger import Delivery
from mlaas4hep.errors import LedgerError

__all__ = ["Tally"]


class Tally:
    """The count of one pass over a part; None: over all parts.

    What is scheduled is counted before the pass, what is delivered as chunks are handed out, and what is lost where
    their rows stay empty: three counts that know nothing of each other, and must agree at the end.
    """

    def __init__(self, part: int | None, events: Sequence[Events]) -> None:
        self._part, self._events = part, events
        numbers = max((one.number for one in events), default=-1) + 1
        self._scheduled, self._delivered = np.zeros(numbers, np.int64), np.zeros(numbers, np.int64)
        self._before = self._lost_now()
        self._lost = 0
        self._ended: Delivery | None = None

    def schedule(self, groups: Sequence[Sequence[Events]], skipped: Sequence[int]) -> None:
        """Note what the pass is to deliver of the files of each stream, of whose events the first are left out."""
        for group, skip in zip(groups, skipped, strict=True):
            left = skip
            for events in group:
                wanted = int(np.count_nonzero(events.wanted(self._part)))
                self._scheduled[events.number] = wanted - min(wanted, left)
                left -= min(wanted, left)

    def deliver(self, files: NDArray[np.int32]) -> None:
        """Note the rows of a chunk that is handed out, by the numbers of their files."""
        self._delivered += np.bincount(files, minlength=len(self._delivered))

    def lose(self, rows: int) -> None:
        """Note rows whose events are lost."""
        self._lost += rows

    def check(self) -> None:
        """Raise ``LedgerError`` unless what was scheduled was delivered, or is lost with files that were skipped."""
        missing, lost = self._scheduled - self._delivered, self._lost_now() - self._before
        for events in self._events:
            found, most = int(missing[events.number]), int(lost[events.number])
            if not 0 <= found <= most:
                raise LedgerError(self._wrong(events, most))
        if missing.sum() != self._lost:
            raise LedgerError(
                f"the ledger of a pass does not agree: {int(missing.sum())} events were not delivered, of which "
                f"{self._lost} are lost with files that were skipped; this is a mistake of mlaas4hep, please report it"
            )

    def end(self) -> None:
        """End the count, at the end of the pass or where it is left; what is lost later is not its business."""
        self._ended = self.delivery

    @property
    def delivery(self) -> Delivery:
        """What was delivered so far."""
        if self._ended is not None:
            return self._ended
        missing = self._scheduled - self._delivered
        failed = np.minimum(missing, self._lost_now() - self._before)
        numbers = [events.number for events in self._events]
        return Delivery(
            part="all" if self._part is None else PARTS[self._part],
            passes=1,
            complete=bool((missing == failed).all()),
            scheduled=tuple(self._scheduled[numbers].tolist()),
            delivered=tuple(self._delivered[numbers].tolist()),
            failed=tuple(failed[numbers].tolist()),
        )

    def _lost_now(self) -> NDArray[np.int64]:
        lost = np.zeros_like(self._scheduled)
        for events in self._events:
            lost[events.number] = np.count_nonzero(events.parts == LOST)
        return lost

    def _wrong(self, events: Events, lost: int) -> str:
        scheduled, delivered = int(self._scheduled[events.number]), int(self._delivered[events.number])
        return (
            f"{events.name}: the ledger of a pass does not agree: of {scheduled} events that were scheduled "
            f"{delivered} were delivered and {lost} are lost; this is a mistake of mlaas4hep, please report it"
        )
