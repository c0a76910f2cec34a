"""Folds: every event is in one test part, and its prediction comes back in the order of the events."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlaas4hep.dataset import PARTS, Dataset
from mlaas4hep.errors import ExpressionError, Note, ParamsError

from tests.dataset.files import make_all, origin
from tests.dataset.test_splits import in_part, numbered
from tests.rules import splitmix64


def uniform(seed: int, file: int, entry: int, stream: int) -> float:
    """The number of an event in a stream, as the documentation says."""
    h = splitmix64((splitmix64((splitmix64(seed) + file) % 2**64) + entry) % 2**64)
    return float((h if stream == 0 else splitmix64((h + stream) % 2**64)) >> 11) * 2.0**-53


def expected(sizes: list[int], number: int, fold: int, split: tuple[float, float, float]) -> dict[str, Any]:
    """File and entry of the events of each part of a fold."""
    parts: dict[str, list[tuple[int, int]]] = {part: [] for part in PARTS}
    for file, size in enumerate(sizes):
        for entry in range(size):
            test = int(uniform(21, file, entry, 1) * number) == fold
            train = uniform(21, file, entry, 0) < split[0] / (split[0] + split[1])
            parts["test" if test else "train" if train else "validation"].append((file, entry))
    return parts


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=3).filter(lambda sizes: sum(sizes) >= 2),
    number=st.integers(2, 6),
    split=st.sampled_from([(0.64, 0.16, 0.2), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0)]),
)
@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
def test_parts_of_folds_follow_the_rule(tmp_path: Path, sizes: list[int], number: int, split: Any) -> None:
    dataset = Dataset(make_all(tmp_path, sizes), split=split)
    if number > sum(sizes):
        with pytest.raises(ParamsError, match=f"{number} folds of {sum(sizes)} events"):
            dataset.folds(number)
        return
    folds = dataset.folds(number)
    assert len(folds) == number
    for fold, of_fold in enumerate(folds):
        wanted = expected(sizes, number, fold, split)
        assert {part: in_part(of_fold, part) for part in PARTS} == wanted
        counts = np.sum([[0, 0, 0], *of_fold.specs().selected.values()], axis=0)
        assert counts.tolist() == [len(wanted[part]) for part in PARTS]
    tests = sorted(pair for fold in folds for pair in in_part(fold, "test"))
    assert tests == [(file, entry) for file, size in enumerate(sizes) for entry in range(size)]


def test_folds_share_plan_and_inputs_and_differ_in_identity(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [30, 20]), labels=[1, 0])
    folds = dataset.folds(3)
    assert all(fold.plan is dataset.plan for fold in folds)
    assert all(fold.specs().minv == dataset.specs().minv for fold in folds)
    assert [fold.identity()["fold"] for fold in folds] == [[3, 0, None], [3, 1, None], [3, 2, None]]
    assert dataset.identity()["fold"] == []
    assert [dataset.count(part) for part in PARTS] == [Dataset(dataset_paths(tmp_path)).count(part) for part in PARTS]
    assert folds[-1].identity() == folds[2].identity()
    assert len(folds[:2]) == 2


def dataset_paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.root"))


def test_events_of_one_identifier_are_in_one_fold(tmp_path: Path) -> None:
    numbers = [[1, 2, 3, 1, 2, 3, 4, 5, 6, 1], [1, 1, 2]]
    folds = Dataset(numbered(tmp_path, numbers), identifier="n").folds(3)
    of_event = {pair: index for index, fold in enumerate(folds) for pair in in_part(fold, "test")}
    assert len(of_event) == 13
    for file, of_file in enumerate(numbers):
        for n in of_file:
            assert len({of_event[file, entry] for entry, other in enumerate(of_file) if other == n}) == 1


def test_folds_by_a_formula(tmp_path: Path) -> None:
    numbers = [[4, 3, 2, 1, 0], [7], []]
    with pytest.warns(Note, match="0 events"):
        dataset = Dataset(numbered(tmp_path, numbers), preproc={"new_branch": {"m": {"def": "n + 0", "type": "flat"}}})
    for by in ("n % 3", "m % 3"):
        folds = dataset.folds(3, by=by)
        assert [in_part(fold, "test") for fold in folds] == [
            [(0, 1), (0, 4)],
            [(0, 0), (0, 3), (1, 0)],
            [(0, 2)],
        ]


def test_folds_are_of_the_events_that_pass(tmp_path: Path) -> None:
    numbers = [[4, -1, 2, 1, 0], [-5, 3]]
    dataset = Dataset(numbered(tmp_path, numbers), preproc={"flat_cut": {"n": {"cut": "n >= 0"}}})
    for folds in (dataset.folds(2, by="n % 2"), dataset.folds(2)):
        assert sorted(pair for fold in folds for pair in in_part(fold, "test")) == [
            (0, 0),
            (0, 2),
            (0, 3),
            (0, 4),
            (1, 1),
        ]


def test_folds_that_cannot_be(tmp_path: Path) -> None:
    dataset = Dataset(numbered(tmp_path, [[0, 1, 2, 1]], y=[[0, np.nan, 0, 0]], i=[[1, 2, 3, 2]]))
    with pytest.raises(ParamsError, match="folds: 5 folds of 4 events; there must be at least 2, and no more than"):
        dataset.folds(5)
    with pytest.raises(ParamsError, match="folds is 1; it must be a whole number of at least 2"):
        dataset.folds(1)
    with pytest.raises(ParamsError, match=r"0\.root: folds: formula 'n' is 2 in entry 2; it must be a whole number fr"):
        dataset.folds(2, by="n")
    with pytest.raises(ParamsError, match=r"0\.root: folds: formula 'y' has no value in entry 1; it must be a whole"):
        dataset.folds(2, by="y")
    with pytest.raises(ExpressionError, match=r"folds: 'nn' is no branch of .*0\.root"):
        dataset.folds(2, by="nn")
    split = {"by": "n", "test": [1]}
    with pytest.raises(ParamsError, match="folds: the split is by 'n'; for folds it must be fractions"):
        Dataset(dataset_paths(tmp_path), split=split).folds(2)
    with pytest.raises(ParamsError, match="folds: the split has no train and no validation"):
        Dataset(dataset_paths(tmp_path), split=(0, 0, 1)).folds(2)
    paths = numbered(tmp_path, [[0, 0, 1, 1]], i=[[1, 2, 3, 2]])
    with pytest.raises(
        ParamsError, match="the event i = 2 is in two folds: entry 1 in fold 0, entry 3 in fold 1; folds"
    ):
        Dataset(paths, identifier="i").folds(2, by="n")


@pytest.mark.filterwarnings("ignore:files with 0 events")
def test_predictions_come_back_in_the_order_of_events(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [25, 0, 1, 14]), labels="flag", weights="count * 0 + 2", targets="event")
    folds = dataset.folds(4)
    predictions = folds.predictions()
    for fold in reversed(folds):
        for chunk in fold.chunks(5, "test"):
            predictions.put(chunk, np.stack([chunk.file * 1000.0 + chunk.entry, chunk.entry * 1.0], axis=1))
    found = predictions.result()
    order = [(file, entry) for file, size in enumerate([25, 0, 1, 14]) for entry in range(size)]
    assert list(zip(found.file.tolist(), found.entry.tolist(), strict=True)) == order
    assert found.scores.tolist() == [[file * 1000.0 + entry, entry] for file, entry in order]
    whole = next(dataset.chunks(-1, shuffle=False))
    places = [origin(whole).index(pair) for pair in order]
    assert found.labels is not None
    assert found.weights is not None
    assert found.targets is not None
    assert whole.labels is not None
    assert whole.targets is not None
    assert found.labels.tolist() == whole.labels[places].tolist()
    assert found.targets.tolist() == whole.targets[places].tolist()
    assert found.weights.tolist() == [2.0] * 40


def test_predictions_that_are_missing_or_come_twice(tmp_path: Path) -> None:
    dataset = Dataset(numbered(tmp_path, [[0, 1, 2], [0]]), preproc={"flat_cut": {"n": {"cut": "n < 2"}}})
    folds = dataset.folds(2, by="n")
    predictions = folds.predictions()
    with pytest.raises(ParamsError, match=r"3 of 3 events have none, the first of which is entry 0 of .*0\.root"):
        predictions.result()
    chunk = next(folds[0].chunks(-1, "test", shuffle=False))
    predictions.put(chunk, [1, 2])
    with pytest.raises(ParamsError, match=r"entry 0 of .*0\.root has a prediction already"):
        predictions.put(chunk, [1, 2])
    with pytest.raises(ParamsError, match=r"\(3,\) scores for 2 events; each needs one"):
        predictions.put(chunk, [1, 2, 3])
    with pytest.raises(ParamsError, match=r"1 of 3 events have none, the first of which is entry 1 of .*0\.root"):
        predictions.result()
    other = next(folds[1].chunks(-1, "test"))
    with pytest.raises(ParamsError, match=r"scores of shape \(2,\) for an event; those before had \(\)"):
        predictions.put(other, [[1, 2]])
    whole = next(Dataset(dataset_paths(tmp_path)).chunks(-1))
    with pytest.raises(ParamsError, match=r"entry 2 of .*0\.root is not used"):
        predictions.put(whole.rows(whole.entry == 2), [1])
    predictions.put(other, [3])
    assert predictions.result().scores.tolist() == [1, 3, 2]
