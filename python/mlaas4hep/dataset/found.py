"""What a first pass found of the events: their labels and parts."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from mlaas4hep import _rust
from mlaas4hep.dataset.buffers import Field
from mlaas4hep.dataset.events import Events
from mlaas4hep.dataset.labels import MISSING, Labels

__all__ = ["Found"]


@dataclass(frozen=True, slots=True)
class Found:
    """The labels that occur, and the events of every file."""

    labels: Labels
    events: list[Events]
    left_out: int

    def __len__(self) -> int:
        """Return the number of events that are used."""
        return sum(int(np.count_nonzero(events.wanted(None))) for events in self.events)

    @property
    def fields(self) -> dict[str, Field]:
        """The arrays of a chunk besides those of its inputs."""
        fields: dict[str, Field] = {"file": (np.int32, ()), "entry": (np.int64, ())}
        if self.labels.values:
            fields["labels"] = np.int64, ()
        if any(events.weights is not None for events in self.events):
            fields["weights"] = np.float32, ()
        targets = next((events.targets for events in self.events if events.targets is not None), None)
        if targets is not None:
            fields["targets"] = np.float32, targets.shape[1:]
        return fields

    def streams(self, part: int | None, max_open: int, seed: int) -> list[list[Events]]:
        """Return the files that have events of a part: one by one, or of more than ``max_open`` files as chains.

        The files of one label make a chain, in seeded order; all files do where the label is a branch, or there is
        none. Which files have events of the part changes nothing else.
        """
        files = self.events
        if len(files) <= max_open:
            return [[events] for events in files if events.scheduled(part).any()]
        order = next(_rust.Schedule([len(files)], len(files), seed, 0, True))[0][3]
        label = {events.number: events.labels if isinstance(events.labels, int) else MISSING for events in files}
        chained = sorted((files[index] for index in order), key=lambda events: label[events.number])
        return [list(chain) for _, chain in groupby(chained, key=lambda events: label[events.number])]
