"""How a run tells what it is doing."""

from typing import Protocol

from mlaas4hep.evaluation.results import Epoch

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """What the command line implements to show a bar; called from the thread that trains."""

    def start(self, stage: str, total: int) -> None:
        """A stage begins, ``"training"`` or ``"testing"``, that goes over ``total`` events."""

    def advance(self, events: int, loss: float | None = None) -> None:
        """So many more events are done; ``loss`` is the mean over the epoch so far."""

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        """An epoch of ``epochs`` is over; of the procedure *chunk*, one on the chunk ``epoch.chunk``."""

    def finish(self) -> None:
        """The stage is over."""


class Silent:
    """Shows nothing."""

    def start(self, stage: str, total: int) -> None:
        """Show nothing."""

    def advance(self, events: int, loss: float | None = None) -> None:
        """Show nothing."""

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""
