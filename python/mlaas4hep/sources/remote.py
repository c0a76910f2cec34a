"""Files behind a URL, through fsspec."""

from collections.abc import Sequence
from typing import Any, BinaryIO, cast

from mlaas4hep.errors import SourceError, first_line
from mlaas4hep.reading import Reading
from mlaas4hep.sources.localfile import TooShort

__all__ = ["RemoteFile", "find"]


class RemoteFile:
    """A file behind a URL. See ``Place`` for what its methods promise."""

    def __init__(self, path: str, reading: Reading) -> None:
        import fsspec

        self.path = path
        try:
            self._system, self._name = fsspec.core.url_to_fs(path)
            info: dict[str, Any] = self._system.info(self._name)
        except Exception as error:
            raise SourceError(f"{path}: cannot be opened: {first_line(error)}") from error
        self.size = int(info["size"])
        self.stamp: object = str(info.get("ETag") or info.get("mtime") or info.get("LastModified") or "")

    def read(self, start: int, size: int) -> bytes:
        """Return ``size`` bytes from ``start`` on."""
        if start < 0 or size < 0 or start + size > self.size:
            raise TooShort(f"the file ends too early: it has {self.size} bytes")
        return self.fetch([(start, start + size)])[0]

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of several ranges from start to stop."""
        if not ranges:
            return []
        starts, stops = zip(*ranges, strict=True)
        return list(self._system.cat_ranges([self._name] * len(ranges), list(starts), list(stops), on_error="raise"))

    def file(self) -> BinaryIO:
        """Return a file object to read and seek in."""
        return cast(BinaryIO, self._system.open(self._name, "rb"))

    def close(self) -> None:
        """Let go of the file."""


def find(pattern: str, reading: Reading) -> list[str]:
    """Return the URLs that match a pattern, sorted; none if its protocol cannot list."""
    import fsspec

    system, name = fsspec.core.url_to_fs(pattern)
    return sorted(system.unstrip_protocol(found) for found in system.glob(name))
