"""What a first pass found of the events: their labels and parts."""

from dataclasses import dataclass
from itertools import groupby

from mlaas4hep import _rust
from mlaas4hep.dataset.labels import MISSING, Labels
from mlaas4hep.dataset.stream import Events

__all__ = ["Found"]


@dataclass(frozen=True, slots=True)
class Found:
    """The labels that occur, and the events of every file."""

    labels: Labels
    events: list[Events]
    left_out: int

    def streams(self, part: int | None, max_open: int, seed: int) -> list[list[Events]]:
        """Return the files that have events of a part: one by one, or of more than ``max_open`` files as chains.

        The files of one label make a chain, in seeded order; all files do where the label is a branch, or there is
        none. Which files have events of the part changes nothing else.
        """
        files = self.events
        if len(files) <= max_open:
            return [[events] for events in files if events.wanted(part).any()]
        order = next(_rust.Schedule([len(files)], len(files), seed, 0, True))[0][3]
        label = {events.number: events.labels if isinstance(events.labels, int) else MISSING for events in files}
        chained = sorted((files[index] for index in order), key=lambda events: label[events.number])
        return [list(chain) for _, chain in groupby(chained, key=lambda events: label[events.number])]
