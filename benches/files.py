"""ROOT files of the shape of ``data.py``, written once into a folder and kept there."""

import os
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from benches.data import generate

SMALL, LARGE = 8_000, 100_000
"""Events of a basket: 25 or 2 baskets a branch in a file of 200,000 events."""


def root_file(folder: Path, events: int, basket: int, seed: int = 1) -> Path:
    """Return a ROOT file with ZLIB level 1; counters are written as uproot does, beside the jagged branches."""
    path = folder / f"{events}-{basket}-{seed}.root"
    if path.exists():
        return path
    draft = path.with_suffix(".part")
    with uproot.recreate(draft, compression=uproot.ZLIB(1)) as file:
        for start in range(0, events, basket):
            columns = generate(min(basket, events - start), seed=seed + start)
            file_columns = {name: _plain(column) for name, column in columns.items()}
            if start == 0:
                file.mktree("events", {name: _type(column) for name, column in file_columns.items()})
            file["events"].extend(file_columns)
    draft.rename(path)
    return path


def linked(path: Path, count: int) -> list[Path]:
    """Return so many names of one file, which are read like as many files."""
    names = [path.with_name(f"{path.stem}-{number:03}.root") for number in range(count)]
    for name in names:
        if not name.exists():
            os.link(path, name)
    return names


def _plain(column: object) -> object:
    if not isinstance(column, tuple):
        return column
    offsets, content = column
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), ak.contents.NumpyArray(content)))


def _type(column: object) -> object:
    return column.dtype if isinstance(column, np.ndarray) else "var * float32"
