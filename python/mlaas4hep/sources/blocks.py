"""A place as a file object, for libraries that want one."""

import io
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from mlaas4hep.sources.place import Place

__all__ = ["BlockFile"]

BLOCK = 2**18
"""Bytes that are read at once where fewer are asked for: these lie close together, as a rule."""

KEPT = 32
"""Blocks that are kept, the ones used last."""


class BlockFile(io.RawIOBase):
    """Reads and seeks in a place; what is small is read in blocks, of which the last ones are kept.

    Errors are those of the place. What is large is read as it is asked for, and not kept.
    """

    def __init__(self, place: "Place") -> None:
        super().__init__()
        self._place = place
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = Lock()

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It has a position that can be set."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position, counted from the beginning, from here or from the end."""
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._place.size}[whence]
        if at < 0:
            raise ValueError(f"{self._place.path}: byte {at} lies before the beginning")
        self._at = at
        return at

    def close(self) -> None:
        """Drop the blocks; the place stays open."""
        self._blocks.clear()
        super().close()

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill a buffer with the next bytes, as far as there are some, and return how many they are."""
        if self.closed:
            raise ValueError(f"{self._place.path}: the file is closed")
        target = memoryview(buffer).cast("B")
        found = self.read_at(self._at, min(len(target), max(0, self._place.size - self._at)))
        target[: len(found)] = found
        self._at += len(found)
        return len(found)

    def read_at(self, start: int, size: int) -> bytes:
        """Return bytes of the file; the position stays."""
        if size == 0:
            return b""
        if size >= BLOCK or start < 0 or size < 0 or start + size > self._place.size:
            return self._place.read(start, size)
        first, last = start // BLOCK, (start + size - 1) // BLOCK
        with self._lock:
            joined = b"".join(self._block(number) for number in range(first, last + 1))
        begin = start - first * BLOCK
        return joined[begin : begin + size]

    def _block(self, number: int) -> bytes:
        found = self._blocks.pop(number, None)
        if found is None:
            start = number * BLOCK
            found = self._place.read(start, min(BLOCK, self._place.size - start))
        self._blocks[number] = found
        if len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)
        return found
