"""Where the bytes of a file are: on this machine, or at a URL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from mlaas4hep.inputs import is_url
from mlaas4hep.reading import Reading
from mlaas4hep.sources.localfile import LocalFile

__all__ = ["Place", "open_place", "place_of_source"]


class Place(Protocol):
    """A file of which any thread reads any bytes."""

    @property
    def path(self) -> str:
        """The path or URL, as the user wrote it."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    @property
    def stamp(self) -> object:
        """What is another when the file is: its time, or what a server says of it; it can be a key of a dict."""

    @property
    def state(self) -> object:
        """Size and stamp together."""

    def read(self, start: int, size: int) -> bytes:
        """Return ``size`` bytes from ``start`` on; ``TooShort`` says that the file does not reach so far."""

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of several ranges from start to stop, asked for together."""

    def check(self) -> None:
        """Raise a ``ReadError`` if the file on this machine was changed; a remote one is looked at as it is read."""

    def file(self) -> BinaryIO:
        """Return a file object to read and seek in, for libraries that want one; close it before the place."""

    def close(self) -> None:
        """Let go of the file; nothing can be read afterwards."""


def open_place(path: str, reading: Reading) -> Place:
    """Open a path or URL; ``SourceError`` says why it cannot be."""
    if not is_url(path):
        return LocalFile(path)
    from mlaas4hep.sources.remote.remotefile import RemoteFile

    return RemoteFile(path, reading)


@contextmanager
def place_of_source(path: str, reading: Reading) -> Iterator[Place]:
    """Open a path or URL for a source that will close it; where there is none in the end it is closed here."""
    place = open_place(path, reading)
    try:
        yield place
    except BaseException:
        place.close()
        raise
