"""One process at a time: locks that end with the process that holds them, however it ends."""

import errno
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

from mlaas4hep.errors import OutputError, note

__all__ = ["Busy", "Lock"]

OURS = "mlaas4hep"
"""What a lock file begins with, unless it is empty."""

BUSY = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
NOT_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


class Busy(OutputError):
    """Another process holds the lock."""


class Lock:
    """The lock of a folder that is written, in a file beside it.

    The file is removed when the lock is given back; one that a killed process leaves behind holds nobody up.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     lock = Lock(Path(home, "chunks"))
    ...     lock.take()
    ...     lock.give_back()
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder.with_name(f".{folder.name}.lock")
        self._number: int | None = None

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._number is not None

    def take(self) -> None:
        """Take the lock; ``Busy`` if another process holds it, ``OutputError`` if its file is something else."""
        while self._number is None:
            number = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
            try:
                self._seize(number)
                if not self._replaced(number):
                    self._number = number
            finally:
                if self._number is None:
                    os.close(number)
        with suppress(OSError):  # a full disk holds no lock up
            os.ftruncate(self._number, 0)
            os.write(self._number, f"{OURS} {os.getpid()} on {platform.node()}\n".encode())

    def give_back(self) -> None:
        """Let go of the lock, if we hold it."""
        if self._number is not None:
            with suppress(OSError):  # a file that stays does no harm
                self._path.unlink()
            os.close(self._number)
            self._number = None

    def _seize(self, number: int) -> None:
        text = os.pread(number, 200, 0).decode("utf-8", "replace") if hasattr(os, "pread") else ""
        if text and not text.startswith(OURS):
            raise OutputError(f"{self._path}: exists and is not ours, but has the name of the lock of {self._folder}")
        try:
            _lock(number)
        except OSError as error:
            if error.errno in BUSY:
                who = text.removeprefix(OURS).strip() or "unknown"
                raise Busy(
                    f"{self._folder}: another process ({who}) is writing there; wait for it, or name another folder"
                ) from None
            if error.errno not in NOT_HERE:
                raise
            note(f"{self._folder}: its file system knows no locks; take care that no other process writes there")

    def _replaced(self, number: int) -> bool:
        """Whether the process that held the lock before has removed the file that we locked."""
        try:
            return not os.path.samestat(os.fstat(number), self._path.stat())
        except FileNotFoundError:
            return True


if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> None:
        os.lseek(number, 2**30, os.SEEK_SET)  # a byte behind the text, which others may read
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        os.lseek(number, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
