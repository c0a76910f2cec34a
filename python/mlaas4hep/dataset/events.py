"""The events of one file: what part each belongs to, and its label."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset.buffers import Target
from mlaas4hep.sources import Reading

__all__ = ["CUT", "DROPPED", "LEFT_OUT", "LOST", "Events"]

LEFT_OUT = 3
"""Stands among the parts of events where an event has no label, or lacks a target."""
CUT = 4
"""Stands there where an event does not pass the cuts."""
LOST = 5
"""Stands there where an event cannot be read, and its file is skipped."""
DROPPED = 6
"""Stands there where an event is left out for its weight: a negative one, outside a spectrum, or not drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """The events of one file that are used: its first ones.

    ``name`` is the input as the user wrote it, ``state`` what the file was when it was opened first, ``reading`` says
    how it is read. ``parts`` has for each event its part (0 train, 1 validation, 2 test, 3 left out, 4 cut, 5 lost,
    6 dropped). ``labels`` has the position of its label in ``values``, which are the labels as chunks hold them; one
    position for all where the file has one label, None without labels. ``weights`` and ``targets`` have float32 numbers
    for each event, None where there are none. ``gone`` are entries that a pass could not read, and what their parts
    were.
    """

    number: int
    path: str
    tree: str
    entries: int
    state: object
    parts: NDArray[np.uint8]
    labels: NDArray[np.integer[Any]] | int | None
    values: NDArray[np.int64]
    name: str
    reading: Reading
    weights: NDArray[np.float32] | None = None
    targets: NDArray[np.float32] | None = None
    gone: list[tuple[NDArray[np.int64], NDArray[np.uint8]]] = field(default_factory=list)

    def wanted(self, part: int | None) -> NDArray[np.bool_]:
        """Return which events are of a part; None: those of any."""
        wanted: NDArray[np.bool_] = self.parts < LEFT_OUT if part is None else self.parts == part
        return wanted

    @property
    def lost(self) -> bool:
        """Whether the file was skipped as a whole."""
        return len(self.parts) > 0 and bool((self.parts == LOST).all())

    def scheduled(self, part: int | None) -> NDArray[np.bool_]:
        """Return the same with those that a pass could not read: they keep their places in passes."""
        wanted = self.wanted(part)
        for entries, parts in self.gone:
            wanted[entries] = parts < LEFT_OUT if part is None else parts == part
        return wanted

    def scheduled_between(self, part: int | None, start: int, stop: int) -> NDArray[np.bool_]:
        """Return which events are scheduled, only those from the ``start``-th of them to the ``stop``-th."""
        scheduled = self.scheduled(part)
        entries = range(len(scheduled) + 1)
        first, last = (
            bisect_left(entries, wanted, key=lambda entry: int(np.count_nonzero(scheduled[:entry])))
            for wanted in (start, stop)
        )
        scheduled[:first] = scheduled[last:] = False
        return scheduled

    def lose(self, entries: NDArray[np.int64]) -> int:
        """Take note of events that a pass could not read; return how many of them nobody knew of."""
        entries = entries[self.parts[entries] != LOST]
        if len(entries):
            self.gone.append((entries, self.parts[entries]))
            self.parts[entries] = LOST
        return len(entries)

    def fill(self, target: Target, rows: NDArray[np.int64], entries: NDArray[np.int64]) -> None:
        """Put into these rows what is known of these entries besides their inputs."""
        target["file"][rows] = self.number
        target["entry"][rows] = entries
        if "labels" in target:
            labels = self.labels[entries] if isinstance(self.labels, np.ndarray) else self.labels
            target["labels"][rows] = self.values[labels]
        for name, values in (("weights", self.weights), ("targets", self.targets)):
            if values is not None:
                target[name][rows] = values[entries]
