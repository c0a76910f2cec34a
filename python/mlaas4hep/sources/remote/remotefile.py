"""Files behind a URL, through fsspec: each try has a deadline, and a connection of its own."""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from functools import partial
from itertools import accumulate
from time import monotonic
from typing import Any, BinaryIO, TypeVar, cast

from mlaas4hep.errors import ReadError, SourceError
from mlaas4hep.reading import Reading
from mlaas4hep.sources.blocks import BlockFile
from mlaas4hep.sources.localfile import TooShort
from mlaas4hep.sources.remote.causes import Cause, Changed, Incomplete, cause_of
from mlaas4hep.sources.remote.credentials import found_credentials
from mlaas4hep.sources.remote.deadline import Closed, within
from mlaas4hep.sources.remote.systems import opener_of, protocol_of

__all__ = ["Lost", "RemoteFile", "find"]

Result = TypeVar("Result")

LOOK = 1.0
"""Seconds after which a file that is read is looked at again: whether it is still the same."""

PIECES = {"root": 2_097_136}
"""Bytes that servers give of one range; what is larger XRootD's client would join slowly."""
PIECE = 2**24
"""The same where a server knows no limit."""

AT_ONCE = 2**25
"""Bytes that are asked for together, under one deadline."""

STAMPS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "Last-Modified", "updated")
"""Names under which file systems keep what changes with a file."""


class Lost(ReadError):
    """A remote file that could be opened could not be read; ``cause`` says why, without the file."""

    def __init__(self, path: str, cause: str) -> None:
        super().__init__(f"{path}: {cause}")
        self.cause = cause


class _Access:
    """Tries to do something with the file system behind a URL, again where that may help."""

    def __init__(self, path: str, reading: Reading) -> None:
        self.path, self._reading = path, reading
        self._open = opener_of(path, reading)
        self._system: tuple[Any, str] | None = None
        self._failed = False
        self._closing: Future[None] = Future()

    def attempt(self, work: Callable[[Any, str, bool], Result], error: Callable[[str, str], SourceError]) -> Result:
        """Return what the work gives, which takes file system, name, and whether the system is fresh."""
        pause, tries = self._reading.pause, self._reading.tries
        for number in range(1, tries + 1):
            try:
                return within(self._reading.deadline, lambda: self._once(work), self._closing)
            except (SourceError, NotImplementedError):
                raise
            except Closed:
                raise error(self.path, "the file is closed") from None
            except Exception as raised:
                self._system, self._failed = None, True
                cause = cause_of(raised, self._reading.deadline)
                if number == tries or not cause.again:
                    raise error(self.path, self._words(cause, number)) from raised
            wait([self._closing], pause)
            pause *= 2
        raise AssertionError("there is at least one try")

    def close(self) -> None:
        """Nothing is done any more."""
        if not self._closing.done():
            self._closing.set_result(None)
        self._system = None

    def _once(self, work: Callable[[Any, str, bool], Result]) -> Result:
        kept = self._system
        system = kept or self._open(self._failed)
        result = work(*system, kept is None)
        self._system = None if self._closing.done() else system
        return result

    def _words(self, cause: Cause, tries: int) -> str:
        text = cause.text + (f" (tried {tries} times)" if tries > 1 else "")
        if cause.credentials and protocol_of(self.path) == "root":
            return f"{text}: {found_credentials()}"
        return text


class RemoteFile:
    """A file behind a URL. See ``Place`` for what its methods promise.

    Metadata and bytes are asked for as often as ``Reading`` says, each time on a new connection and for as long as its
    deadline; a file that is not there or may not be read is not asked for again. What cannot be opened is a
    ``SourceError``, what cannot be read a ``ReadError``, as is a file whose size or stamp changes meanwhile.
    """

    def __init__(self, path: str, reading: Reading) -> None:
        self.path = path
        self._access = _Access(path, reading)
        self._piece = PIECES.get(protocol_of(path), PIECE)
        info = self._access.attempt(lambda system, name, fresh: system.info(name), _not_opened)
        if info.get("type") == "directory":
            raise SourceError(f"{path}: this is a folder; name its files, as in '{path.rstrip('/')}/*.root'")
        size, self.stamp = _state(info)
        if size is None:
            raise _not_opened(path, "the server does not say how long the file is")
        self.size: int = size
        self.state = (size, self.stamp)
        self._seen = monotonic()

    def read(self, start: int, size: int) -> bytes:
        """Return ``size`` bytes from ``start`` on; ``TooShort`` says that the file does not reach so far."""
        return self.fetch([(start, start + size)])[0]

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of several ranges from start to stop, asked for together."""
        for start, stop in ranges:
            if not 0 <= start <= stop <= self.size:
                raise TooShort(f"the file ends too early: it has {self.size} bytes, and these lie before byte {stop}")
        cut = [[(at, min(at + self._piece, stop)) for at in range(start, stop, self._piece)] for start, stop in ranges]
        found = self._batches([piece for pieces in cut for piece in pieces])
        parts = [[next(found) for _ in pieces] for pieces in cut]
        return [part[0] if len(part) == 1 else b"".join(part) for part in parts]

    def check(self) -> None:
        """Do nothing: every read looks by itself."""

    def file(self) -> BinaryIO:
        """Return a file object to read and seek in, with the same deadlines, tries and errors; it reads in blocks."""
        return cast(BinaryIO, io.BufferedReader(BlockFile(self)))

    def close(self) -> None:
        """Let go of the file; nothing can be read afterwards."""
        self._access.close()

    def _batches(self, pieces: list[tuple[int, int]]) -> Iterator[bytes]:
        """Yield the bytes of pieces, as many asked for together as a deadline is for."""
        while pieces:
            totals = accumulate(stop - start for start, stop in pieces)
            count = max(1, sum(total <= AT_ONCE for total in totals))
            batch, pieces = pieces[:count], pieces[count:]
            yield from self._access.attempt(partial(self._get, batch), Lost)

    def _get(self, ranges: list[tuple[int, int]], system: Any, name: str, fresh: bool) -> list[bytes]:
        """Ask for ranges once, and make sure that they are of the same file."""
        starts, stops = zip(*ranges, strict=True)
        found = system.cat_ranges([name] * len(ranges), list(starts), list(stops), on_error="raise")
        if fresh or monotonic() - self._seen > LOOK:
            size, stamp = _state(system.info(name))
            if size != self.size:
                raise Changed(f"it has {size} bytes now and had {self.size} before")
            if stamp != self.stamp:
                raise Changed("its time or tag is another one now")
            self._seen = monotonic()
        for (start, stop), part in zip(ranges, found, strict=True):
            if len(part) != stop - start:
                raise Incomplete(f"only {len(part)} of {stop - start} bytes came from byte {start} on")
        return list(found)


def find(pattern: str, reading: Reading) -> list[str]:
    """Return the URLs that match a pattern, sorted."""

    def search(system: Any, name: str, fresh: bool) -> list[str]:
        folder = name[: min((name.find(mark) for mark in "*?[" if mark in name), default=len(name))].rpartition("/")[0]
        system.ls(folder, detail=False)  # a glob takes a server that does not answer for one without files
        options = {"on_error": "raise"} if protocol_of(pattern) in ("root", "http", "https") else {}
        return sorted(system.unstrip_protocol(found) for found in system.glob(name, **options))

    try:
        return _Access(pattern, reading).attempt(search, _not_listed)
    except NotImplementedError:
        raise SourceError(f"{pattern}: {protocol_of(pattern)}:// cannot list files; name each of them") from None


def _state(info: dict[str, Any]) -> tuple[int | None, str]:
    """Size and stamp of a file."""
    stamp = next((str(info[name]) for name in STAMPS if info.get(name)), "")
    return None if info["size"] is None else int(info["size"]), stamp


def _not_opened(path: str, cause: str) -> SourceError:
    return SourceError(f"{path}: cannot be opened: {cause}")


def _not_listed(path: str, cause: str) -> SourceError:
    return SourceError(f"{path}: its folder cannot be listed: {cause}")
