"""Sources of events: what is in a file, and its columns, cluster by cluster.

Every format is one module below ``formats`` whose source has the same three verbs: ``schema``, ``clusters`` and
``read``. Bytes come from a ``Place``, a local file or a URL.

    source = open_source("sig.root", tree="events")
    for start, stop in source.clusters(["jetPt"], 0, source.entries):
        offsets, content = source.read(["jetPt"], start, stop)["jetPt"]
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import Branch, Column, Plain, Storage, TreeInfo
from mlaas4hep.sources.choose import Choice, choose_branches
from mlaas4hep.sources.clusters import ALONE, Turn
from mlaas4hep.sources.format import format_of

__all__ = [
    "Branch",
    "Choice",
    "Column",
    "Plain",
    "Reading",
    "Source",
    "Storage",
    "TreeInfo",
    "Turn",
    "choose_branches",
    "find",
    "list_trees",
    "open_source",
]


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
    def state(self) -> object:
        """What is another when the file is: its size and its time, or what a server says of it."""

    @property
    def seconds(self) -> dict[str, float]:
        """What threads spent so far, added up over them: ``fetching``, ``decompression`` and ``decoding``."""

    def schema(self) -> dict[str, Branch]:
        """Return every branch by its name, in the file's order."""

    def clusters(self, columns: Sequence[str], start: int, stop: int, turn: Turn = ALONE) -> list[tuple[int, int]]:
        """Return consecutive ranges from ``start`` to ``stop``, each good to be read at once.

        The columns of a range take at most 32 MB, unless one event alone takes more; less where many files are read
        beside each other. ``turn`` says which of them this is, so that they begin their ranges at different entries.
        No events: no ranges.
        """

    def read(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """Return the columns of the events from ``start`` to ``stop``; reading on in order costs least.

        A ``ReadError`` names file, branch and entries of what cannot be read. Not for two threads at once.
        """

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""


def open_source(
    path: str, tree: str | None = None, *, threads: int | None = 1, reading: Reading | None = None
) -> Source:
    """Open a file or URL by its content; a text by its name.

    ``tree`` may be left out where the file holds only one. ``threads`` decode branches at the same time, as many as
    there are CPUs where it is None. Raises ``SourceError`` for what cannot be opened.
    """
    reading = reading or Reading()
    return format_of(path, reading).open(path, tree, threads, reading)


def list_trees(path: str, reading: Reading | None = None) -> list[TreeInfo]:
    """Return what a file holds: every tree (the newest of several cycles) with its branches and how they are stored."""
    reading = reading or Reading()
    return format_of(path, reading).list_trees(path, reading)


def find(pattern: str, reading: Reading | None = None) -> list[str]:
    """Return the URLs that match a pattern, sorted."""
    from mlaas4hep.sources.remote import remotefile

    return remotefile.find(pattern, reading or Reading())
