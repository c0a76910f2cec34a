"""A pass that leaves out its first chunks gives, bit for bit, the rest of the whole pass."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep import Dataset, Plan, Reading, Specs, _rust
from mlaas4hep.dataset import Chunk
from mlaas4hep.dataset.files import File, fingerprint
from mlaas4hep.dataset.passes import _skip
from mlaas4hep.errors import Note, ParamsError, SourceError
from mlaas4hep.inputs import Input
from mlaas4hep.sources import clusters

from tests.dataset.files import INPUTS, in_baskets, make, make_all, noted_reads, same_bits

SIZES = [60, 0, 41, 1, 97]
LABELS = ["b", "a", "a", "b", "b"]
CUTS: dict[str, Any] = {
    "new_branch": {"twice": {"def": "2*x", "type": "flat"}},
    "jagged_cut": {"jetPt": {"cut": ["jetPt>30", "any"]}},
}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"labels": LABELS},
    "cuts": {"labels": LABELS, "preproc": CUTS},
    "chains": {"labels": LABELS, "max_open": 2},
    "one chain with cuts": {"max_open": 1, "preproc": CUTS},
    "identifiers": {"identifier": ["run", "event"], "labels": "flag"},
    "few events": {"labels": LABELS, "nevts": 77},
}


def copies(chunks: Iterable[Chunk]) -> list[list[Any]]:
    names = ("data", "padding_mask", "labels", "file", "entry")
    arrays = ([getattr(chunk, name) for name in names] for chunk in chunks)
    return [[None if array is None else array.copy() for array in chunk] for chunk in arrays]


def same(left: list[list[Any]], right: list[list[Any]]) -> bool:
    pairs = [pair for chunks in zip(left, right, strict=True) for pair in zip(*chunks, strict=True)]
    return all(a is b if a is None or b is None else same_bits(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    paths = make_all(tmp_path_factory.mktemp("skip"), SIZES)
    found = {}
    for kind, given_ in KINDS.items():
        branches: dict[str, Any] = {"exclude": ["run", "event"]} if "preproc" in given_ else {"select": INPUTS}
        with pytest.warns(Note):  # of files with 0 events, and of chains
            found[kind] = Dataset(paths, **branches, **given_)
        found[kind].specs()
    return found


@given(
    kind=st.sampled_from(sorted(KINDS)),
    size=st.one_of(st.integers(1, 30), st.integers(31, 220), st.just(-1)),
    part=st.sampled_from([None, "train", "validation", "test"]),
    epoch=st.integers(0, 3),
    shuffle=st.booleans(),
    share=st.floats(0, 1.2),
    limit=st.sampled_from([64, 1000, 2**22]),
)
def test_what_is_left_is_the_tail_of_the_whole_pass(
    datasets: dict[str, Dataset],
    kind: str,
    size: int,
    part: str | None,
    epoch: int,
    shuffle: bool,
    share: float,
    limit: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "_limits", lambda _: (limit, 2 * limit))
        patch.setattr(clusters, "MOST", 2 * limit)
        dataset = datasets[kind]
        whole = copies(dataset.chunks(size, part, epoch=epoch, shuffle=shuffle))
        skip = round(len(whole) * share)
        rest = copies(dataset.chunks(size, part, epoch=epoch, shuffle=shuffle, skip=skip))
    assert len(rest) == max(0, len(whole) - skip)
    assert same(rest, whole[skip:])


@pytest.mark.parametrize("skip", [1, 100, 2**62])
def test_more_than_the_pass_has(skip: int, tmp_path: Path) -> None:
    assert list(Dataset(make(tmp_path / "a.root", 30)).chunks(-1, skip=skip)) == []


@pytest.mark.parametrize("skip", [-1, 1.0, True, "1"])
def test_a_number_of_chunks_that_is_none(skip: Any, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"skip is .*; it must be a whole number of at least 0"):
        Dataset(make(tmp_path / "a.root", 30)).chunks(10, skip=skip)


def test_what_is_skipped_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_limits", lambda _: (1000, 2000))
    paths = [in_baskets(tmp_path / "a.root", [1000] * 8), in_baskets(tmp_path / "b.root", [1000] * 8)]
    specs = Dataset(paths).specs()

    def run(skip: int) -> list[tuple[int, int]]:
        dataset = Dataset(paths, specs=specs, max_open=2)
        with noted_reads() as reads:
            assert sum(len(chunk.data) for chunk in dataset.chunks(1000, skip=skip)) == 16_000 - 1000 * skip
        return sorted(reads)

    whole, rest = run(0), run(11)
    assert rest == [(start, stop) for start, stop in whole if stop > 5500]
    assert len(rest) < len(whole)


def test_datasets_of_equal_identity_give_equal_specs(tmp_path: Path) -> None:
    paths = make_all(tmp_path, [40, 30])
    first, second = (Dataset(paths, ["s", "b"], preproc=CUTS) for _ in range(2))
    assert json.loads(json.dumps(first.identity())) == json.loads(json.dumps(second.identity()))
    second.take_specs(Specs.from_json(_written(first, tmp_path / "specs.json")))
    assert second.specs().to_text() == first.specs().to_text()
    assert second.plan.hash == Plan(first.specs(), preproc=first.preproc).hash
    assert second.spent.scanning == 0
    assert same(copies(first.chunks(16)), copies(second.chunks(16)))
    assert first.cutflow == second.cutflow


def _written(dataset: Dataset, path: Path) -> Path:
    dataset.specs().to_json(path)
    return path


@pytest.mark.parametrize(
    "other",
    [
        {"labels": ["b", "s"]},
        {"classes": ["s", "b"]},
        {"select": ["x", "jetPt"]},
        {"identifier": ["event"]},
        {"preproc": CUTS},
        {"split": (0.5, 0.25, 0.25)},
        {"seed": 3},
        {"nevts": 60},
        {"max_open": 2},
        {"reading": {"flatten_nested": True}},
    ],
)
def test_identity_follows_every_argument(other: dict[str, Any], tmp_path: Path) -> None:
    paths = make_all(tmp_path, [40, 30])
    given_ = {"labels": ["s", "b"], "select": ["x", "count", "jetPt"]} | other
    assert Dataset(paths, **given_).identity() != Dataset(paths, ["s", "b"], select=["x", "count", "jetPt"]).identity()


def test_identity_follows_the_specs_and_the_files(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", 40)
    dataset = Dataset(path)
    before = dataset.identity()
    assert Dataset(path, specs=dataset.specs()).identity() != before
    os.utime(path, ns=(0, 0))
    assert dataset.identity()["files"] != before["files"]
    make(path, 40, 3)
    assert Dataset(path).identity()["files"] != before["files"]
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.root: cannot be opened: No such file"):
        dataset.identity()


def test_events_of_skipped_chunks_are_counted_by_stream() -> None:
    schedule = _rust.Schedule([600, 300, 101], 10, 21, 0, True)
    done = _skip(schedule, 100, 3)
    (take,) = next(schedule)
    assert sum(done) == 1000
    assert take[1] == done[take[0]]
    assert _skip(_rust.Schedule([10, 20], 7, 1, 0, True), 99, 2) == [10, 20]


def test_a_file_behind_a_url_is_known_by_its_size_and_stamp(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    path.write_bytes(b"root")
    file = File(Input(f"file://{path}", None, 0, 0), "events", 4, None, 4)
    before = fingerprint(file, Reading())
    assert before[:4] == [f"file://{path}", "events", 4, 4]
    assert fingerprint(file, Reading()) == before
    os.utime(path, (1, 1))
    assert fingerprint(file, Reading()) != before
