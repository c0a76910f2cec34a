"""Sources of events: what is in a file, and its columns, cluster by cluster.

Every format is one module here whose source has the same three verbs: ``schema``, ``clusters`` and ``read``.
This version reads local ROOT files with TTrees.

    source = open_source("sig.root", tree="events")
    for start, stop in source.clusters(["jetPt"], 0, source.entries):
        offsets, content = source.read(["jetPt"], start, stop)["jetPt"]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mlaas4hep.errors import SourceError
from mlaas4hep.sources.branch import Branch, Column, TreeInfo
from mlaas4hep.sources.choose import Choice, choose_branches

__all__ = ["Branch", "Choice", "Column", "Source", "TreeInfo", "choose_branches", "list_trees", "open_source"]

MAGIC = {
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file",
    b"Obj\x01": "an Avro file",
    b"PK": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"<": "a web page or an XML file",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
}
LONGEST = max(map(len, MAGIC))


class Source(Protocol):
    """Events of one file (of one tree in it), as columns."""

    @property
    def path(self) -> str:
        """The file, as the user wrote it."""

    @property
    def tree(self) -> str:
        """The name of the tree in the file."""

    @property
    def entries(self) -> int:
        """The number of events."""

    @property
    def seconds(self) -> dict[str, float]:
        """What threads spent so far, added up over them: ``fetching``, ``decompression`` and ``decoding``."""

    def schema(self) -> dict[str, Branch]:
        """Return every branch by its name, in the file's order."""

    def clusters(self, columns: Sequence[str], start: int, stop: int, beside: int = 1) -> list[tuple[int, int]]:
        """Return consecutive ranges from ``start`` to ``stop``, each good to be read at once.

        The columns of a range take at most 32 MB, unless one event alone takes more; less where many files are read
        ``beside`` each other. No events: no ranges.
        """

    def read(self, columns: Sequence[str], start: int, stop: int) -> dict[str, Column]:
        """Return the columns of the events from ``start`` to ``stop``; reading on in order costs least.

        A ``ReadError`` names file, branch and entries of what cannot be read. Not for two threads at once.
        """

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""


def open_source(path: str, tree: str | None = None, *, threads: int | None = 1) -> Source:
    """Open a file, whatever its name, by its content.

    ``tree`` may be left out where the file holds only one. ``threads`` decode branches at the same time, as many as
    there are CPUs where it is None.
    """
    _check(path)
    from mlaas4hep.sources import ttree

    return ttree.open_tree(path, tree, threads)


def list_trees(path: str) -> list[TreeInfo]:
    """Return what a file holds: every tree (the newest of several cycles) with its branches."""
    _check(path)
    from mlaas4hep.sources import ttree

    return ttree.list_trees(path)


def _check(path: str) -> None:
    """Raise ``SourceError`` for what is no ROOT file at all."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(LONGEST)
    except FileNotFoundError:
        raise SourceError(f"{path}: there is no such file") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be opened: {error.strerror or error}") from None
    if not head:
        raise SourceError(f"{path}: the file is empty; it should be a ROOT file")
    if head[:4] == b"root":
        return
    found = next((what for magic, what in MAGIC.items() if head.startswith(magic)), "not a ROOT file")
    raise SourceError(f"{path}: this is {found}; this version reads ROOT files with TTrees")
