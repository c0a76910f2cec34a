"""Baskets written by hand, and readers of the core without a source."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlaas4hep import _rust

KEY = 40


def key(stored: int, size: int, content: int) -> bytes:
    """A key in front of an object of ``size`` bytes, of which ``content`` come before the offsets."""
    made = bytearray(KEY)
    struct.pack_into(">i", made, 0, KEY + stored)
    struct.pack_into(">i", made, 6, size)
    struct.pack_into(">h", made, 14, KEY)
    struct.pack_into(">i", made, 35, KEY + content)
    return bytes(made)


def basket(content: bytes, starts: Sequence[int] | None = None) -> bytes:
    """A basket that is not compressed, with a table of offsets if there are starts."""
    table = b""
    if starts is not None:
        table = struct.pack(f">i{len(starts)}ii", len(starts) + 1, *(KEY + start for start in starts), 0)
    return key(len(content) + len(table), len(content) + len(table), len(content)) + content + table


def place(path: Path, baskets: Sequence[bytes], gap: int = 0) -> dict[str, Any]:
    """Put baskets at the end of a file, and say where they are."""
    seeks = []
    with path.open("ab") as file:
        for data in baskets:
            file.write(bytes(gap))
            seeks.append(file.tell())
            file.write(data)
    return {"seeks": seeks, "sizes": [len(data) for data in baskets]}


def edges(sizes: Sequence[int]) -> list[int]:
    return [0, *np.cumsum(sizes).tolist()]


def local(path: Path) -> _rust.BasketReader:
    found = path.stat()
    return _rust.BasketReader(str(path), found.st_size, found.st_mtime_ns)


def fetched(
    reader: _rust.BasketReader, path: Path, branches: list[_rust.BasketBranch], start: int, stop: int
) -> list[Any]:
    """Read with bytes that this side gets: those that the reader asks for, and no others."""
    data = path.read_bytes()
    ranges = reader.ranges(branches, start, stop)
    return list(reader.read(branches, start, stop, fetched=[(begin, data[begin:end]) for begin, end in ranges]))
