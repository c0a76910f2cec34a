"""Shards of a pass, and chunks that are shuffled together."""

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlaas4hep import Dataset, _rust
from mlaas4hep.dataset import Chunk
from mlaas4hep.errors import Note, ParamsError
from mlaas4hep.sources import clusters

from tests import rules
from tests.dataset.files import INPUTS, in_baskets, make_all, noted_reads, origin, same_bits

SIZES = [60, 0, 41, 1, 97]
LABELS = ["b", "a", "a", "b", "b"]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "chains": {"max_open": 2},
    "cuts": {"preproc": {"jagged_cut": {"jetPt": {"cut": ["jetPt>30", "any"]}}}},
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    paths = make_all(tmp_path_factory.mktemp("shards"), SIZES)
    found = {}
    for kind, options in KINDS.items():
        with pytest.warns(Note):  # of files with 0 events, and of chains
            found[kind] = Dataset(paths, LABELS, select=INPUTS, **options)
        found[kind].specs()
    return found


PASSES = st.fixed_dictionaries(
    {
        "size": st.one_of(st.integers(1, 30), st.integers(31, 220), st.just(-1)),
        "part": st.sampled_from([None, "train", "validation", "test"]),
        "epoch": st.integers(0, 3),
        "shuffle": st.one_of(st.booleans(), st.integers(1, 5)),
    }
)


@settings(max_examples=settings().max_examples // 2)
@given(kind=st.sampled_from(sorted(KINDS)), asked=PASSES, world=st.integers(1, 9))
def test_shards_are_disjoint_complete_and_even(
    datasets: dict[str, Dataset], kind: str, asked: dict[str, Any], world: int
) -> None:
    dataset = datasets[kind]
    shards = [[origin(chunk) for chunk in dataset.chunks(**asked, shard=(rank, world))] for rank in range(world)]
    whole = chain.from_iterable(origin(chunk) for chunk in dataset.chunks(-1, asked["part"], shuffle=False))
    assert sorted(chain.from_iterable(chain.from_iterable(shards))) == sorted(whole)
    assert len({len(chunks) for chunks in shards}) == 1
    sizes = [sum(map(len, chunks)) for chunks in shards]
    size = max(1, *sizes) if asked["size"] == -1 else asked["size"]
    assert max(sizes) - min(sizes) <= 1
    for chunks, events in zip(shards, sizes, strict=True):
        assert [len(chunk) for chunk in chunks] == [len(piece) for piece in rules.pieces(events, max(sizes), size)]
        assert all(chunks) or events < len(chunks)


@given(asked=PASSES, world=st.integers(1, 4), data=st.data())
def test_a_shard_is_mixed_by_the_rule_and_goes_on_anywhere(
    datasets: dict[str, Dataset], asked: dict[str, Any], world: int, data: st.DataObject
) -> None:
    dataset, part = datasets["plain"], asked["part"]
    files: dict[int, list[int]] = {}
    for file, entry in sorted(chain.from_iterable(origin(chunk) for chunk in dataset.chunks(-1, part, shuffle=False))):
        files.setdefault(file, []).append(entry)
    rank = data.draw(st.integers(0, world - 1), label="rank")
    ranges = rules.shards([len(entries) for entries in files.values()], world)[rank]
    mine = {
        file: entries[taken.start : taken.stop] for (file, entries), taken in zip(files.items(), ranges, strict=True)
    }
    plain = dataset.chunks(-1, part, shuffle=False, shard=(rank, world))
    numbers = list(mine)
    wanted = [(numbers[stream], entry) for stream, entry in rules.positions(list(mine.values()))]
    assert [row for chunk in plain for row in origin(chunk)] == wanted
    whole = list(dataset.chunks(**asked, shard=(rank, world)))
    skip = data.draw(st.integers(0, len(whole)), label="skip")
    rest = list(dataset.chunks(**asked, shard=(rank, world), skip=skip))
    assert all(map(same, rest, whole[skip:]))
    assert len(rest) == len(whole) - skip


def same(left: Chunk, right: Chunk) -> bool:
    return same_bits(left.data, right.data) and origin(left) == origin(right)


@pytest.mark.parametrize("window", [2, 3, 50])
def test_neighbouring_chunks_are_permuted_as_one(datasets: dict[str, Dataset], window: int) -> None:
    dataset = datasets["plain"]
    plain = [row for chunk in dataset.chunks(20, shuffle=False) for row in origin(chunk)]
    wanted: list[tuple[int, int]] = []
    for number, takes in enumerate(_rust.Schedule([len(plain)], 20 * window, 21, 2, True)):
        ((_, start, _, rows),) = takes
        assert start == 20 * window * number
        wanted += [plain[start + at] for at in np.argsort(rows)]
    found = list(dataset.chunks(20, shuffle=window, epoch=2))
    assert [row for chunk in found for row in origin(chunk)] == wanted
    assert [len(chunk.data) for chunk in found] == [20] * (len(plain) // 20) + [len(plain) % 20]
    assert np.shares_memory(found[0].data.base, found[1].data.base)


def test_true_is_one_chunk(datasets: dict[str, Dataset]) -> None:
    for one, other in zip(datasets["plain"].chunks(30, shuffle=1), datasets["plain"].chunks(30), strict=True):
        assert same(one, other)


def test_only_the_clusters_of_a_shard_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_limits", lambda _: (1000, 2000))
    dataset = Dataset(in_baskets(tmp_path / "a.root", [1000] * 8))
    dataset.specs()
    with noted_reads() as reads:
        assert sum(len(chunk.data) for chunk in dataset.chunks(500, shard=(1, 4))) == 2000
    assert min(reads)[0] >= 1000
    assert max(reads)[1] <= 5000


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0), (0,), (0.0, 1), (True, 2), "01", 3])
def test_a_shard_that_is_none(datasets: dict[str, Dataset], shard: Any) -> None:
    with pytest.raises(
        ParamsError, match=r"shard is .*; it must be \(rank, world\), whole numbers with 0 <= rank < wo"
    ):
        datasets["plain"].chunks(10, shard=shard)


@pytest.mark.parametrize("shuffle", [0, -1, 1.5, "yes", None])
def test_shuffling_that_is_none(datasets: dict[str, Dataset], shuffle: Any) -> None:
    with pytest.raises(ParamsError, match=r"shuffle is .*; it must be True, False, or how many neighbouring chunks"):
        datasets["plain"].chunks(10, shuffle=shuffle)
