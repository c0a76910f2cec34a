"""The two procedures: all epochs on one chunk and then the next, or every epoch over all chunks."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from itertools import pairwise

from mlaas4hep.config import Params
from mlaas4hep.errors import ModelError, note
from mlaas4hep.evaluation.results import Epoch
from mlaas4hep.frameworks import Network, Part
from mlaas4hep.train.progress import Progress
from mlaas4hep.train.reader import Reader, cut

__all__ = ["Trainer"]

Values = Mapping[str, float]


class Trainer:
    """Trains ``network`` on what ``reader`` gives.

    ``history`` holds the epochs in their order, ``seconds`` the time spent in the framework.
    """

    def __init__(self, network: Network, reader: Reader, params: Params, progress: Progress, where: str) -> None:
        self.history: list[Epoch] = []
        self.seconds = 0.0
        self._network, self._reader, self._params, self._progress = network, reader, params, progress
        self._where = where
        self._first = (0, 0.0)  # events and seconds of the first batch, in which the framework compiles

    @property
    def rate(self) -> float | None:
        """Events a second, every event once an epoch, without the first batch."""
        events = self._reader.events["train"] * self._params.epochs - self._first[0]
        return events / (self.seconds - self._first[1]) if events else None

    def run(self) -> None:
        """Train by the procedure that the parameters name."""
        self._progress.start("training", self._reader.events["train"] * self._params.epochs)
        if self._params.training == "chunk":
            self._by_chunk()
        else:
            self._standard()
        self._progress.finish()

    def _by_chunk(self) -> None:
        reader, shuffle, events = self._reader, self._params.shuffle, self._reader.events["validation"]
        chunks = reader.chunks("train")
        limits = [chunk * events // chunks for chunk in range(chunks + 1)]
        empty = sum(start == stop for start, stop in pairwise(limits))
        if empty:
            note(f"{empty} of {chunks} train chunks have no validation events; there are {events} in all")
        with (
            closing(reader.parts("train", shuffle=shuffle)) as parts,
            closing(reader.parts("validation", size=max(1, -(-events // chunks)))) as validation,
        ):
            for chunk, (part, checked) in enumerate(zip(parts, cut(validation, limits), strict=True), 1):
                if _events(part):
                    self._fit(part, checked, self._params.epochs, bool(shuffle), partial(self._record, chunk))

    def _standard(self) -> None:
        reader, shuffle, events = self._reader, self._params.shuffle, self._reader.events
        if not events["validation"]:
            note("there are no validation events")
        for epoch in range(self._params.epochs):
            trained, validated = _Mean(), _Mean()
            with closing(reader.parts("train", epoch=epoch, shuffle=shuffle)) as parts:
                for part in filter(_events, parts):  # its rows come in a new order in every epoch: fit need not shuffle
                    self._fit(part, None, 1, False, partial(trained.add, _events(part)))
            with closing(reader.parts("validation")) as parts:
                for part in filter(_events, parts):
                    validated.add(_events(part), self._evaluate(part))
            found = {f"val_{name}": value for name, value in validated.values().items()}
            self._record(None, trained.values() | found)

    def _fit(
        self, part: Part, checked: Part | None, epochs: int, shuffle: bool, on_epoch: Callable[[Values], None]
    ) -> None:
        begin = time.perf_counter()

        def on_batch(events: int, loss: float) -> None:
            if not self._first[0]:
                self._first = events, time.perf_counter() - begin
            self._check(loss)
            self._progress.advance(events, loss)

        self._network.fit(
            part,
            checked,
            epochs=epochs,
            batch_size=self._params.batch_size,
            shuffle=shuffle,
            on_batch=on_batch,
            on_epoch=on_epoch,
        )
        self.seconds += time.perf_counter() - begin

    def _evaluate(self, part: Part) -> Values:
        begin = time.perf_counter()
        found = self._network.evaluate(part, batch_size=self._params.batch_size)
        self.seconds += time.perf_counter() - begin
        return found

    def _record(self, chunk: int | None, values: Values) -> None:
        """Keep an epoch that is over."""
        number = 1 + sum(epoch.chunk == chunk for epoch in self.history)
        epoch = Epoch(number, chunk, dict(values))
        self.history.append(epoch)
        self._progress.epoch(epoch, self._params.epochs)

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise ModelError(
                f"{self._where}: the loss became {loss} in training; a lower learning rate, or a loss that "
                "fits the last activation of the model, usually helps"
            )


class _Mean:
    """The mean over events of what was found on some of them at a time."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._events = 0

    def add(self, events: int, found: Values) -> None:
        """Add what was found on so many events."""
        self._events += events
        for name, value in found.items():
            self._sums[name] = self._sums.get(name, 0.0) + events * value

    def values(self) -> dict[str, float]:
        """Return the means."""
        return {name: value / self._events for name, value in self._sums.items()}


def _events(part: Part) -> int:
    """The events of a chunk; none where they are lost, with files that were skipped."""
    return len(part[1])
