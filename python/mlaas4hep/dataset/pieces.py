"""Windows, the events that are permuted together, cut into pieces: the chunks of a pass, or its batches."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.dataset.buffers import Target
from mlaas4hep.dataset.chunk import Chunk
from mlaas4hep.plan import Plan

__all__ = ["Share", "Window", "pieces_of"]


@dataclass(frozen=True, slots=True)
class Share:
    """The ``events`` that one of ``world`` readers gets of a pass over ``total`` events: its shard.

    All have the same number of pieces. The shards differ by at most one event; one of an event fewer spreads its last
    events, so that no piece is empty, unless there are fewer events than pieces.
    """

    events: int
    total: int
    world: int

    def size(self, asked: int) -> int:
        """Return the size of pieces, of which -1 asks for a single one."""
        return max(1, -(-self.total // self.world)) if asked == -1 else asked

    def pieces(self, size: int, full: bool = False) -> int:
        """Return the number of pieces; ``full``: of those that are full in every shard."""
        return self.total // self.world // self.size(size) if full else -(-self._largest // self.size(size))

    def limit(self, number: int, size: int, full: bool = False) -> int:
        """Return the position at which a piece begins, and the one before it ends."""
        return _rust.limit(number, self.events, self.events if full else self._largest, self.size(size))

    @property
    def _largest(self) -> int:
        return -(-self.total // self.world)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Events in the order of their positions in a pass, from ``start`` on; ``lost`` are rows that could not be read."""

    target: Target
    lost: NDArray[np.int64]
    start: int
    share: Share
    plan: Plan

    @property
    def stop(self) -> int:
        """The position behind the last one."""
        return self.start + len(self.target["file"])

    def rows(self, start: int, stop: int) -> "Window":
        """Return the events from one position to another, as views."""
        first, last = start - self.start, stop - self.start
        target = {name: array[first:last] for name, array in self.target.items()}
        lost = self.lost[(self.lost >= first) & (self.lost < last)] - first
        return replace(self, target=target, lost=lost, start=start)

    def outside(self, size: int, first: int, full: bool) -> NDArray[np.int32]:
        """Return the files of events that were read and are in none of the pieces; see :func:`pieces_of`."""
        share, rows = self.share, np.arange(self.start, self.stop)
        begin, end = share.limit(first, size, full), share.limit(share.pieces(size, full), size, full)
        outside = (rows < begin) | (rows >= end)
        outside[self.lost] = False
        files: NDArray[np.int32] = self.target["file"][outside]
        return files

    def kept(self) -> "Window":
        """Return a copy, which lets the memory of the whole be used again."""
        return replace(self, target={name: array.copy() for name, array in self.target.items()})

    def joined(self, before: "Window | None") -> "Window":
        """Return these events behind others."""
        if before is None:
            return self
        target = {name: np.concatenate([before.target[name], array]) for name, array in self.target.items()}
        lost = np.append(before.lost, self.lost + self.start - before.start)
        return replace(before, target=target, lost=lost)

    def chunk(self) -> Chunk:
        """Return the events that were read."""
        return Chunk.of(self.plan.gathered(self.target), self.lost)


def pieces_of(windows: Iterable[Window], size: int, first: int = 0, full: bool = False) -> Generator[Chunk]:
    """Yield the pieces of ``size`` events from the ``first``-th on; ``full``: only those that are full everywhere.

    A piece is a view of its window, or a copy where it runs over the border of two.
    """
    number, before = first, None
    for window in windows:
        while number < window.share.pieces(size, full):
            start, stop = (window.share.limit(at, size, full) for at in (number, number + 1))
            start = max(start, window.start)
            if stop > window.stop:
                if start < window.stop:  # else joining what comes with nothing would copy all of it
                    before = window.rows(start, window.stop).kept().joined(before)
                break
            yield window.rows(start, stop).joined(before).chunk()
            before, number = None, number + 1
