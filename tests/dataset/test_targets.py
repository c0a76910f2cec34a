"""Regression targets, and labels that a formula gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlaas4hep.dataset import Dataset
from mlaas4hep.errors import BranchError, ExpressionError, Note, ParamsError

from tests.dataset.files import make
from tests.dataset.test_weights import weighed, whole

NAN = float("nan")


def test_targets_are_branches_and_formulas(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 4], [9]], y=[[2, 3], [5]])
    dataset = Dataset(paths, targets=["w", "sqrt(w) * y"])
    chunk = whole(dataset)
    assert dataset.targets == ["w", "sqrt(w) * y"]
    assert "w" not in dataset.branches
    assert "y" in dataset.branches
    assert chunk.targets is not None
    assert chunk.targets.dtype == np.float32
    found = dict(zip(zip(chunk.file, chunk.entry, strict=True), chunk.targets.tolist(), strict=True))
    assert found == {(0, 0): [1, 2], (0, 1): [4, 6], (1, 0): [9, 15]}


def test_without_targets(tmp_path: Path) -> None:
    dataset = Dataset(weighed(tmp_path, [[1]]))
    assert dataset.targets == []
    assert whole(dataset).targets is None


def test_one_target_is_a_text(tmp_path: Path) -> None:
    chunk = whole(Dataset(weighed(tmp_path, [[1, 4]]), targets="w"))
    assert chunk.targets is not None
    assert chunk.targets.tolist() == [[1], [4]]


@pytest.mark.parametrize("missing", [NAN, float("inf"), -9.0, 1e300])
def test_events_without_a_target_are_left_out_and_counted(tmp_path: Path, missing: float) -> None:
    paths = weighed(tmp_path, [[1, missing, 4], [missing, 2]], y=[[100, 2, 3], [1, 1]])
    dataset = Dataset(paths, labels=[1, 0], targets=["w", "y"], sentinels={"w": -9})
    with pytest.warns(Note, match="2 events are left out, because a target is missing: w, y"):
        chunk = whole(dataset)
    assert sorted(zip(chunk.file.tolist(), chunk.entry.tolist(), strict=True)) == [(0, 0), (0, 2), (1, 1)]
    assert dataset.left_out == 2
    assert [file.left_out for file in dataset.cutflow.files] == [1, 1]


def test_no_event_has_all_targets(tmp_path: Path) -> None:
    dataset = Dataset(weighed(tmp_path, [[NAN, 1]], y=[[1, NAN]]), targets=["w", "y"])
    with pytest.raises(ParamsError, match="targets: no event has all of them: w, y"), pytest.warns(Note):
        dataset.specs()


def test_a_target_that_is_not_there(tmp_path: Path) -> None:
    path = weighed(tmp_path, [[1]])
    with pytest.raises(BranchError, match=r"target: there is no branch 'v'"):
        Dataset(path, targets=["v"])
    with pytest.raises(ExpressionError, match=r"target: 'log\(v\)' is no branch of .*0\.root, and no formula"):
        Dataset(path, targets=["log(v)"])


def test_a_formula_gives_labels(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 2, 3], [4]])
    dataset = Dataset(paths, labels="w >= 3", classes=["few", "many"])
    chunk = whole(dataset)
    assert chunk.labels is not None
    assert dict(zip(zip(chunk.file, chunk.entry, strict=True), chunk.labels.tolist(), strict=True)) == {
        (0, 0): 0,
        (0, 1): 0,
        (0, 2): 1,
        (1, 0): 1,
    }
    assert dataset.classes == ["few", "many"]
    assert "w" in dataset.branches
    assert dataset.identity()["labels"] == "w >= 3"


def test_a_new_branch_gives_labels_and_is_no_input(tmp_path: Path) -> None:
    preproc = {"new_branch": {"n": {"def": "w * 2", "type": "flat", "remove": "True"}}}
    dataset = Dataset(weighed(tmp_path, [[1, 2, 3]]), labels="n", preproc=preproc)
    assert dataset.label_values == [2, 4, 6]
    assert "n" not in dataset.branches


def test_a_label_of_a_formula_that_is_missing_or_no_whole_number(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, -9, 3]])
    with pytest.warns(Note, match=r"1 events are left out, because their label in formula 'w \+ 1' is missing"):
        assert len(Dataset(paths, labels="w + 1", sentinels={"w": -9})) == 2
    with pytest.raises(ParamsError, match=r"0\.root: formula 'w / 2', entry 0: 0\.5 is no label"):
        len(Dataset(paths, labels="w / 2"))


def test_what_is_no_label(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 4)
    with pytest.raises(ExpressionError, match=r"label: 'coutn >= 2' is no branch of .*a\.root, and no formula"):
        Dataset(path, labels="coutn >= 2")
    with pytest.raises(ExpressionError, match="the formula is jagged, but declared to be flat"):
        Dataset(path, labels="jetPt > 2")
    with pytest.raises(
        BranchError, match=r"label: there is no branch 'coutn' .* \(did you mean 'count'\?\); it is no f"
    ):
        Dataset(path, labels="coutn")


@pytest.mark.parametrize("targets", [3, ["x", 3], [""]])
def test_targets_that_are_none(tmp_path: Path, targets: Any) -> None:
    with pytest.raises(ParamsError, match=r"^targets: (3|'') is no target; it must be the name of a branch, or a for"):
        Dataset(make(tmp_path / "a.root", 3), targets=targets)
