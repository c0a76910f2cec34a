"""Chunks as files hold what the dataset's chunks hold."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlaas4hep import Chunk, Dataset, Plan, Specs
from mlaas4hep.errors import Note, OutputError, ParamsError
from mlaas4hep.export import export
from mlaas4hep.export.formats import format_named

from tests.cli.invoke import events_file
from tests.export.files import contents, make_dataset, write_inputs


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    write_inputs(tmp_path)
    return make_dataset(tmp_path)


def read_table(path: Path, names: list[str]) -> dict[str, Any]:
    """Read a chunk back as the arrays of a chunk, padding and missing values as NaN."""
    table = pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()
    table.validate(full=True)
    data = [table[name].to_numpy() for name in names]
    assert table.column_names[: len(names)] == names
    assert {str(table.schema.field(name).type) for name in names} == {"float"}
    rest = {name: table[name].to_numpy() for name in table.column_names[len(names) :]}
    return {"data": np.stack(data, axis=1), **rest}


def about(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "chunks.json").read_text())
    return found


@contextmanager
def read_arrays(path: Path) -> Iterator[Mapping[str, Any]]:
    """Read the arrays of a chunk back."""
    if path.suffix == ".npz":
        with np.load(path) as found:
            yield found
    else:
        with h5py.File(path) as group:
            yield {name: array[:] for name, array in group.items()}


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("part", [None, "validation"])
def test_tables(form: str, part: str | None, dataset: Dataset, tmp_path: Path) -> None:
    result = export(dataset, tmp_path / "out", form=form, size=120, part=part)
    chunks = list(dataset.chunks(120, part))
    assert result.chunks == len(chunks)
    assert result.events == dataset.count(part) == sum(about(tmp_path / "out")["chunks"].values())
    for number, chunk in enumerate(chunks):
        found = read_table(tmp_path / "out" / f"chunk-{number:05}.{form}", dataset.names)
        np.testing.assert_array_equal(found["data"], np.where(chunk.padding_mask, np.nan, chunk.data))
        for name, wanted in (("label", chunk.labels), ("file", chunk.file), ("entry", chunk.entry)):
            assert wanted is not None
            assert found[name].dtype == wanted.dtype
            np.testing.assert_array_equal(found[name], wanted)


@pytest.mark.parametrize("form", ["npz", "hdf5"])
def test_arrays(form: str, dataset: Dataset, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", form=form, size=120, shuffle=False)
    for number, chunk in enumerate(dataset.chunks(120, shuffle=False)):
        with read_arrays(tmp_path / "out" / f"chunk-{number:05}.{form}") as found:
            assert sorted(found) == ["data", "entry", "file", "labels", "padding_mask"]
            for name, array in found.items():
                assert array.dtype == getattr(chunk, name).dtype
                np.testing.assert_array_equal(array, getattr(chunk, name))


def learned(folder: Path) -> Dataset:
    """Return a dataset with weights and two targets."""
    write_inputs(folder)
    return make_dataset(folder, labels=None, weights=[2.0, 0.5], targets=["met", "2 * met"])


@pytest.mark.parametrize("form", ["parquet", "arrow", "npz", "hdf5"])
def test_weights_and_targets_are_in_the_files(form: str, tmp_path: Path) -> None:
    dataset = learned(tmp_path)
    export(dataset, tmp_path / "out", form=form, size=120)
    said = about(tmp_path / "out")
    assert said["targets"] == ["met", "2 * met"]
    for number, chunk in enumerate(dataset.chunks(120)):
        path = tmp_path / "out" / f"chunk-{number:05}.{form}"
        assert chunk.weights is not None
        assert chunk.targets is not None
        if form in ("npz", "hdf5"):
            with read_arrays(path) as arrays:
                assert {name: str(arrays[name].dtype) for name in arrays} == said["holds"]
                np.testing.assert_array_equal(arrays["weights"], chunk.weights)
                np.testing.assert_array_equal(arrays["targets"], chunk.targets)
            continue
        found = read_table(path, dataset.names)
        assert list(found)[1:] == ["weight", "target_0", "target_1", "file", "entry"]
        assert [found[name].dtype for name in ("weight", "target_0")] == [np.float32, np.float32]
        np.testing.assert_array_equal(found["weight"], chunk.weights)
        np.testing.assert_array_equal(np.stack([found["target_0"], found["target_1"]], axis=1), chunk.targets)


@pytest.mark.parametrize("name", ["weight", "target_0"])
def test_a_branch_that_is_called_like_weights_or_targets(name: str, tmp_path: Path) -> None:
    path = events_file(tmp_path / "sig.root", 50, **{name: np.arange(50.0)})
    given: dict[str, Any] = {"weights": [2.0]} if name == "weight" else {"targets": f"{name} + 1"}
    message = rf"branch '{name}' has the name of a column that chunks get as well; exclude it"
    with pytest.raises(ParamsError, match=message):
        export(Dataset(path, **given), tmp_path / "out")
    export(Dataset(path), tmp_path / "out")
    export(Dataset(path, **given), tmp_path / "arrays", form="npz")


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 511, 512, 513, 1025])
def test_columns_of_any_length(rows: int) -> None:
    """A matrix is turned into columns block by block; validity comes as bits."""
    random = np.random.default_rng(rows)
    data, mask = random.random((rows, 3), np.float32), random.random((rows, 3)) < 0.4
    chunk = Chunk(data, mask, np.zeros(rows, np.int32), np.arange(rows))
    table = format_named("arrow").content(chunk, ["a", "b", "c"])
    table.validate(full=True)
    for index, name in enumerate(["a", "b", "c"]):
        assert table[name].null_count == mask[:, index].sum()
        np.testing.assert_array_equal(table[name].to_numpy(), np.where(mask[:, index], np.nan, data[:, index]))


def test_an_arrow_file_is_mapped_without_a_copy(dataset: Dataset, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", form="arrow")
    before = pa.total_allocated_bytes()
    table = pa.ipc.open_file(pa.memory_map(str(tmp_path / "out" / "chunk-00000.arrow"))).read_all()
    assert pa.total_allocated_bytes() - before < table.nbytes / 10
    assert table.num_rows == 500


@pytest.mark.parametrize("form", ["parquet", "arrow", "npz", "hdf5"])
def test_files_do_not_depend_on_the_threads(form: str, dataset: Dataset, tmp_path: Path) -> None:
    export(dataset, tmp_path / "one", form=form, size=120)
    export(make_dataset(tmp_path, threads=3), tmp_path / "two", form=form, size=120)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_package_that_is_missing(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "h5py" else find_spec(name))
    with pytest.raises(ParamsError) as raised:
        export(dataset, tmp_path / "out", form="hdf5")
    said = "format 'hdf5' needs the package h5py, which is not installed: pip install 'mlaas4hep[hdf5]'"
    assert str(raised.value) == said
    assert dataset.spent.scanning == 0
    export(dataset, tmp_path / "out", form="npz")


def test_values_that_are_cut_off_are_told(dataset: Dataset, tmp_path: Path) -> None:
    """The pass is followed to its end, where it says so."""
    text = json.loads(dataset.specs().to_text())
    text["jdim"]["jetPt"] = 1
    (tmp_path / "specs.json").write_text(json.dumps(text))
    shorter = make_dataset(tmp_path, specs=tmp_path / "specs.json")
    with pytest.warns(Note, match="values were cut off.* of jetPt"):
        export(shorter, tmp_path / "out", size=120)


def test_what_stands_beside_the_chunks(dataset: Dataset, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", size=-1)
    found = about(tmp_path / "out")
    assert found["columns"] == dataset.names
    assert found["classes"] == {"0": "qcd", "1": "ttH"}
    assert found["files"] == [str(tmp_path / "sig.root"), str(tmp_path / "bkg.root")]
    assert found["chunks"] == {"chunk-00000.parquet": 500}
    assert (found["format"], found["events"], found["part"]) == ("parquet", 500, None)
    schema = pq.read_schema(tmp_path / "out" / "chunk-00000.parquet")
    types = {"float": "float32"}
    holds = {field.name: types.get(str(field.type), str(field.type)) for field in schema}
    assert list(found["holds"].items()) == list(holds.items())
    assert Specs.from_json(tmp_path / "out" / "specs.json") == dataset.specs()
    assert Plan.from_json(tmp_path / "out" / "plan.json").hash == dataset.plan.hash


def test_without_labels(tmp_path: Path) -> None:
    dataset = Dataset(events_file(tmp_path / "sig.root", 50))
    export(dataset, tmp_path / "out")
    assert "label" not in pq.read_schema(tmp_path / "out" / "chunk-00000.parquet").names
    export(dataset, tmp_path / "out", form="npz")
    with np.load(tmp_path / "out" / "chunk-00000.npz") as found:
        assert "labels" not in found
        arrays = {"data": "float32", "padding_mask": "bool", "file": "int32", "entry": "int64"}
        assert about(tmp_path / "out")["holds"] == arrays == {name: str(found[name].dtype) for name in found}
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


@pytest.mark.parametrize(("form", "near"), [("csv", ""), ("parket", r" \(did you mean 'parquet'\?\)")])
def test_an_unknown_format(form: str, near: str, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=f"format is '{form}'; it must be one of parquet, arrow, npz, hdf5{near}$"):
        export(dataset, tmp_path / "out", form=form)


@pytest.mark.parametrize(("given", "message"), [({"size": 0}, "chunk size is 0"), ({"part": "tset"}, "part is 'tset'")])
def test_arguments_are_checked_before_any_work(
    given: dict[str, Any], message: str, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ParamsError, match=message):
        export(dataset, tmp_path / "out", **given)
    assert dataset.spent.scanning == 0
    assert not (tmp_path / "out.part").exists()


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
