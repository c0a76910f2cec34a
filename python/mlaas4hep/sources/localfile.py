"""Bytes of a local file."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from mlaas4hep.errors import ReadError, SourceError

__all__ = ["LocalFile", "TooShort"]


class TooShort(Exception):
    """The file does not reach as far as it is read."""


class LocalFile:
    """A file from which any thread reads any range, without a position that they would share.

    The file is read, not mapped into memory: a mapped file that shrinks ends the process. See ``Place`` for what its
    methods promise.
    """

    _open = False

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = Lock()
        try:
            self._number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            raise SourceError(f"{path}: there is no such file") from None
        except OSError as error:
            raise SourceError(f"{path}: cannot be opened: {error.strerror or error}") from None
        self._open = True
        found = os.fstat(self._number)
        if stat.S_ISDIR(found.st_mode):
            self.close()
            raise SourceError(f"{path}: cannot be opened: this is a folder")
        self.size, self.modified = found.st_size, found.st_mtime_ns
        self.stamp = (found.st_dev, found.st_ino, found.st_mtime_ns)
        self.state = (self.size, self.stamp)

    def read(self, start: int, size: int) -> bytes:
        """Return ``size`` bytes from ``start`` on; ``TooShort`` says that the file does not reach so far."""
        there = os.fstat(self._number).st_size
        if start < 0 or size < 0 or start + size > there:
            raise TooShort(f"the file ends too early: it has {there} bytes, and these lie before byte {start + size}")
        if hasattr(os, "pread"):
            found = os.pread(self._number, size, start)
        else:
            with self._lock:
                os.lseek(self._number, start, os.SEEK_SET)
                found = os.read(self._number, size)
        if len(found) < size:
            raise TooShort(f"the file ends too early: only {len(found)} of {size} bytes came from byte {start} on")
        self.check()
        return found

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of several ranges from start to stop."""
        return [self.read(start, stop - start) for start, stop in ranges]

    def check(self) -> None:
        """Raise if the file was written again since it was opened."""
        if os.fstat(self._number).st_mtime_ns != self.modified:
            raise ReadError(f"{self.path}: the file was changed while it was read")

    def file(self) -> BinaryIO:
        """Return a file object to read and seek in."""
        return Path(self.path).open("rb")

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        if self._open:
            os.close(self._number)
            self._open = False

    def __del__(self) -> None:
        self.close()
