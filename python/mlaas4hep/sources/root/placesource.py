"""Bytes of a place for uproot."""

from collections.abc import Sequence
from queue import Queue
from typing import Any

from uproot.source.chunk import Chunk, Source
from uproot.source.futures import TrivialFuture

from mlaas4hep.sources.blocks import BlockFile
from mlaas4hep.sources.place import Place

__all__ = ["PlaceSource"]


class PlaceSource(Source):  # type: ignore[misc]  # uproot ships no types
    """Reads what uproot asks for from the place given as an option to ``uproot.open``; errors are those of the place.

    What uproot wants to know of a file are many small things that lie close together, so they are read in blocks.
    """

    def __init__(self, file_path: str, *, place: Place, **options: Any) -> None:
        super().__init__()
        self._file_path, self._num_bytes = file_path, place.size
        self._open: BlockFile | None = BlockFile(place)

    def chunk(self, start: int, stop: int) -> Chunk:
        """Return the bytes of a range, as far as the file reaches."""
        start, stop = int(start), int(stop)
        size = max(0, min(stop, self._num_bytes) - start)
        return Chunk(self, start, stop, TrivialFuture(self._blocks.read_at(start, size)))

    def chunks(self, ranges: Sequence[tuple[int, int]], notifications: "Queue[Chunk]") -> list[Chunk]:
        """Return the bytes of several ranges, which may be none."""
        chunks = [self.chunk(start, stop) for start, stop in ranges]
        for chunk in chunks:
            notifications.put(chunk)
        return chunks

    @property
    def closed(self) -> bool:
        """Whether nothing can be read any more."""
        return self._open is None

    @property
    def _blocks(self) -> BlockFile:
        if self._open is None:
            raise OSError(f"{self._file_path}: the file is closed")
        return self._open

    def __enter__(self) -> "PlaceSource":
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of the place, which stays open: what is known of a tree outlives it."""
        self._open = None
