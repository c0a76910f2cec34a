"""Parquet files: any layout in any ranges, and what is wrong with a file in one message."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from mlaas4hep.errors import BranchError, ReadError, SourceError
from mlaas4hep.sources import list_trees, open_source
from mlaas4hep.sources.tables import parquet as ours

from tests.sources.formats import assert_ranges, opened, write_parquet

EVENTS = 1000


def table(events: int = EVENTS) -> pa.Table:
    random = np.random.default_rng(1)
    counts = random.integers(0, 4, events).tolist()
    return pa.table(
        {
            "x": pa.array([None if value < 0.1 else value for value in random.random(events)], pa.float32()),
            "n": pa.array(random.integers(-9, 9, events)),
            "jet": [None if count == 3 else [{"pt": 0.5, "eta": float(at)} for at in range(count)] for count in counts],
            "name": pa.array(["signal", "background"] * (events // 2)).dictionary_encode(),
        }
    )


def wanted(data: pa.Table) -> dict[str, list[Any]]:
    found = {name: data.column(name).to_pylist() for name in ("x", "n", "name")}
    jets = data.column("jet").to_pylist()
    for field in ("pt", "eta"):
        found[f"jet.{field}"] = [None if jet is None else [one[field] for one in jet] for jet in jets]
    return found


@pytest.mark.parametrize("rows", [1, 7, 300, EVENTS])
@pytest.mark.parametrize("batch", [2**8, 2**12, 2**24])
def test_ranges(rows: int, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "BATCH", batch)
    data = table()
    source = opened(write_parquet(data, tmp_path / "a.parquet", rows))
    assert (source.tree, source.entries) == ("table", EVENTS)
    assert_ranges(source, wanted(data))
    source.close()


def test_sets_of_columns_in_turn(tmp_path: Path) -> None:
    data = table()
    source = opened(write_parquet(data, tmp_path / "a.parquet", 100))
    for start in range(0, EVENTS, 50):
        for name in wanted(data):
            assert len(source.read([name], start, start + 50)) == 1
    assert source.read([], 0, 5) == {}
    assert source.seconds["decoding"] > 0
    source.close()


def test_clusters(tmp_path: Path) -> None:
    events = 2_000_000
    data = pa.table({f"x{number}": np.zeros(events, np.float32) for number in range(4)})
    source = opened(write_parquet(data, tmp_path / "a.parquet", 2**20))
    clusters = source.clusters(["x0", "x1", "x2", "x3"], 0, events)
    assert [clusters[0][0], clusters[-1][1]] == [0, events]
    assert all(stop - start <= 2**25 // 16 for start, stop in clusters)
    assert len(clusters) == 2
    assert source.clusters(["x0"], 5, 5) == []
    source.close()


def test_storage(tmp_path: Path) -> None:
    path = write_parquet(table(), tmp_path / "a.parquet", 300, compression="zstd")
    (tree,) = list_trees(str(path))
    assert (tree.name, tree.entries) == ("table", EVENTS)
    assert list(tree.storage) == ["x", "n", "jet.pt", "jet.eta", "name"]
    for storage in tree.storage.values():
        assert (storage.pieces, storage.compression) == (4, "ZSTD")
        assert 0 < (storage.stored or 0) < path.stat().st_size
        assert (storage.size or 0) > 0


def test_a_tree_is_no_part_of_the_format(tmp_path: Path) -> None:
    path = write_parquet(table(), tmp_path / "a.parquet", 300)
    assert open_source(str(path), "table").entries == EVENTS
    with pytest.raises(SourceError, match="there is no tree 'events': a file of the format Parquet holds one table"):
        open_source(str(path), "events")


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    data = table().append_column("when", pa.array([0] * EVENTS, pa.timestamp("s")))
    source = opened(write_parquet(data, tmp_path / "a.parquet", 300))
    with pytest.raises(BranchError, match=r"there is no column 'jet.ptt' \(did you mean 'jet.pt'\?\)"):
        source.read(["jet.ptt"], 0, 1)
    with pytest.raises(BranchError, match=r"column 'when' is no column of numbers: of type timestamp"):
        source.read(["when"], 0, 1)
    with pytest.raises(IndexError):
        source.read(["x"], 0, EVENTS + 1)
    source.close()


def test_no_events(tmp_path: Path) -> None:
    data = table().slice(0, 0)
    source = opened(write_parquet(data, tmp_path / "a.parquet", 300))
    assert source.entries == 0
    assert_ranges(source, wanted(data))
    source.close()


def test_a_truncated_file(tmp_path: Path) -> None:
    path = write_parquet(table(), tmp_path / "a.parquet", 300)
    data = path.read_bytes()
    for size in range(4, len(data), 997):
        path.write_bytes(data[:size])
        with pytest.raises(SourceError, match="the Parquet file is truncated or damaged: ") as caught:
            open_source(str(path))
        assert str(path) in str(caught.value)


def test_a_damaged_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "BATCH", 1600)
    path = write_parquet(table(), tmp_path / "a.parquet", 300, compression="zstd", write_page_checksum=True)
    meta = pyarrow.parquet.read_metadata(path)
    data = bytearray(path.read_bytes())
    column = meta.row_group(2).column(1)
    data[column.dictionary_page_offset + column.total_compressed_size - 5] ^= 0xFF
    path.write_bytes(data)
    source = opened(path)
    assert len(source.read(["x", "n"], 0, 100)["n"]) == 100  # type: ignore[arg-type]
    with pytest.raises(ReadError, match=r"column 'n', entries 500 to 700: the data are damaged \(") as caught:
        source.read(["n"], 590, 610)
    assert str(path) in str(caught.value)
    assert caught.value.exit_status == 1
    source.close()


def test_a_file_that_shrinks(tmp_path: Path) -> None:
    path = write_parquet(table(), tmp_path / "a.parquet", 300)
    source = opened(path)
    os.truncate(path, 100)
    with pytest.raises(ReadError, match=r"a\.parquet: the file was changed while it was read"):
        source.read(["x"], 900, 1000)
    source.close()
