"""The formats of files: each is a module below ``formats``, found by itself."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from mlaas4hep.errors import SourceError
from mlaas4hep.reading import Reading
from mlaas4hep.sources import formats
from mlaas4hep.sources.branch import TreeInfo
from mlaas4hep.sources.place import Place, open_place

if TYPE_CHECKING:
    from mlaas4hep.sources import Source

__all__ = ["Format", "format_of", "from_module", "packed_or_not"]

Opener = Callable[[str, str | None, int | None, Reading], "Source"]
Lister = Callable[[str, Reading], list[TreeInfo]]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: how its files are told from others, and what opens them.

    ``magic`` are the bytes with which a file may begin; a text has none, and is told by ``suffixes``, in lower case.
    ``open`` takes path, tree, threads and how to read; ``list_trees`` path and how to read. Neither module nor
    ``FORMAT`` loads the library that reads the files before one of these is called.
    """

    name: str
    open: "Opener"
    list_trees: "Lister"
    magic: tuple[bytes, ...] = ()
    suffixes: tuple[str, ...] = ()


def from_module(name: str) -> "tuple[Opener, Lister]":
    """Return ``open`` and ``list_trees`` of a module below ``mlaas4hep.sources``, which is loaded by the first call."""

    def open_tree(path: str, tree: str | None, threads: int | None, reading: Reading) -> "Source":
        source: Source = importlib.import_module(f"mlaas4hep.sources.{name}").open_tree(path, tree, threads, reading)
        return source

    def list_trees(path: str, reading: Reading) -> list[TreeInfo]:
        trees: list[TreeInfo] = importlib.import_module(f"mlaas4hep.sources.{name}").list_trees(path, reading)
        return trees

    return open_tree, list_trees


def packed_or_not(*suffixes: str) -> tuple[str, ...]:
    """Return the ends of names of texts, as they are and compressed in the ways that can be read."""
    return tuple(suffix + end for suffix in suffixes for end in ("", ".gz", ".bz2", ".zst", ".lz4"))


OTHERS = {
    b"\x93NUMPY": "a NumPy file",
    b"FEA1": "a Feather file of version 1; write it again as Feather 2",
    b"PK": "a ZIP archive",
    b"<": "a web page or an XML file",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
}
"""What is no format of ours, by its first bytes."""

LONGEST = 24
"""Bytes that tell what a file is."""


@cache
def known_formats() -> tuple[Format, ...]:
    """Return every format, sorted by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(formats.__path__))
    found = (importlib.import_module(f"{formats.__name__}.{name}").FORMAT for name in names)
    return tuple(found)


def format_of(path: str, reading: Reading) -> Format:
    """Return the format of a file by its first bytes, that of a text by its name; ``SourceError`` says what it is."""
    place = open_place(path, reading)
    try:
        head = place.read(0, min(LONGEST, place.size))
    finally:
        place.close()
    return _told(path, head, place)


def _told(path: str, head: bytes, place: Place) -> Format:
    listed = ", ".join(one.name for one in known_formats())
    if not head:
        raise SourceError(f"{path}: the file is empty; it should be one of {listed}")
    for one in known_formats():
        if any(head.startswith(magic) for magic in one.magic):
            return one
    for magic, what in OTHERS.items():
        if head.startswith(magic):
            raise SourceError(f"{path}: this is {what}; formats that can be read are {listed}")
    name = path.partition("?")[0].lower()
    for one in known_formats():
        if name.endswith(one.suffixes or ("\0",)):
            return one
    must = next((f"{one.name} by its name" for one in known_formats() if name.endswith(f".{one.name.lower()}")), "")
    what = f"{must}, but not by its content" if must else "of no format that can be read"
    raise SourceError(f"{path}: this is {what}; formats that can be read are {listed}")
