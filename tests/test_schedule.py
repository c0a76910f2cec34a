"""Parts, shares and schedules of the extension module against the rules."""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep import _rust
from mlaas4hep.errors import MLaaSError
from numpy.typing import NDArray

from tests import rules

SEEDS = st.integers(0, 2**64 - 1)
COUNTS = st.lists(st.one_of(st.just(0), st.just(1), st.integers(0, 40)), min_size=1, max_size=6)
Takes = list[tuple[int, int, int, NDArray[np.int64]]]


def schedule(counts: Sequence[int], size: int, *, seed: int = 21, epoch: int = 0, shuffle: bool = False) -> list[Takes]:
    return list(_rust.Schedule(list(counts), size, seed, epoch, shuffle))


def in_order(takes: Takes) -> list[tuple[int, int]]:
    """Stream and event of every row of a chunk."""
    rows = {int(row): (stream, start + at) for stream, start, _, rows in takes for at, row in enumerate(rows)}
    assert sorted(rows) == list(range(len(rows)))
    return [rows[row] for row in range(len(rows))]


def rows_of(takes: Takes) -> list[int]:
    return list(chain.from_iterable(rows.tolist() for *_, rows in takes))


@given(SEEDS, st.integers(0, 2**32), st.integers(0, 2**62), st.integers(0, 20))
def test_parts_by_entry(seed: int, file: int, start: int, events: int) -> None:
    found = _rust.parts(seed, file, start, start + events, rules.SPLIT, [])
    assert found.dtype == np.uint8
    assert found.tolist() == [rules.part(seed, file, [start + at]) for at in range(events)]


@pytest.mark.parametrize("dtype", ["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", ">i4", ">f8"])
def test_parts_by_identifiers_of_every_type(dtype: str) -> None:
    random = np.random.default_rng(3)
    values = random.integers(0, 100, 200).astype(dtype) if dtype != "bool" else random.integers(0, 2, 200) > 0
    if np.dtype(dtype).kind in "if":
        values = (values - np.array(50, values.dtype)).astype(dtype)
    other = np.arange(2**62, 2**62 + 200)
    found = _rust.parts(5, 2, 7, 207, (0.5, 0.3, 0.2), [values, other])
    identities = zip(values.tolist(), other.tolist(), strict=True)
    assert found.tolist() == [rules.part(5, 2, identity, (0.5, 0.3, 0.2)) for identity in identities]


def test_identifiers_that_are_equal_as_numbers_of_one_kind_give_equal_parts() -> None:
    values = np.arange(-50, 50)
    for dtype in ("i1", "i2", "i4"):
        narrow: NDArray[Any] = values.astype(dtype)
        assert (
            _rust.parts(1, 0, 0, 100, rules.SPLIT, [narrow]) == _rust.parts(1, 0, 0, 100, rules.SPLIT, [values])
        ).all()


def test_a_part_with_a_fraction_of_zero_gets_nothing() -> None:
    for split, part in (((1.0, 0.0, 0.0), 0), ((0.0, 1.0, 0.0), 1), ((0.0, 0.0, 1.0), 2)):
        assert (_rust.parts(3, 0, 0, 5000, split, []) == part).all()


def test_identifiers_of_another_length_are_refused() -> None:
    with pytest.raises(MLaaSError, match="3"):
        _rust.parts(1, 0, 0, 4, rules.SPLIT, [np.arange(3)])


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8), st.integers(0, 5000))
def test_shares_are_the_rule(sizes: list[int], wanted: int) -> None:
    assert _rust.shares(sizes, wanted) == rules.shares(sizes, wanted)


def test_shares_of_very_large_files_are_exact() -> None:
    sizes = [2**60 + 1, 2**60 - 1, 3]
    assert _rust.shares(sizes, 2**60) == rules.shares(sizes, 2**60)


@given(COUNTS, st.integers(1, 60))
def test_the_order_is_the_rule_whatever_the_chunk_size(counts: list[int], size: int) -> None:
    chunks = schedule(counts, size)
    assert list(chain.from_iterable(map(in_order, chunks))) == rules.positions([range(n) for n in counts])
    assert all(sum(len(rows) for *_, rows in takes) == size for takes in chunks[:-1])
    assert len(_rust.Schedule(counts, size, 0, 0, True)) == len(chunks)


@given(COUNTS, st.integers(1, 60), SEEDS, st.integers(0, 2**40))
def test_shuffling_permutes_rows_and_nothing_else(counts: list[int], size: int, seed: int, epoch: int) -> None:
    plain = schedule(counts, size)
    shuffled = schedule(counts, size, seed=seed, epoch=epoch, shuffle=True)
    for before, after in zip(plain, shuffled, strict=True):
        assert [take[:3] for take in before] == [take[:3] for take in after]
        assert sorted(in_order(before)) == sorted(in_order(after))
        assert all(stop - start == len(rows) for _, start, stop, rows in after)


def test_ranges_follow_one_another_without_a_gap() -> None:
    ranges: dict[int, list[tuple[int, int]]] = {}
    for stream, start, stop, _ in chain.from_iterable(schedule([1000, 1, 333, 0, 77], 50)):
        ranges.setdefault(stream, []).append((start, stop))
    assert {stream: found[-1][1] for stream, found in ranges.items()} == {0: 1000, 1: 1, 2: 333, 4: 77}
    for found in ranges.values():
        assert found[0][0] == 0
        assert all(before[1] == after[0] for before, after in pairwise(found))


def test_rows_depend_on_seed_epoch_and_chunk() -> None:
    orders = {
        tuple(rows_of(takes))
        for seed in (1, 2)
        for epoch in (0, 1)
        for takes in schedule([50, 50], 20, seed=seed, epoch=epoch, shuffle=True)
    }
    assert len(orders) == 2 * 2 * 5
    assert schedule([50], 20, shuffle=True)[0][0][3].tolist() == schedule([50], 20, shuffle=True)[0][0][3].tolist()


def test_every_permutation_comes_equally_often() -> None:
    counts: dict[tuple[int, ...], int] = {}
    for seed in range(6000):
        rows = tuple(rows_of(next(_rust.Schedule([3], 3, seed, 0, True))))
        counts[rows] = counts.get(rows, 0) + 1
    assert len(counts) == 6
    assert all(abs(count - 1000) < 150 for count in counts.values())  # five standard deviations


def test_nothing_is_wanted() -> None:
    assert schedule([0, 0], 10) == []
    assert schedule([], 10) == []
    assert len(_rust.Schedule([0], 10, 0, 0, False)) == 0


def test_a_chunk_size_of_zero_is_refused() -> None:
    with pytest.raises(MLaaSError, match="chunk size"):
        _rust.Schedule([3], 0, 1, 0, True)


def test_other_threads_run_meanwhile() -> None:
    """The lock is released: another thread is never kept waiting for a whole call."""
    calls: list[Callable[[], object]] = [
        lambda: _rust.parts(1, 0, 0, 20_000_000, rules.SPLIT, []),
        lambda: next(_rust.Schedule([1_500_000, 1_500_000], 3_000_000, 1, 0, True)),
    ]
    for call in calls:
        thread = threading.Thread(target=call)
        begin = last = time.perf_counter()
        longest = 0.0
        thread.start()
        while thread.is_alive():
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        assert longest < 0.7 * (time.perf_counter() - begin)
