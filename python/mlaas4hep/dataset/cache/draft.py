"""What is kept of one file while it is written."""

import io
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import xxhash
from numpy.typing import NDArray

from mlaas4hep.dataset.cache.kept import Writer
from mlaas4hep.sources import Column

__all__ = ["Draft", "NoRoom"]


class NoRoom(Exception):
    """There is no room in the cache."""


class _Sink(io.RawIOBase):
    """A file that is written on, which knows its size and its checksum.

    ``room`` is asked whether there may be so many bytes, returns how many there may be, and raises ``NoRoom``.
    """

    def __init__(self, path: Path, room: Callable[[int], int]) -> None:
        self.size = 0
        self.hash = xxhash.xxh3_128()
        self._room, self._granted = room, 0
        self._file = path.open("xb")

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def tell(self) -> int:
        """Return how much was written."""
        return self.size

    def write(self, data: Any) -> int:
        """Write bytes behind the others."""
        size = memoryview(data).nbytes
        if self.size + size > self._granted:
            self._granted = self._room(self.size + size)
        self._file.write(data)
        self.hash.update(data)
        self.size += size
        return size

    def flush(self) -> None:
        """See that everything is on the disk."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class Draft:
    """A file with clusters of events, in the making.

    What goes wrong with it must not disturb the pass that reads the events: then ``failure`` says what it was, and
    nothing more is written.
    """

    def __init__(self, path: Path, room: Callable[[int], int]) -> None:
        self.path, self.failure = path, ""
        self.ranges: list[tuple[int, int]] = []
        self.passed: list[int] = []
        self._sink = _Sink(path, room)
        self._writer = Writer(cast("BinaryIO", self._sink))

    @property
    def size(self) -> int:
        """Bytes that were written."""
        return self._sink.size

    @property
    def checksum(self) -> str:
        """The checksum of all bytes."""
        return self._sink.hash.hexdigest()

    def add(self, columns: Sequence[Column], entries: NDArray[np.int64], start: int, stop: int) -> None:
        """Write the events that are kept of a range of entries."""
        self._try(lambda: self._writer.add(columns, entries))
        self.ranges.append((start, stop))

    def finish(self) -> None:
        """Write the end, and see that everything is on the disk."""
        self._try(self._writer.close)
        self._try(self._sink.flush)

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # what could not be written before cannot be now
            self._sink.close()

    def _try(self, work: Callable[[], None]) -> None:
        if self.failure:
            return
        try:
            work()
        except NoRoom as error:
            self.failure = str(error)
        except OSError as error:
            self.failure = f"cannot be written ({error.strerror or error})"
