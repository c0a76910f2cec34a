"""Making the chunks that are not there yet, and writing each whole or not at all."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

from mlaas4hep.dataset import Dataset
from mlaas4hep.export.formats import Format
from mlaas4hep.export.journal import Finished, draft_of, sync
from mlaas4hep.export.part import PartFolder
from mlaas4hep.output import cannot_write

__all__ = ["Progress", "Work"]

WRITERS = 4
"""Most chunks that are written at the same time, in as many threads."""

Pending = tuple[str, int, Future[int]]
"""A chunk that is being written: the name of its file, its events, and what will be the bytes."""


class Progress(Protocol):
    """Is told how far the export is."""

    def start(self, stage: str, total: int) -> None:
        """A stage of ``total`` events begins."""

    def advance(self, events: int) -> None:
        """So many more events are done."""

    def finish(self) -> None:
        """The stage is over."""


@dataclass(frozen=True, slots=True)
class Work:
    """The chunks of a folder: those that are finished stay, the others are made and written."""

    dataset: Dataset
    target: PartFolder
    folder: Path
    kind: Format
    form: str
    size: int
    part: str | None
    shuffle: bool | int
    total: int

    @property
    def names(self) -> list[str]:
        """The names of all files, in order."""
        size = self.total if self.size == -1 else self.size
        return [f"chunk-{number:05}.{self.form}" for number in range(-(-self.total // size))]

    def run(self, progress: Progress | None) -> None:
        """Write the chunks that are missing; ``progress`` is told of all."""
        if progress:
            progress.start("flattening", self.total)
            if self.target.finished:
                progress.advance(sum(chunk.events for chunk in self.target.finished.values()))
        pending: deque[Pending] = deque()
        number = min(self.dataset.threads, WRITERS)
        with ThreadPoolExecutor(number, "mlaas4hep-write") as writers:
            try:
                for name, content, events in self._missing():
                    self._finish(pending, number - 1, progress)
                    pending.append((name, events, writers.submit(self._write, name, content)))
                    del content  # so that no more of them are in memory than are written
                self._finish(pending, 0, progress)
            except BaseException:
                for name, events, future in pending:
                    if future.exception() is None:
                        with suppress(OSError):  # what went wrong first is what counts
                            self.target.add(name, Finished(events, future.result()))
                raise
        if progress:
            progress.finish()

    def _finish(self, pending: "deque[Pending]", most: int, progress: Progress | None) -> None:
        """Wait until not more than so many chunks are being written."""
        while len(pending) > most:
            name, events, future = pending[0]
            self.target.add(name, Finished(events, future.result()))
            pending.popleft()
            if progress:
                progress.advance(events)

    def _missing(self) -> Iterator[tuple[str, Any, int]]:
        """Make the chunks that are not finished, in passes that begin with the first of each gap.

        Where files may be skipped it is one pass, since what is lost in it is no part of a later one.
        """
        names, finished = self.names, set(self.target.finished)
        gaps = list(_gaps([name in finished for name in names]))
        for first, stop in [(gaps[0][0], gaps[-1][1])] if gaps and self.dataset.skips else gaps:
            with closing(self.dataset.chunks(self.size, self.part, shuffle=self.shuffle, skip=first)) as chunks:
                for name in names[first:stop]:
                    chunk = next(chunks)
                    if name in finished:
                        continue
                    content, events = self.kind.content(chunk, self.dataset.names), len(chunk.data)
                    del chunk  # so that its arrays can be used again
                    yield name, content, events
                    del content
                if stop == len(names):
                    next(chunks, None)  # the end of a pass tells what was cut off

    def _write(self, name: str, content: Any) -> int:
        """Write a file and return its bytes; it has its name only when it is whole and on the disk."""
        path = self.folder / name
        draft = draft_of(path)
        try:
            with draft.open("w+b") as file:
                self.kind.write(file, content)
                file.flush()
                os.fsync(file.fileno())
                size = os.fstat(file.fileno()).st_size
            draft.replace(path)
            sync(self.folder)
        except OSError as error:
            raise cannot_write(self.target.path, error) from error
        finally:
            draft.unlink(missing_ok=True)
        return size


def _gaps(finished: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield where numbers that are not finished begin and stop.

    >>> list(_gaps([True, False, False, True, False]))
    [(1, 3), (4, 5)]
    """
    for done, group in groupby(enumerate(finished), key=itemgetter(1)):
        if not done:
            numbers = [number for number, _ in group]
            yield numbers[0], numbers[-1] + 1
