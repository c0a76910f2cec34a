"""Labels of files and of events."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from mlaas4hep._rust import Masked
from mlaas4hep.dataset import PARTS, Chunk, Dataset
from mlaas4hep.dataset.labels import MISSING, LabelColumn, name_classes
from mlaas4hep.errors import BranchError, Note, ParamsError
from numpy.typing import NDArray

from tests.dataset.files import assert_rows, make, make_all

NAN = float("nan")


def whole(dataset: Dataset) -> Chunk:
    return next(dataset.chunks(-1, shuffle=False))


def labels_by_file(dataset: Dataset) -> dict[int, set[int]]:
    """The labels of each file's rows."""
    chunk = whole(dataset)
    assert chunk.labels is not None
    return {int(file): set(chunk.labels[chunk.file == file].tolist()) for file in np.unique(chunk.file)}


def test_without_labels(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [9, 4]))
    assert whole(dataset).labels is None
    assert dataset.classes == []
    assert dataset.label_values == []
    assert dataset.left_out == 0


def test_integers_stand_as_they_are(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [9, 4, 5]), labels=[7, -2, 7])
    assert labels_by_file(dataset) == {0: {7}, 1: {-2}, 2: {7}}
    assert dataset.label_values == [-2, 7]
    assert dataset.classes == ["-2", "7"]


def test_names_are_positions_in_the_sorted_names(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [9, 4, 5]), labels=["ttbar", "qcd", "ttH"])
    assert dataset.classes == ["qcd", "ttH", "ttbar"]
    assert dataset.label_values == [0, 1, 2]
    assert labels_by_file(dataset) == {0: {2}, 1: {0}, 2: {1}}


def test_classes_order_the_names(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [9, 4]), labels=["signal", "background"], classes=["signal", "background"])
    assert dataset.classes == ["signal", "background"]
    assert labels_by_file(dataset) == {0: {0}, 1: {1}}


def test_classes_name_integers_in_their_order(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [9, 4]), labels=[1, 0], classes=["background", "signal"])
    assert dataset.classes == ["background", "signal"]
    assert labels_by_file(dataset) == {0: {1}, 1: {0}}


def test_the_files_of_a_glob_share_a_label(tmp_path: Path) -> None:
    make_all(tmp_path, [3, 4])
    other = make(tmp_path / "other.root", 5, 9)
    dataset = Dataset([tmp_path / "file*.root", other], labels=[1, 0])
    assert labels_by_file(dataset) == {0: {1}, 1: {1}, 2: {0}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [1]}, "1 labels for 2 inputs"),
        ({"labels": [1, "signal"]}, "all integers or all names"),
        ({"labels": [1, 2.5]}, "2.5 is no label"),
        ({"labels": ["a", "b"], "classes": ["a", "c"]}, "label 'b' is not in the classes a, c"),
        ({"labels": ["a", "b"], "classes": ["a", "b", "c"]}, "class 'c' has no events"),
        ({"labels": [0, 1], "classes": ["a"]}, "1 names for 2 labels"),
        ({"labels": [0, 1], "classes": ["a", "a"]}, "twice"),
        ({"classes": ["a", "b"]}, "no labels"),
        ({"labels": [0, 2**63]}, "9223372036854775808 is no label"),
    ],
)
def test_labels_that_make_no_sense(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        Dataset(make_all(tmp_path, [3, 4]), **options)


def test_a_class_whose_files_are_empty(tmp_path: Path) -> None:
    paths = make_all(tmp_path, [3, 0])
    with pytest.raises(ParamsError, match=r"label 0 has no events; its files: .*file1\.root"), pytest.warns(Note):
        Dataset(paths, labels=[1, 0])


def test_files_that_are_all_empty(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="every file has 0 entries"):
        Dataset(make_all(tmp_path, [0, 0]))


def with_branch(folder: Path, values: Sequence[Sequence[Any]], dtype: str) -> list[Path]:
    """Files whose branch ``label`` holds these values."""
    paths = []
    for number, of_file in enumerate(values):
        label = ak.Array(list(of_file)) if dtype == "string" else np.array(of_file, dtype)
        paths.append(make(folder / f"{number}.root", len(of_file), number, label=label))
    return paths


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"])
def test_whole_numbers_of_a_branch(tmp_path: Path, dtype: str) -> None:
    values = [[3, 1, 1, 3, 5], [5, 5, 1]]
    paths = with_branch(tmp_path, values, dtype)
    dataset = Dataset(paths, labels="label")
    assert dataset.label_values == [1, 3, 5]
    assert dataset.classes == ["1", "3", "5"]
    assert dataset.branches == ["count", "event", "flag", "run", "x", "jetEta", "jetPt"]
    chunk = whole(dataset)
    assert chunk.labels is not None
    assert chunk.labels.tolist() == [values[file][entry] for file, entry in zip(chunk.file, chunk.entry, strict=True)]
    assert_rows(dataset, paths, [chunk])


def test_bools_of_a_branch(tmp_path: Path) -> None:
    dataset = Dataset(with_branch(tmp_path, [[True, False, False], [False]], "bool"), labels="label")
    assert dataset.label_values == [0, 1]
    assert labels_by_file(dataset) == {0: {0, 1}, 1: {0}}


def test_names_of_a_branch(tmp_path: Path) -> None:
    values = [["ttH", "qcd", "ttH"], ["tt\u00fc", "qcd"]]
    dataset = Dataset(with_branch(tmp_path, values, "string"), labels="label")
    assert dataset.classes == ["qcd", "ttH", "tt\u00fc"]
    chunk = whole(dataset)
    assert chunk.labels is not None
    found = [dataset.classes[label] for label in chunk.labels]
    assert found == [values[file][entry] for file, entry in zip(chunk.file, chunk.entry, strict=True)]


def test_classes_order_the_names_of_a_branch(tmp_path: Path) -> None:
    paths = with_branch(tmp_path, [["b", "a", "b"]], "string")
    chunk = whole(Dataset(paths, labels="label", classes=["b", "a"]))
    assert chunk.labels is not None
    assert chunk.labels.tolist() == [0, 1, 0]
    with pytest.raises(ParamsError, match="label 'b' is not in the classes a, c"):
        Dataset(paths, labels="label", classes=["a", "c"]).specs()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_events_without_a_label_are_left_out_and_counted(tmp_path: Path, dtype: str) -> None:
    values: list[list[float]] = [[1, NAN, 0, 1, NAN, 0, 0], [NAN, NAN], [1, 1]]
    paths = with_branch(tmp_path, values, dtype)
    dataset = Dataset(paths, labels="label", exclude="run")
    with pytest.warns(Note, match="4 events are left out"):
        specs = dataset.specs()
    assert dataset.left_out == 4
    assert len(dataset) == 7
    assert sum(map(dataset.count, PARTS)) == 7
    chunk = whole(dataset)
    assert chunk.labels is not None
    assert sorted(zip(chunk.file.tolist(), chunk.entry.tolist(), chunk.labels.tolist(), strict=True)) == [
        (file, entry, int(value))
        for file, of_file in enumerate(values)
        for entry, value in enumerate(of_file)
        if value == value
    ]
    assert specs.counts["count"]["values"] == 7
    assert_rows(dataset, paths, dataset.chunks(3))


def test_specs_are_of_the_events_that_have_a_label(tmp_path: Path) -> None:
    jets = ak.Array([[1.0, 2.0], [9.0] * 7, [-5.0], []])
    path = make(tmp_path / "a.root", 4, label=np.array([0, NAN, 1, 1]), huge=np.array([1, 1e9, 2, 3]), jets=jets)
    with pytest.warns(Note, match="1 events are left out"):
        specs = Dataset(path, labels="label").specs()
    assert (specs.minv["huge"], specs.maxv["huge"]) == (1, 3)
    assert (specs.minv["jets"], specs.maxv["jets"], specs.jdim["jets"]) == (-5, 2, 2)


def test_a_label_that_is_not_whole(tmp_path: Path) -> None:
    paths = with_branch(tmp_path, [[0, 1, 1], [1, 0, 0.5, 1]], "float64")
    with pytest.raises(ParamsError, match=r"1\.root: branch 'label', entry 2: 0\.5 is no label"):
        Dataset(paths, labels="label").specs()


def test_a_label_that_is_too_large(tmp_path: Path) -> None:
    for dtype, value in (("float64", 2.0**63), ("uint64", 2**63), ("float32", -1e19)):
        folder = tmp_path / dtype
        folder.mkdir()
        paths = with_branch(folder, [[0, 1, value, 1]], dtype)
        with pytest.raises(ParamsError, match=r"0\.root: branch 'label', entry 2: .* is no label"):
            Dataset(paths, labels="label").specs()


def test_a_branch_without_any_label(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="branch 'label': no event has a label"):
        len(Dataset(with_branch(tmp_path, [[NAN, NAN]], "float32"), labels="label"))


def test_a_label_branch_must_be_a_flat_one_or_strings(tmp_path: Path) -> None:
    paths = make_all(tmp_path, [4])
    with pytest.raises(BranchError, match="jetPt"):
        Dataset(paths, labels="jetPt")
    with pytest.raises(BranchError, match=r"lable.*file0\.root"):
        Dataset(paths, labels="lable")


def test_given_specs_need_no_scan_for_labels(tmp_path: Path) -> None:
    paths = with_branch(tmp_path, [[0, 1, 1, 0], [1, 1]], "int32")
    first = Dataset(paths, labels="label")
    second = Dataset(paths, labels="label", specs=first.specs())
    assert second.specs().minv == first.specs().minv
    assert [second.count(part) for part in PARTS] == [first.count(part) for part in PARTS]
    assert whole(second).data.tobytes() == whole(first).data.tobytes()


def test_a_column_comes_piece_by_piece() -> None:
    column = LabelColumn("label")
    pieces: list[NDArray[Any]] = [np.array([5.0, NAN, 3.0]), np.array([], np.float64), np.array([3.0, 9.0])]
    positions = [column.add(piece, "a.root", np.arange(len(piece))).tolist() for piece in pieces]
    labels = name_classes(list(column.found), None, "label")
    order = column.order(labels)
    assert labels.values == [3, 5, 9]
    found = [labels.values[order[at]] if at != MISSING else None for piece in positions for at in piece]
    assert found == [5, None, 3, 3, 9]
    assert order[MISSING] == MISSING


def test_null_labels_are_missing() -> None:
    column = LabelColumn("label")
    given = Masked(np.array([3, 0, 5, 3]), np.array([False, True, False, False]), valid_when=False)
    assert column.add(given, "a.parquet", np.arange(4)).tolist() == [0, MISSING, 1, 0]
    assert column.found == {3: 0, 5: 1}
