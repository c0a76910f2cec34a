"""The same events as files of every format."""

import bz2
import gzip
import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
from mlaas4hep.sources import Column, Reading, Source, open_source

Rows = int


def opened(path: Path, **reading: Any) -> Source:
    return open_source(str(path), reading=Reading(**reading))


def write_parquet(table: pa.Table, path: Path, rows: Rows, **options: Any) -> Path:
    pa.parquet.write_table(table, path, row_group_size=rows, **options)
    return path


def write_arrow(table: pa.Table, path: Path, rows: Rows, **options: Any) -> Path:
    """A file, or a stream where the name ends in ``.arrows``."""
    new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with new(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path


def write_feather(table: pa.Table, path: Path, rows: Rows) -> Path:
    pa.feather.write_feather(table, path, chunksize=rows)
    return path


def write_csv(table: pa.Table, path: Path, rows: Rows) -> Path:
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink)
    return write_packed(sink.getvalue().to_pybytes(), path)


def write_jsonlines(table: pa.Table, path: Path, rows: Rows) -> Path:
    lines = [json.dumps(row) for row in table.to_pylist()]
    return write_packed(("\n".join(lines) + "\n").encode(), path)


def write_packed(data: bytes, path: Path) -> Path:
    """Text, packed as the name says."""
    pack: dict[str, Callable[[bytes], Any]] = {
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".zst": lambda text: pa.compress(text, "zstd", asbytes=True),
    }
    path.write_bytes(pack.get(path.suffix, bytes)(data))
    return path


def write_avro(table: pa.Table, path: Path, rows: Rows) -> Path:
    import fastavro

    fields = [{"name": field.name, "type": avro_type(field.type)} for field in table.schema]
    schema = {"type": "record", "name": "event", "fields": fields}
    with path.open("wb") as file:
        fastavro.writer(file, schema, table.to_pylist(), codec="deflate", sync_interval=rows)
    return path


def avro_type(type_: Any) -> Any:
    if pa.types.is_list(type_):
        return ["null", {"type": "array", "items": avro_type(type_.value_type)}]
    names = {"int32": "int", "int64": "long", "float": "float", "double": "double", "bool": "boolean"}
    return ["null", names.get(str(type_), str(type_))]


def write_hdf5(columns: Mapping[str, Any], path: Path, rows: Rows) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file.create_dataset(name, data=values, chunks=(rows, *values.shape[1:]), compression="gzip")
    return path


def plain(column: Column) -> list[Any]:
    """A column as a list with None for what is null."""
    if isinstance(column, np.ndarray):
        return list(column.tolist())
    if isinstance(column, tuple):
        offsets, content = column
        values = plain(content)
        assert offsets.dtype == np.int64
        assert offsets[0] == 0
        assert offsets[-1] == len(values)
        return [values[start:stop] for start, stop in pairwise(offsets)]
    assert not column.valid_when
    return [None if null else value for value, null in zip(plain(column.values), column.mask, strict=True)]


def assert_ranges(source: Source, wanted: Mapping[str, list[Any]], count: int = 12, seed: int = 5) -> None:
    """Ranges in order, at random and empty ones have the wanted values."""
    entries, names = source.entries, list(wanted)
    random = np.random.default_rng(seed)
    step = max(1, entries // 7)
    ranges = [(start, min(start + step, entries)) for start in range(0, entries, step)]
    ranges += [tuple(sorted(random.integers(0, entries + 1, 2).tolist())) for _ in range(count)]
    ranges += [(0, entries), (entries, entries), (0, 0)]
    for start, stop in ranges:
        found = source.read(names, start, stop)
        assert list(found) == names
        for name in names:
            assert plain(found[name]) == wanted[name][start:stop]
