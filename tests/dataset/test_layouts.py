"""Chunks of other layouts and with other options than the matrix of the contract: as flattened at once."""

import re
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from mlaas4hep import Dataset, Plan
from mlaas4hep.errors import ColumnError, ParamsError
from mlaas4hep.export import export
from mlaas4hep.planoptions import PlanOptions

OPTIONS = PlanOptions(
    normalize={"*": "standard", "jet_pt": {"kind": "robust", "clip": [-2, 2]}},
    fill=-3.0,
    widths={"jet": 2},
    truncate={"jet": "jet_pt"},
    padding="wrap",
    layout="collections",
)


TYPES = {"met": "float64", "jet": "var * {pt: float32, eta: float32}", "lepPt": "var * float64"}


def records(events: int, seed: int) -> dict[str, Any]:
    """Flat and jagged columns; the fields of a record have one counter."""
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 5, events)
    values = random.normal(size=(2, lengths.sum())).astype(np.float32)
    values[1][random.random(len(values[1])) < 0.2] = np.nan
    pt, eta = (ak.unflatten(one, lengths) for one in values)
    lep = ak.unflatten(random.normal(size=events), np.ones(events, np.int64))
    return {"met": random.normal(size=events), "jet": ak.zip({"pt": pt, "eta": eta}), "lepPt": lep}


def write(path: Path, events: int, seed: int) -> Path:
    columns = records(events, seed)
    with uproot.recreate(path) as file:
        file.mktree("events", TYPES).extend(columns)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / f"{number}.root", events, number) for number, events in enumerate([70, 45])]


def test_branches_with_one_counter_are_a_collection(files: list[Path]) -> None:
    dataset = Dataset(files, layout="collections")
    assert dataset.plan.collections == {"jet": ("jet_eta", "jet_pt"), "lepPt": ("lepPt",)}
    assert dataset.names == ["met"]


def test_fields_of_an_rntuple_are_a_collection(tmp_path: Path) -> None:
    columns = records(20, 1)
    with uproot.recreate(tmp_path / "x.root") as file:
        file.mkrntuple("events", columns)
    dataset = Dataset(tmp_path / "x.root", layout="collections")
    assert dataset.plan.collections == {"jet": ("jet.eta", "jet.pt"), "lepPt": ("lepPt",)}
    jets = next(dataset.unnormalised().chunks(-1, shuffle=False)).collections["jet"]
    assert jets.data[:, 1][~jets.mask].tolist() == ak.flatten(columns["jet"].pt).to_list()


@pytest.mark.filterwarnings("ignore:values were cut off, because lists are longer than their width")
@pytest.mark.parametrize("size", [7, 50, -1])
def test_chunks_hold_what_a_plan_makes_of_each_event(files: list[Path], size: int) -> None:
    dataset = Dataset(files, labels=[0, 1], **OPTIONS)
    declared: Any = {**OPTIONS, "collections": {"jet": ["jet_*"]}}
    plan = Plan(dataset.specs(), **declared)
    assert plan == dataset.plan
    whole = []
    for path in files:
        with uproot.open(path) as file:
            whole.append(plan(file["events"].arrays(["met", "jet_pt", "jet_eta", "lepPt"])))
    seen = 0
    for chunk in dataset.chunks(size):
        for row, (number, entry) in enumerate(zip(chunk.file, chunk.entry, strict=True)):
            assert chunk.data[row].tobytes() == whole[number].data[entry].tobytes()
            for name, collection in chunk.collections.items():
                wanted = whole[number].collections[name]
                assert collection.data[row].tobytes() == wanted.data[entry].tobytes()
                assert collection.mask[row].tobytes() == wanted.mask[entry].tobytes()
        seen += len(chunk.data)
    assert seen == 115


def test_rows_of_a_chunk_take_their_collections_along(files: list[Path]) -> None:
    chunk = next(Dataset(files, layout="collections").chunks(20))
    some = chunk.rows(np.array([3, 5]))
    assert some.collections["jet"].data.tobytes() == chunk.collections["jet"].data[[3, 5]].tobytes()
    assert some.collections["jet"].mask.shape == (2, 4)
    assert chunk.rows(slice(4)).collections["jet"].branches == ("jet_eta", "jet_pt")


def test_held_collections_stay_as_they_are(files: list[Path]) -> None:
    chunks = list(Dataset(files, layout="collections").chunks(10))
    copies = [chunk.collections["jet"].data.copy() for chunk in Dataset(files, layout="collections").chunks(10)]
    for chunk, copy in zip(chunks, copies, strict=True):
        assert chunk.collections["jet"].data.tobytes() == copy.tobytes()


def test_unnormalised_keeps_the_other_options(files: list[Path]) -> None:
    plan = Dataset(files, **OPTIONS).unnormalised().plan
    kept: Any = {**OPTIONS, "normalize": "none", "collections": {"jet": ["jet_*"]}}
    assert plan == Plan(Dataset(files).specs(), **kept)


def test_options_are_part_of_the_identity(files: list[Path]) -> None:
    plain = Dataset(files)
    assert plain.identity() != Dataset(files, fill=1.0).identity()
    assert plain.identity() == Dataset(files).identity()
    with pytest.raises(TypeError, match=r"Dataset got an unexpected keyword argument 'fil' \(did you mean 'fill'\?\)"):
        Dataset(files, fil=1.0)  # type: ignore[call-arg]


def test_unequal_lists_are_an_error_that_names_file_and_event(files: list[Path]) -> None:
    with uproot.open(files[1]) as file:
        jets = ak.num(file["events"]["jet_pt"].array()).to_numpy()
    dataset = Dataset(files[1], layout="collections", collections={"x": ["jet_pt", "lepPt"]})
    entry = int(np.flatnonzero(jets != 1)[0])
    message = f"{files[1]}: event {entry}: branch 'lepPt' has 1 entries and 'jet_pt' has {jets[entry]}; the branches of"
    with pytest.raises(ColumnError, match=re.escape(message)):
        list(dataset.chunks(-1, shuffle=False))


def test_what_only_knows_the_matrix_says_so_or_takes_it(files: list[Path], tmp_path: Path) -> None:
    dataset = Dataset(files, layout="collections", normalize="none")
    with pytest.raises(ParamsError, match=r"chunks of layout 'collections' cannot be written to files; give"):
        export(dataset, tmp_path / "out", form="npz", size=10)


def test_all_values_of_a_layout_in_the_matrix(files: list[Path]) -> None:
    dataset = Dataset(files, layout="collections", normalize="standard", widths={"jet": 3})
    matrix = dataset.as_matrix()
    assert matrix.plan == Dataset(files, normalize="standard", widths={"jet_*": 3}).plan
    assert (matrix.plan.widths, matrix.as_matrix()) == (dataset.plan.widths, matrix)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"layout": "collection"}, "layout is 'collection'"), ({"normalize": "standart"}, "normalize is 'standart'")],
)
def test_options_that_are_wrong_whatever_the_files_hold_are_refused_before_these_are_read(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "broken.root").write_bytes(b"root" + bytes(100))
    with pytest.raises(ParamsError, match=message):
        Dataset([tmp_path / "broken.root"], **options)


def test_an_argument_that_is_none_names_the_nearest() -> None:
    with pytest.raises(TypeError, match=r"'target' \(did you mean 'targets'\?\)$"):
        Dataset("a.root", target="met")  # type: ignore[call-arg]
