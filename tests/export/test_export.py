"""Chunks as files hold what the dataset's chunks hold."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from mlaas4hep import Dataset, Plan, Specs
from mlaas4hep.errors import OutputError, ParamsError
from mlaas4hep.export import export

from tests.cli.invoke import events_file


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    met = np.where(np.arange(300) % 7, np.arange(300), np.nan)
    events_file(tmp_path / "sig.root", 300, 1, ht=met)
    events_file(tmp_path / "bkg.root", 200, 0, ht=np.ones(200))
    return Dataset([tmp_path / "sig.root", tmp_path / "bkg.root"], ["ttH", "qcd"])


def parquet(path: Path, names: list[str]) -> dict[str, Any]:
    """Read a chunk back as the arrays of a chunk, padding and missing values as NaN."""
    table = pq.read_table(path)
    data = [table[name].to_numpy() for name in names]
    assert table.column_names[: len(names)] == names
    assert {str(table.schema.field(name).type) for name in names} == {"float"}
    rest = {name: table[name].to_numpy() for name in table.column_names[len(names) :]}
    return {"data": np.stack(data, axis=1), **rest}


def about(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "chunks.json").read_text())
    return found


@pytest.mark.parametrize("part", [None, "validation"])
def test_parquet(part: str | None, dataset: Dataset, tmp_path: Path) -> None:
    result = export(dataset, tmp_path / "out", size=120, part=part)
    chunks = list(dataset.chunks(120, part))
    assert result.chunks == len(chunks)
    assert result.events == dataset.count(part) == sum(about(tmp_path / "out")["chunks"].values())
    for number, chunk in enumerate(chunks):
        found = parquet(tmp_path / "out" / f"chunk-{number:05}.parquet", dataset.names)
        np.testing.assert_array_equal(found["data"], np.where(chunk.padding_mask, np.nan, chunk.data))
        for name, wanted in (("label", chunk.labels), ("file", chunk.file), ("entry", chunk.entry)):
            assert wanted is not None
            assert found[name].dtype == wanted.dtype
            np.testing.assert_array_equal(found[name], wanted)


def test_npz(dataset: Dataset, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", form="npz", size=120, shuffle=False)
    for number, chunk in enumerate(dataset.chunks(120, shuffle=False)):
        with np.load(tmp_path / "out" / f"chunk-{number:05}.npz") as found:
            assert sorted(found) == ["data", "entry", "file", "labels", "padding_mask"]
            for name, array in found.items():
                assert array.dtype == getattr(chunk, name).dtype
                np.testing.assert_array_equal(array, getattr(chunk, name))


def test_what_stands_beside_the_chunks(dataset: Dataset, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", size=-1)
    found = about(tmp_path / "out")
    assert found["columns"] == dataset.names
    assert found["classes"] == {"0": "qcd", "1": "ttH"}
    assert found["files"] == [str(tmp_path / "sig.root"), str(tmp_path / "bkg.root")]
    assert found["chunks"] == {"chunk-00000.parquet": 500}
    assert Specs.from_json(tmp_path / "out" / "specs.json") == dataset.specs()
    assert Plan.from_json(tmp_path / "out" / "plan.json").hash == dataset.plan.hash


def test_without_labels(tmp_path: Path) -> None:
    dataset = Dataset(events_file(tmp_path / "sig.root", 50))
    export(dataset, tmp_path / "out")
    assert "label" not in pq.read_schema(tmp_path / "out" / "chunk-00000.parquet").names
    export(dataset, tmp_path / "out", form="npz")
    with np.load(tmp_path / "out" / "chunk-00000.npz") as found:
        assert "labels" not in found
    assert about(tmp_path / "out")["classes"] == {}


def test_progress_is_told(dataset: Dataset, tmp_path: Path) -> None:
    class Heard:
        def __init__(self) -> None:
            self.calls: list[tuple[object, ...]] = []

        def start(self, stage: str, total: int) -> None:
            self.calls.append((stage, total))

        def advance(self, events: int) -> None:
            self.calls.append((events,))

        def finish(self) -> None:
            self.calls.append(())

    heard = Heard()
    export(dataset, tmp_path / "out", size=300, progress=heard)
    assert heard.calls == [("flattening", 500), (300,), (200,), ()]


def test_an_unknown_format(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="format is 'csv'; it must be one of parquet, arrow, npz, hdf5"):
        export(dataset, tmp_path / "out", form="csv")


def test_an_empty_part(tmp_path: Path) -> None:
    dataset = Dataset(events_file(tmp_path / "sig.root", 50), split=(1, 0, 0))
    with pytest.raises(ParamsError, match="there is nothing to write: no event is in part 'test'"):
        export(dataset, tmp_path / "out", part="test")
    assert [path.name for path in tmp_path.iterdir()] == ["sig.root"]


def test_a_branch_with_the_name_of_another_column(tmp_path: Path) -> None:
    dataset = Dataset(events_file(tmp_path / "sig.root", 50, entry=np.arange(50)))
    with pytest.raises(
        ParamsError, match="branch 'entry' has the name of a column that chunks get as well; exclude it"
    ):
        export(dataset, tmp_path / "out")
    assert export(dataset, tmp_path / "out", form="npz").columns == len(dataset.names)


def test_a_folder_that_is_something_else(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="not one of our output folders"):
        export(dataset, tmp_path)
