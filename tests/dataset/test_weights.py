"""The weights of events, against plain sums over what the files hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlaas4hep.dataset import Chunk, Dataset
from mlaas4hep.errors import BranchError, ExpressionError, Note, ParamsError

from tests.dataset.files import make

NAN = float("nan")


def whole(dataset: Dataset, part: str | None = None) -> Chunk:
    return next(dataset.chunks(-1, part, shuffle=False))


def weighed(folder: Path, weights: Sequence[Sequence[float]], **more: Sequence[Sequence[float]]) -> list[Path]:
    """Files whose branch ``w`` holds these weights, and others these numbers."""
    return [
        make(
            folder / f"{number}.root",
            len(of_file),
            number,
            w=np.array(of_file, np.float64),
            **{name: np.array(values[number], np.float64) for name, values in more.items()},
        )
        for number, of_file in enumerate(weights)
    ]


def by_event(dataset: Dataset) -> dict[tuple[int, int], float]:
    """The weight of each event, by file and entry."""
    chunk = whole(dataset)
    assert chunk.weights is not None
    assert chunk.weights.dtype == np.float32
    assert chunk.weights.shape == (len(chunk.data),)
    return dict(zip(zip(chunk.file.tolist(), chunk.entry.tolist(), strict=True), chunk.weights.tolist(), strict=True))


def listed(found: dict[tuple[int, int], float], file: int) -> list[float]:
    """The weights of a file's events in the order of its entries."""
    return [found[key] for key in sorted(found) if key[0] == file]


def rounded(values: Any) -> list[float]:
    found: list[float] = np.asarray(values, np.float64).astype(np.float32).tolist()
    return found


def test_without_weights(tmp_path: Path) -> None:
    assert whole(Dataset(weighed(tmp_path, [[1, 2]]))).weights is None


def test_a_branch_alone_is_no_input_and_one_in_a_formula_is(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 2.5], [4]])
    alone, formula = Dataset(paths, weights="w"), Dataset(paths, weights="w * 2")
    assert "w" not in alone.branches
    assert "w" in formula.branches
    assert "w" not in Dataset(paths, weights="w * 2", exclude="w").branches
    assert listed(by_event(alone), 0) == [1, 2.5]
    assert listed(by_event(formula), 0) == [2, 5]
    assert listed(by_event(formula), 1) == [8]


def test_a_new_branch_weighs(tmp_path: Path) -> None:
    preproc = {"new_branch": {"v": {"def": "w + 1", "type": "flat"}}}
    paths = weighed(tmp_path, [[1, 2.5], [4]])
    dataset = Dataset(paths, weights="v", preproc=preproc)
    assert listed(by_event(dataset), 0) == [2, 3.5]
    assert "v" not in dataset.branches
    assert listed(by_event(Dataset(paths, weights="v * w", preproc=preproc)), 1) == [20]


def test_a_number_for_each_input(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 2], [3], [4]])
    glob = [str(tmp_path / "[01].root"), str(paths[2])]
    assert listed(by_event(Dataset(glob, weights=[0.5, 3])), 1) == [0.5]
    assert listed(by_event(Dataset(glob, weights=[0.5, 3])), 2) == [3]
    assert listed(by_event(Dataset(glob, weights={"by": "w", "scale": [0.5, 3]})), 0) == [0.5, 1]
    with pytest.raises(ParamsError, match="3 numbers for 2 inputs; each input needs one, a glob is one input"):
        Dataset(glob, weights=[1, 2, 3])


def test_a_cross_section_is_shared_by_all_entries_before_cuts(tmp_path: Path) -> None:
    weights = [[1.0, 2, 5, -1], [3.0, 4]]
    paths = weighed(tmp_path, weights, y=[[0, 1, 1, 1], [1, 0]])
    scale = {"cross_section": [2, 5], "luminosity": 10}
    preproc = {"flat_cut": {"y": {"cut": "y > 0"}}}
    given = {"by": "w", "negative": "keep", "scale": scale}
    found = by_event(Dataset(paths, weights=given, preproc=preproc))
    assert listed(found, 0) == rounded(np.array([2, 5, -1]) * (20 / 7))
    assert listed(found, 1) == rounded([3 * 50 / 7])
    one = by_event(Dataset([str(tmp_path / "*.root")], weights={**given, "scale": {"cross_section": 3}}))
    assert listed(one, 1) == rounded(np.array([3, 4]) * (3 / 14))
    few = by_event(Dataset(paths, weights={**given, "scale": scale}, nevts=3))
    assert listed(few, 0) == rounded(np.array([1, 2]) * (20 / 3))


def test_without_a_branch_a_cross_section_is_shared_by_the_number_of_entries(tmp_path: Path) -> None:
    dataset = Dataset(weighed(tmp_path, [[1, 1, 1, 1], [1, 1]]), weights={"scale": {"cross_section": [8, 3]}})
    assert listed(by_event(dataset), 0) == [2] * 4
    assert listed(by_event(dataset), 1) == [1.5] * 2


def test_balanced_classes_have_the_same_sum_and_the_mean_is_1(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 2, 3], [10.0], [4, 4]])
    labels, split = ["a", "b", "a"], (1, 0, 0)
    dataset = Dataset(paths, labels=labels, split=split, weights={"by": "w", "balanced": True})
    found = by_event(dataset)
    assert listed(found, 0) == rounded(np.array([1, 2, 3]) * 6 / (2 * 14))
    assert listed(found, 1) == [3]
    assert sum(found.values()) == pytest.approx(6)
    plain = by_event(Dataset(paths, labels=labels, split=split, weights="balanced"))
    assert listed(plain, 0) == rounded([6 / 10] * 3)
    assert listed(plain, 1) == [3]


def test_classes_are_balanced_over_the_train_part_and_the_factors_are_for_all(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 2, 3, 100], [10.0, 50, 5]], part=[[0, 0, 0, 2], [0, 1, 0]])
    split = {"by": "part", "validation": [1], "test": [2]}
    dataset = Dataset(paths, labels=["a", "b"], split=split, weights={"by": "w", "balanced": True})
    found = by_event(dataset)
    assert listed(found, 0) == rounded(np.array([1, 2, 3, 100]) * 5 / (2 * 6))
    assert listed(found, 1) == rounded(np.array([10, 50, 5]) * 5 / (2 * 15))
    train = whole(dataset, "train")
    assert train.weights is not None
    assert train.weights.mean() == pytest.approx(1)
    assert whole(Dataset(paths, labels=["a", "b"], split=(1, 0, 0), weights="balanced")).weights is not None


def test_the_weights_of_folds_are_those_of_their_dataset(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    paths = weighed(tmp_path, [random.random(60).tolist(), random.random(30).tolist()])
    dataset = Dataset(paths, labels=[1, 0], weights={"by": "w", "balanced": True})
    found = by_event(dataset)
    assert all(by_event(fold) == found for fold in dataset.folds(3))


def test_without_a_train_part_classes_are_balanced_over_all_events(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 1, 1], [1.0]])
    found = by_event(Dataset(paths, labels=["a", "b"], split=(0, 0, 1), weights="balanced"))
    assert listed(found, 0) == rounded([4 / 6] * 3)
    assert listed(found, 1) == [2]


def test_a_class_without_train_events_cannot_be_balanced(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 1], [1.0]], part=[[0, 0], [1]])
    split = {"by": "part", "validation": [1]}
    with pytest.raises(ParamsError, match="those of class 'b' sum to 0 over the events of the train part; it must be"):
        len(Dataset(paths, labels=["a", "b"], split=split, weights="balanced"))
    assert len(Dataset(paths, labels=["a", "b"], split=split, weights="w")) == 3


@pytest.mark.parametrize("negative", ["keep", "abs", "drop"])
def test_negative_weights(tmp_path: Path, negative: str) -> None:
    values = [[1.0, -2, 3, 0], [5, -0.5]]
    dataset = Dataset(weighed(tmp_path, values), weights={"by": "w", "negative": negative})
    expected = {"keep": [1, -2, 3, 0], "abs": [1, 2, 3, 0], "drop": [1, 3, 0]}[negative]
    if negative == "drop":
        with pytest.warns(Note, match="2 events are left out, because their weight is negative"):
            dataset.specs()
    assert listed(by_event(dataset), 0) == expected
    assert dataset.dropped == (2 if negative == "drop" else 0)
    assert [file.dropped for file in dataset.cutflow.files] == ([1, 1] if negative == "drop" else [0, 0])
    counts = [dataset.count(part) for part in ("train", "validation", "test")]
    assert sum(counts) == len(dataset) == 6 - dataset.dropped
    selected = np.sum(list(dataset.specs().selected.values()), axis=0)
    assert selected.tolist() == counts


def test_negative_weights_of_which_nothing_is_said(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 2], [-1, 3, -2]])
    message = r"1\.root: weights: branch 'w' is negative in 2 of 3 events; .* 'keep', 'abs' or 'drop'"
    with pytest.raises(ParamsError, match=message):
        len(Dataset(paths, weights="w"))


def test_dropped_events_are_not_in_the_specs(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, -2, 3]], y=[[1, 100, 2]])
    with pytest.warns(Note, match="negative"):
        specs = Dataset(paths, weights={"by": "w", "negative": "drop"}).specs()
    assert specs.maxv["y"] == 2


@pytest.mark.parametrize("missing", [NAN, float("inf"), -999.0])
def test_a_missing_weight_names_file_and_entry(tmp_path: Path, missing: float) -> None:
    paths = weighed(tmp_path, [[1, 2], [1, missing, 2]])
    with pytest.raises(ParamsError, match=r"1\.root: weights: branch 'w' is missing or not finite in entry 1"):
        len(Dataset(paths, weights="w", sentinels=-999))
    with pytest.raises(ParamsError, match=r"1\.root: weights: formula 'w \+ 1' is missing or not finite in entry 1"):
        len(Dataset(paths, weights="w + 1", sentinels=-999))


def test_an_event_that_is_cut_needs_no_weight(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, NAN, 2]], y=[[1, 0, 1]])
    assert listed(by_event(Dataset(paths, weights="w", preproc={"flat_cut": {"y": {"cut": "y > 0"}}})), 0) == [1, 2]


def test_weights_that_sum_to_nothing(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, -1], [1, 1]])
    keep = {"by": "w", "negative": "keep"}
    with pytest.raises(ParamsError, match="those of class 'a' sum to 0 over the events that are used"):
        len(Dataset(paths, labels=["a", "b"], weights=keep))
    with pytest.raises(ParamsError, match="they sum to 0 over the events that are used; it must be positive"):
        len(Dataset(paths[:1], weights=keep))
    with pytest.raises(ParamsError, match=r"those of .*0\.root sum to 0; a cross-section is divided by that sum"):
        len(Dataset(paths, weights={**keep, "scale": {"cross_section": 1}}))


def test_a_weight_that_float32_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"0\.root: weights: that of entry 1 is not finite as float32"):
        len(Dataset(weighed(tmp_path, [[1, 1e39]]), weights="w"))


def test_what_is_neither_a_branch_nor_a_formula(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 1]])
    with pytest.raises(BranchError, match=r"weight: there is no branch 'ww' in .* it is no formula of branches either"):
        Dataset(paths, weights="ww")
    with pytest.raises(ExpressionError, match=r"weight: 'w \+' is no branch of .*0\.root, and no formula"):
        Dataset(paths, weights="w +")
    with pytest.raises(BranchError, match=r"weight: branch 'jetPt' .* is jagged; it must be flat"):
        Dataset(paths, weights="jetPt")
    with pytest.raises(ExpressionError, match="jagged, but declared to be flat"):
        Dataset(paths, weights="jetPt * 2")
    with pytest.raises(ExpressionError, match="takes no branch"):
        Dataset(paths, weights="1 + 1")


def test_the_order_of_files_does_not_change_a_bit(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    paths = weighed(tmp_path, [random.normal(1, 2, size).tolist() for size in (50, 0, 1, 70)])
    given = {"by": "w", "negative": "keep", "balanced": True}

    def found(order: list[int]) -> dict[int, list[float]]:
        with pytest.warns(Note, match="0 events"):
            dataset = Dataset([paths[at] for at in order], labels="flag", split=(1, 0, 0), weights=given)
        weights = by_event(dataset)
        return {at: listed(weights, place) for place, at in enumerate(order)}

    assert found([0, 1, 2, 3]) == found([3, 2, 0, 1])


def test_weights_are_part_of_the_identity(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, 1]])
    assert Dataset(paths, weights="w").identity()["weights"] == {"by": "w"}
    assert Dataset(paths).identity()["weights"] == {}
