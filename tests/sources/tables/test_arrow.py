"""Arrow files, streams and Feather 2."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from mlaas4hep.errors import ReadError, SourceError
from mlaas4hep.sources import list_trees, open_source

from tests.sources.formats import assert_ranges, opened, write_arrow, write_feather
from tests.sources.tables import test_parquet

EVENTS = test_parquet.EVENTS

WRITERS: dict[str, Callable[..., Path]] = {
    "a.arrow": write_arrow,
    "a.arrows": write_arrow,
    "a.feather": write_feather,
}


@pytest.mark.parametrize("rows", [7, 300, EVENTS])
@pytest.mark.parametrize("name", WRITERS)
def test_ranges(name: str, rows: int, tmp_path: Path) -> None:
    data = test_parquet.table()
    source = opened(WRITERS[name](data, tmp_path / name, rows))
    assert (source.tree, source.entries) == ("table", EVENTS)
    assert_ranges(source, test_parquet.wanted(data))
    source.close()


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("name", ["a.arrow", "a.arrows"])
def test_compression(name: str, compression: str, tmp_path: Path) -> None:
    data = test_parquet.table()
    source = opened(write_arrow(data, tmp_path / name, 300, compression=compression))
    assert_ranges(source, test_parquet.wanted(data), count=2)
    source.close()


@pytest.mark.parametrize("name", ["a.arrow", "a.arrows"])
def test_lists_without_a_flat_column(name: str, tmp_path: Path) -> None:
    data = pa.table({"y": [[1.0], [], None, [2.0, 3.0]] * 5, "s": ["a", "b", "c", None] * 5, "o": pa.nulls(20)})
    source = opened(write_arrow(data, tmp_path / name, 6))
    assert source.clusters(["y"], 0, 20) == [(0, 20)]
    assert_ranges(source, {column: data.column(column).to_pylist() for column in ("y", "s", "o")})
    source.close()


def test_dictionaries_that_grow(tmp_path: Path) -> None:
    path = tmp_path / "a.arrows"
    batches = [pa.record_batch({"s": pa.array(values).dictionary_encode()}) for values in (["a"], ["a", "b"], ["c"])]
    with pa.ipc.new_stream(path, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    source = opened(path)
    assert_ranges(source, {"s": ["a", "a", "b", "c"]})
    source.close()


def test_no_events_and_no_columns(tmp_path: Path) -> None:
    for name in WRITERS:
        data = test_parquet.table().slice(0, 0)
        source = opened(WRITERS[name](data, tmp_path / name, 300))
        assert source.entries == 0
        assert_ranges(source, test_parquet.wanted(data))
        source.close()
    path = write_arrow(pa.table({}), tmp_path / "b.arrow", 300)
    with pytest.raises(SourceError, match="the Arrow file has no columns"):
        open_source(str(path))


def test_storage(tmp_path: Path) -> None:
    path = write_arrow(test_parquet.table(), tmp_path / "a.arrow", 300)
    (tree,) = list_trees(str(path))
    assert {storage.pieces for storage in tree.storage.values()} == {4}


def test_a_file_is_learned_again_where_it_changed(tmp_path: Path) -> None:
    path = write_arrow(pa.table({"x": [1]}), tmp_path / "a.arrow", 10)
    assert opened(path).entries == 1
    write_arrow(pa.table({"z": [1, 2]}), path, 10)
    os.utime(path, ns=(1, 1))
    source = opened(path)
    assert (source.entries, list(source.schema())) == (2, ["z"])


def test_a_truncated_file(tmp_path: Path) -> None:
    path = write_arrow(test_parquet.table(), tmp_path / "a.arrow", 300)
    data = path.read_bytes()
    for size in range(8, len(data), 1997):
        path.write_bytes(data[:size])
        with pytest.raises(SourceError, match="the Arrow file is truncated or damaged: ") as caught:
            open_source(str(path))
        assert str(path) in str(caught.value)


def test_a_truncated_stream(tmp_path: Path) -> None:
    """It may end behind any of its batches, since a stream does not say how many there are."""
    path = write_arrow(test_parquet.table(), tmp_path / "a.arrows", 300)
    data = path.read_bytes()
    refused = 0
    for size in range(8, len(data) - 8, 1997):
        path.write_bytes(data[:size])
        try:
            assert open_source(str(path)).entries in (0, 300, 600, 900)
        except SourceError:
            refused += 1
    assert refused > 5


def damaged_offsets(path: Path) -> Path:
    """The offsets of a list go back, in a file that is otherwise right."""
    write_arrow(pa.table({"x": [1] * 6, "y": [[7, 8, 9]] * 6}), path, 10)
    data = path.read_bytes()
    old: Any = np.arange(0, 21, 3, dtype=np.int32).tobytes()
    assert data.count(old) == 1
    new = np.array([0, 3, 6, 2, 12, 15, 18], np.int32).tobytes()
    path.write_bytes(data.replace(old, new))
    return path


def test_offsets_that_go_back(tmp_path: Path) -> None:
    source = opened(damaged_offsets(tmp_path / "a.arrow"))
    assert len(source.read(["x"], 0, 6)["x"]) == 6  # type: ignore[arg-type]
    with pytest.raises(ReadError, match=r"column 'y', entries 0 to 6: the data are damaged \("):
        source.read(["y"], 0, 6)
    source.close()
