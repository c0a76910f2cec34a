"""Parts that follow from a branch or formula, and the check that no event is in two of them."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlaas4hep.dataset import PARTS, Dataset
from mlaas4hep.dataset.leaks import check_leaks
from mlaas4hep.errors import BranchError, Note, ParamsError
from mlaas4hep.splits import SplitBy, split_of

from tests.dataset.files import make, origin

HASHES = np.array([0.5, 0.5, 0.5, 0.1])

BY_FIVES = {"by": "event % 5", "validation": [3], "test": [4]}


def in_part(dataset: Dataset, part: str) -> list[tuple[int, int]]:
    return sorted(pair for chunk in dataset.chunks(7, part) for pair in origin(chunk))


def numbered(folder: Path, numbers: list[list[int]], **more: list[list[Any]]) -> list[Path]:
    """Files whose branch ``n`` holds these numbers."""
    return [
        make(
            folder / f"{file}.root",
            len(of_file),
            file,
            n=np.array(of_file, np.int64),
            **{name: np.array(values[file]) for name, values in more.items()},
        )
        for file, of_file in enumerate(numbers)
    ]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.lists(st.integers(-3, 9), max_size=12), min_size=1, max_size=3), cut=st.booleans())
@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
def test_every_event_is_in_the_part_of_its_value(tmp_path: Path, numbers: list[list[int]], cut: bool) -> None:
    kept = [[n for n in of_file if not cut or n > 0] for of_file in numbers]
    if not any(kept):
        return
    split = {"by": "n % 5", "validation": [3], "test": [4, 0]}
    preproc = {"flat_cut": {"n": {"cut": "n > 0"}}} if cut else None
    dataset = Dataset(numbered(tmp_path, numbers), split=split, preproc=preproc)
    expected: dict[str, list[tuple[int, int]]] = {part: [] for part in PARTS}
    for file, of_file in enumerate(numbers):
        for entry, n in enumerate(of_file):
            if not cut or n > 0:
                expected[{3: "validation", 4: "test", 0: "test"}.get(n % 5, "train")].append((file, entry))
    assert {part: in_part(dataset, part) for part in PARTS} == expected
    counts = np.sum([[0, 0, 0], *dataset.specs().selected.values()], axis=0)
    assert counts.tolist() == [len(expected[part]) for part in PARTS]


def test_a_branch_alone_is_no_input(tmp_path: Path) -> None:
    paths = numbered(tmp_path, [[0, 1, 2, 1]])
    dataset = Dataset(paths, split={"by": "n", "validation": 1, "test": [2]})
    assert "n" not in dataset.branches
    assert [dataset.count(part) for part in PARTS] == [1, 2, 1]
    assert dataset.identity()["split"] == {"by": "n", "validation": [1], "test": [2]}


def test_a_value_that_no_event_has_is_noted(tmp_path: Path) -> None:
    dataset = Dataset(numbered(tmp_path, [[0, 1]]), split=SplitBy("n", validation=(1,), test=(7, 8)))
    with pytest.warns(Note, match="split: branch 'n' has the value 7, 8 in no event, which means test"):
        dataset.specs()


def test_an_event_without_a_value(tmp_path: Path) -> None:
    paths = numbered(tmp_path, [[0, 1]], x2=[[1.0, np.nan]])
    with pytest.raises(ParamsError, match=r"0\.root: split: branch 'x2' has no value in entry 1; every event must"):
        len(Dataset(paths, split={"by": "x2", "test": [1]}))
    with pytest.raises(BranchError, match="split: there is no branch 'x3'"):
        Dataset(paths, split={"by": "x3", "test": [1]})


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"by": "n"}, "no values of validation, and none of test"),
        ({"test": [1]}, "split: by is missing"),
        ({"by": "n", "tset": [1]}, r"split: unknown key 'tset' \(did you mean 'test'\?\)"),
        ({"by": "n", "test": [1, 2], "validation": [2]}, "the value 2 is of validation and of test"),
        ({"by": "n", "test": ["a"]}, "split: test has 'a'; its values must be finite numbers"),
        ({"by": 3, "test": [1]}, "split: by is 3; it must be the name of a branch, or a formula"),
        ([0.5, 0.5], r"split is \[0.5, 0.5\]; it must be three fractions: .* or values of a branch or formula"),
        ([0.5, 0.6, 0.2], "the fractions must not be negative, and add up to 1"),
    ],
)
def test_splits_that_make_no_sense(split: Any, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        split_of(split)


def test_an_identifier_in_two_parts(tmp_path: Path) -> None:
    paths = numbered(tmp_path, [[0, 1, 2, 3]], id1=[[7, 8, 9, 8]], id2=[[1, 2, 1, 2]])
    dataset = Dataset(paths, split={"by": "n", "validation": [3], "test": [2]}, identifier=["id1", "id2"])
    message = (
        r"0\.root: the event id1 = 8, id2 = 2 is in two parts: entry 1 in train, entry 3 in validation; parts must "
        "follow from what identifies an event: from fractions, or a formula of id1, id2"
    )
    with pytest.raises(ParamsError, match=message):
        len(dataset)


def test_an_identifier_twice_in_one_part_is_none_of_its_business(tmp_path: Path) -> None:
    paths = numbered(tmp_path, [[0, 1, 2, 3], [3, 2, 1, 0]], id1=[[7, 8, 9, 8], [7, 8, 9, 8]])
    split = {"by": "id1 % 2", "test": [1]}
    assert Dataset(paths, split=split, identifier="id1").count("test") == 4
    assert len(Dataset(paths, identifier="id1")) == 8


class Known:
    """A source of one branch, which counts what is read of it."""

    path = "known.root"

    def __init__(self, values: list[int]) -> None:
        self.values, self.read_entries = np.array(values), 0

    def read(self, names: Any, start: int, stop: int) -> dict[str, Any]:
        self.read_entries += stop - start
        return {name: self.values[start:stop] for name in names}


def test_equal_hashes_of_different_events_are_no_leak() -> None:
    source: Any = Known([5, 6, 5, 7])
    check_leaks(
        lambda: nullcontext(source), ["n"], np.array([0.5, 0.5, 0.5, 0.1]), np.array([0, 1, 0, 2], np.uint8), "parts"
    )
    assert source.read_entries == 3
    with pytest.raises(ParamsError, match="the event n = 5 is in two parts: entry 0 in train, entry 2 in test"):
        check_leaks(
            lambda: nullcontext(source),
            ["n"],
            np.array([0.5, 0.5, 0.5, 0.1]),
            np.array([0, 1, 2, 2], np.uint8),
            "parts",
        )
    check_leaks(
        lambda: nullcontext(source), ["n"], np.array([0.5, 0.5, 0.5, 0.1]), np.array([0, 0, 4, 2], np.uint8), "parts"
    )


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=20))
def test_leaks_are_found_as_a_plain_search_finds_them(events: list[tuple[int, int]]) -> None:
    values, parts = [value for value, _ in events], np.array([part for _, part in events], np.uint8)
    source: Any = Known(values)
    leaks = any(len({part for value, part in events if value == other}) > 1 for other in values)
    hashes = np.array([value % 3 / 3 for value in values])
    if leaks:
        with pytest.raises(ParamsError, match="is in two parts"):
            check_leaks(lambda: nullcontext(source), ["n"], hashes, parts, "parts")
    else:
        check_leaks(lambda: nullcontext(source), ["n"], hashes, parts, "parts")
