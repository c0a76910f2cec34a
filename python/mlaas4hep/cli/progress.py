"""A bar on a terminal, with throughput, time left and loss; nothing elsewhere."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Task as RichTask
from rich.text import Text

from mlaas4hep.evaluation.results import Epoch

__all__ = ["Bar"]

REST = 46
"""Columns of a line without its bar."""


class Percent(ProgressColumn):
    """How much is done, where that is known."""

    def render(self, task: RichTask) -> Text:
        """Return the share."""
        return Text("" if task.total is None else f"{task.percentage:3.0f} %")


UNITS = {"drawing": "plots"}
"""What stages count, where that is not events."""


class Rate(ProgressColumn):
    """Events a second, or what else the stage counts."""

    def render(self, task: RichTask) -> Text:
        """Return the speed of late, or that of the whole stage when it is over."""
        speed = task.completed / task.finished_time if task.finished_time else task.speed
        unit = UNITS.get(task.description, "events")
        return Text(f"{speed:9,.{int(unit != 'events')}f} {unit}/s" if speed else "", style="cyan")


class Bar:
    """Shows the stages of a run, one line each, and between two stages that it is at work.

    ``verbose`` 0 shows nothing, 2 also a line for every epoch.
    """

    def __init__(self, verbose: int = 1) -> None:
        console = Console(stderr=True)
        self._verbose = verbose
        self._progress = Progress(
            TextColumn("{task.description:>10}"),
            BarColumn(bar_width=max(10, min(60, console.width - REST - len("loss 0.1234 ")))),
            Percent(),
            Rate(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[loss]}"),
            console=console,
            disable=verbose == 0 or not console.is_terminal,
        )
        self._waiting = self._progress.add_task("preparing", total=None, loss="")
        self._stage: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.update(self._waiting, visible=False)
        self._progress.stop()

    def scan(self, total: int) -> "Scan":
        """Return what a dataset calls with the number of events scanned; the stage begins with the first call."""
        return Scan(self, total)

    def start(self, stage: str, total: int) -> None:
        """Begin a stage."""
        self._progress.update(self._waiting, visible=False)
        self._stage = self._progress.add_task(stage, total=total, loss="")

    def advance(self, events: int, loss: float | None = None) -> None:
        """So many more events are done."""
        if self._stage is not None:
            if loss is not None:
                self._progress.update(self._stage, loss=f"loss {loss:.4f}")
            self._progress.advance(self._stage, events)

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        """Show the values of an epoch, if details are wanted."""
        if self._verbose > 1:
            chunk = "" if epoch.chunk is None else f"chunk {epoch.chunk}, "
            values = ", ".join(f"{name} {value:.4f}" for name, value in epoch.values.items())
            print(f"{chunk}epoch {epoch.number} of {epochs}: {values}", file=sys.stderr)

    def finish(self) -> None:
        """End the stage."""
        self._stage = None
        self._progress.remove_task(self._waiting)
        self._waiting = self._progress.add_task("preparing", total=None, loss="")


class Scan:
    """Advances a stage that begins when it is called first and ends with its last event."""

    def __init__(self, bar: Bar, total: int) -> None:
        self._bar, self._left, self._total = bar, total, total

    def __call__(self, events: int) -> None:
        """So many more events are scanned."""
        if self._left == self._total:
            self._bar.start("scanning", self._total)
        self._left -= events
        self._bar.advance(events)
        if self._left <= 0:
            self._bar.finish()
