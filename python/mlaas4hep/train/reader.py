"""Chunks of a dataset as a model wants them, with a watch on what they cost."""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

import numpy as np

from mlaas4hep.dataset import Dataset
from mlaas4hep.dataset.watch import Watch
from mlaas4hep.frameworks import Part

__all__ = ["Reader", "cut"]


class Reader:
    """Passes over the parts of a dataset, in chunks of ``size`` events; -1: one chunk with everything.

    ``events`` are the events of each part, ``counts`` those of each class for every part that was read.
    ``waited`` is the time in seconds that the run spent waiting for data.
    """

    def __init__(self, dataset: Dataset, size: int) -> None:
        self.events = {part: dataset.count(part) for part in ("train", "validation", "test")}
        self.counts = {part: np.zeros(len(dataset.classes), np.int64) for part in self.events}
        self.waited = 0.0
        self._passes: list[Watch] = []
        self._dataset = dataset
        self._values = np.asarray(dataset.label_values, np.int64)
        self._size = size

    def chunks(self, part: str) -> int:
        """Return the number of chunks of a part that has events."""
        return 1 if self._size < 0 else -(-self.events[part] // self._size)

    @property
    def rate(self) -> float:
        """Events read and flattened a second; a pass over a part goes through the events of all parts."""
        seconds = sum(watch.reading + watch.flattening for watch in self._passes)
        return len(self._passes) * sum(self.events.values()) / seconds

    def parts(
        self, part: str, *, size: int | None = None, epoch: int = 0, shuffle: bool | int = False
    ) -> Generator[Part]:
        """Yield the chunks of a part; a label becomes its position in the sorted distinct labels."""
        if not self.events[part]:
            return
        counts = self.counts[part] = np.zeros_like(self.counts[part])
        size = self._size if size is None else size
        with closing(self._dataset.chunks(size, part, epoch=epoch, shuffle=shuffle)) as chunks:
            begin = time.perf_counter()
            for number, chunk in enumerate(chunks):
                self.waited += time.perf_counter() - begin
                if number == 0:  # the watch of the pass that was begun last
                    self._passes.append(self._dataset.last_pass)
                assert chunk.labels is not None  # a job without labels ends before it reads
                labels = np.searchsorted(self._values, chunk.labels).astype(np.int64)
                counts += np.bincount(labels, minlength=len(counts))
                yield Part(chunk.data, labels, chunk.weights)
                begin = time.perf_counter()


def cut(parts: Iterable[Part], limits: Sequence[int]) -> Iterator[Part | None]:
    """Yield the events from each limit to the next of a stream of chunks, None where there are none.

    At most the events of one piece and one chunk are held at once.
    """
    stream = iter(parts)
    held: list[Part] = []
    for wanted in np.diff(limits).tolist():
        if not wanted:
            yield None
            continue
        while sum(len(part.labels) for part in held) < wanted:
            more = next(stream, None)
            if more is None:  # events of files that were skipped
                break
            held.append(more)
        if not any(len(part.labels) for part in held):
            yield None
            continue
        whole = _joined(held)
        yield _rows(whole, slice(0, wanted))
        held = [_rows(whole, slice(wanted, None))]


def _joined(parts: Sequence[Part]) -> Part:
    """All events of some pieces, which have weights all or none."""
    if len(parts) == 1:
        return parts[0]
    weights = [part.weights for part in parts if part.weights is not None]
    data, labels = np.concatenate([part.data for part in parts]), np.concatenate([part.labels for part in parts])
    return Part(data, labels, np.concatenate(weights) if weights else None)


def _rows(part: Part, rows: slice) -> Part:
    return Part(part.data[rows], part.labels[rows], None if part.weights is None else part.weights[rows])
