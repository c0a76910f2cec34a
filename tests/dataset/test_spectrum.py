"""Spectra that are made the same for every class, by weights and by sampling."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep.dataset import PARTS, Dataset
from mlaas4hep.dataset.spectrum import factors, probabilities
from mlaas4hep.errors import ExpressionError, Note, ParamsError

from tests.dataset.test_folds import uniform
from tests.dataset.test_weights import by_event, listed, rounded, weighed

EDGES = {"pt": [0, 1, 2, 4]}
SUMS = st.lists(st.floats(0, 1e6).map(lambda x: x if x > 1e-6 else 0.0), min_size=1, max_size=8).filter(any)


def flat(
    paths: Sequence[Path], labels: Any = None, *, flatten: Any = None, split: Any = (1, 0, 0), **options: Any
) -> Dataset:
    return Dataset(paths, labels=labels, split=split, weights={"flatten": flatten or {"by": EDGES}, **options})


def test_every_bin_of_a_class_gets_the_same_sum(tmp_path: Path) -> None:
    pt = [[0, 0.5, 0.9, 1, 3, 4], [1.5, 1.6, 2, 0.1]]
    paths = weighed(tmp_path, [[1, 1, 2, 3, 1, 1], [1, 1, 1, 1]], pt=pt)
    found = by_event(flat(paths, [1, 0], by="w"))
    assert listed(found, 0) == rounded([3 / 4, 3 / 4, 6 / 4, 3, 3 / 2, 3 / 2])
    assert listed(found, 1) == rounded([4 / 6, 4 / 6, 4 / 3, 4 / 3])


def test_a_class_gets_the_spectrum_of_another(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1] * 4, [1] * 4], pt=[[0, 0, 0, 1], [0, 1, 1, 3]])
    found = by_event(flat(paths, ["sig", "bkg"], flatten={"by": EDGES, "target": "sig"}))
    assert listed(found, 0) == [1, 1, 1, 1]
    assert listed(found, 1) == [3, 0.5, 0.5, 0]


def test_balanced_comes_behind_it(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1] * 3, [1]], pt=[[0, 0, 1], [0]])
    found = by_event(flat(paths, [1, 0], balanced=True))
    assert listed(found, 0) == rounded([0.5, 0.5, 1])
    assert listed(found, 1) == [2]


def test_two_variables_and_formulas(tmp_path: Path) -> None:
    pt, eta = [[0, 0, 0, 1, 1, 3]], [[-1, -1, 1, 1, 1, 0.0]]
    paths = weighed(tmp_path, [[1] * 6], pt=pt, eta=eta)
    by = {"pt * 10": [0, 10, 40], "eta": [-2, 0, 2]}
    found = by_event(flat(paths, flatten={"by": by}))
    assert listed(found, 0) == rounded([1, 1, 2, 2 / 3, 2 / 3, 2 / 3])


@pytest.mark.parametrize("method", ["weights", "sampling"])
def test_events_outside_the_edges_are_left_out_and_counted(tmp_path: Path, method: str) -> None:
    pt = [[0, -0.1, 1, 4, 4.1, np.nan, np.inf, 2, -9]]
    dataset = Dataset(
        weighed(tmp_path, [[1] * 9], pt=pt),
        split=(0, 0.5, 0.5),
        weights={"flatten": {"by": EDGES, "method": method}},
        sentinels={"pt": -9},
    )
    with pytest.warns(Note, match="5 events are left out, because they are outside the edges of the spectrum: pt"):
        specs = dataset.specs()
    assert (specs.minv["pt"], specs.maxv["pt"]) == (0, 4)
    assert dataset.dropped == 9 - len(dataset)
    assert sum(map(dataset.count, PARTS)) == len(dataset)
    assert dataset.cutflow.total.dropped == dataset.dropped


def test_the_branch_of_a_spectrum_is_an_input(tmp_path: Path) -> None:
    assert "pt" in flat(weighed(tmp_path, [[1]], pt=[[1]])).branches


def test_sampling_follows_from_seed_and_entry_alone(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    pt = [random.uniform(0, 4, 300).tolist(), random.uniform(0, 4, 200).tolist()]
    paths = weighed(tmp_path, [[1] * 300, [1] * 200], pt=pt)
    dataset = flat(paths, [1, 0], flatten={"by": EDGES, "method": "sampling"})
    found = by_event(dataset)
    expected = set()
    for file, of_file in enumerate(pt):
        bins = np.searchsorted([0, 1, 2, 4], of_file, "right") - 1
        counts = np.bincount(bins, minlength=3)
        for entry, at in enumerate(bins):
            if uniform(21, file, entry, 2) < counts.min() / counts[at]:
                expected.add((file, entry))
    assert set(found) == expected
    assert set(found.values()) == {1.0}
    assert dataset.dropped == 500 - len(expected)
    again = flat(paths, [1, 0], flatten={"by": EDGES, "method": "sampling"})
    assert again.specs().counts == dataset.specs().counts
    assert set(by_event(again)) == expected


def test_identifiers_are_sampled_together(tmp_path: Path) -> None:
    n = [list(range(50)) * 2]
    paths = weighed(tmp_path, [[1] * 100], pt=[[0.5] * 50 + [0.5] * 30 + [1.5] * 20], n=n)
    flatten = {"by": {"pt": [0, 1, 2]}, "method": "sampling"}
    kept = {
        entry for _, entry in by_event(Dataset(paths, identifier="n", split=(1, 0, 0), weights={"flatten": flatten}))
    }
    assert {entry % 50 for entry in kept if entry < 50} == {entry % 50 for entry in kept if 50 <= entry < 80} | {
        entry for entry in kept if 30 <= entry < 50
    }
    assert kept >= set(range(80, 100))


def test_spectra_that_cannot_be(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1, -1, 1], [1, 1, 1]], pt=[[0, 0, 1], [1, 1, 1]])
    keep = {"by": "w", "negative": "keep"}
    message = (
        "the weights of class '1' sum to 0 where 0 <= pt < 1, over the events of the train part; a spectrum is divided "
        "by that, so it must be positive: take wider bins"
    )
    with pytest.raises(ParamsError, match=message):
        len(flat(paths, [1, 0], **keep))
    with pytest.raises(ParamsError, match="there is no class 'sig'; classes are 0, 1"):
        len(flat(paths, [1, 0], flatten={"by": EDGES, "target": "sig"}))
    with pytest.raises(ParamsError, match="there is no class 'sig'; there are no labels"):
        len(flat(paths, flatten={"by": EDGES, "target": "sig"}))
    with pytest.raises(ExpressionError, match="spectrum: 'ptt' is no branch of"):
        flat(paths, flatten={"by": {"ptt": [0, 1]}})
    with pytest.raises(ExpressionError, match=r"spectrum: branch 'jetPt' cannot be taken: .* jagged, but declared to"):
        flat(paths, flatten={"by": {"jetPt": [0, 1]}})
    with pytest.raises(ParamsError, match="those of class '0' sum to 0 over the events that are used"):
        len(flat(weighed(tmp_path, [[1], [1]], pt=[[0], [1]]), [1, 0], flatten={"by": EDGES, "target": "1"}))


def test_only_train_events_decide(tmp_path: Path) -> None:
    split = {"by": "part", "validation": [1], "test": [2]}
    paths = weighed(tmp_path, [[1] * 7], pt=[[0, 0, 0, 1, 0, 0, 3]], part=[[0, 0, 0, 0, 1, 2, 2]])
    with pytest.warns(Note, match="1 events weigh nothing, because the train part has none of their class in their"):
        found = by_event(flat(paths, split=split))
    assert listed(found, 0) == rounded([2 / 3] * 3 + [2] + [2 / 3] * 2 + [0])
    sampling = flat(paths, flatten={"by": EDGES, "method": "sampling"}, split=split)
    with pytest.warns(Note, match="1 events are left out, because the train part has none of their class in their"):
        found = by_event(sampling)
    assert (0, 3) in found
    assert (0, 6) not in found
    assert all(((0, entry) in found) == (uniform(21, 0, entry, 2) < 1 / 3) for entry in (0, 1, 2, 4, 5))


def test_a_class_without_train_events_has_no_spectrum(tmp_path: Path) -> None:
    paths = weighed(tmp_path, [[1] * 2, [1] * 2], pt=[[0, 1], [0, 1]], part=[[0, 0], [1, 1]])
    with pytest.raises(ParamsError, match="those of class 'b' sum to 0 over the events of the train part"):
        len(flat(paths, ["a", "b"], split={"by": "part", "validation": [1]}))


@given(SUMS, st.randoms(use_true_random=False))
def test_factors_keep_the_sum_and_give_the_shape(sums: list[float], random: Any) -> None:
    given, shape = np.array(sums), np.array([random.uniform(0.5, 2) for _ in sums])
    found = given * factors(given, shape)
    there = given > 0
    assert found.sum() == pytest.approx(given.sum())
    assert found[there] / found.sum() == pytest.approx(shape[there] / shape[there].sum())


@given(SUMS, st.randoms(use_true_random=False))
def test_probabilities_give_the_shape(sums: list[float], random: Any) -> None:
    given, shape = np.array(sums), np.array([random.uniform(0.5, 2) for _ in sums])
    found = probabilities(given, shape)
    there = given > 0
    assert found.max() == 1
    assert found.min() >= 0
    kept = (given * found)[there]
    assert kept / kept.sum() == pytest.approx(shape[there] / shape[there].sum())
