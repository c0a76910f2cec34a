"""ROOT and Parquet files of the shape of ``data.py``, written once into a folder and kept there."""

import os
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot

from benches.data import Columns, generate

SMALL, LARGE = 8_000, 100_000
"""Events of a basket: 25 or 2 baskets a branch in a file of 200,000 events."""


CODECS = {"ZLIB": uproot.ZLIB(1), "ZSTD": uproot.ZSTD(1), "LZ4": uproot.LZ4(1), "none": None}


def root_file(folder: Path, events: int, basket: int, seed: int = 1, codec: str = "ZLIB") -> Path:
    """Return a ROOT file; counters are written as uproot does, beside the jagged branches."""
    path = folder / f"{events}-{basket}-{seed}-{codec}.root"
    if path.exists():
        return path
    draft = path.with_suffix(".part")
    with uproot.recreate(draft, compression=CODECS[codec]) as file:
        for start in range(0, events, basket):
            columns = generate(min(basket, events - start), seed=seed + start)
            file_columns = {name: _plain(column) for name, column in columns.items()}
            if start == 0:
                file.mktree("events", {name: _type(column) for name, column in file_columns.items()})
            file["events"].extend(file_columns)
    draft.rename(path)
    return path


def parquet_file(folder: Path, events: int, group: int = LARGE, seed: int = 1, nullable: bool = True) -> Path:
    """Return a Parquet file of row groups of so many events, with pyarrow's own settings."""
    path = folder / f"{events}-{group}-{seed}-{nullable}.parquet"
    if path.exists():
        return path
    tables = [arrow_table(generate(min(group, events - start), seed=seed + start)) for start in range(0, events, group)]
    table = pa.concat_tables(tables)
    pq.write_table(table if nullable else table.cast(_required(table.schema)), path, row_group_size=group)
    return path


def _required(schema: pa.Schema) -> pa.Schema:
    """The schema of columns that promise to have no nulls."""
    fields = []
    for field in schema:
        if pa.types.is_list(field.type):
            field = field.with_type(pa.list_(pa.field("element", field.type.value_type, nullable=False)))
        fields.append(field.with_nullable(False))
    return pa.schema(fields)


def arrow_table(columns: Columns) -> pa.Table:
    """Return columns as an Arrow table."""
    return pa.table(
        {
            name: pa.ListArray.from_arrays(pa.array(column[0], pa.int32()), pa.array(column[1]))
            if isinstance(column, tuple)
            else pa.array(column)
            for name, column in columns.items()
        }
    )


def nano_file(folder: Path, events: int = 1000, branches: int = 1479) -> Path:
    """Return a ROOT file of as many branches as a NanoAOD file has, in baskets of all events."""
    path = folder / f"nano-{events}-{branches}.root"
    if path.exists():
        return path
    rng = np.random.default_rng(1)
    columns: dict[str, object] = {}
    for number in range(branches // 3):
        lengths = rng.poisson(3, events)
        content = rng.normal(50, 20, int(lengths.sum())).astype(np.float32)
        columns[f"Jet{number}"] = ak.unflatten(content, lengths)  # and its counter: two branches
        columns[f"flag{number}"] = rng.integers(0, 2, events).astype(bool)
    with uproot.recreate(path, compression=uproot.LZMA(1)) as file:
        tree = file.mktree("Events", {name: _type(column) for name, column in columns.items()})
        tree.extend(columns)
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
