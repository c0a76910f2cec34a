"""Clusters cover every event once, stay below 32 MB, and cut baskets only where they must."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlaas4hep.sources.clusters import MOST, Turn, join

LEAST = 2**24
"""Clusters are joined until they reach so many bytes, unless many files are read side by side."""
EDGES = st.lists(st.integers(1, 999), unique=True, max_size=30).map(lambda edges: np.array([0, *sorted(edges), 1000]))


def test_small_clusters_are_joined() -> None:
    edges = np.arange(0, 101)
    assert join([edges], LEAST / 10, 0, 100) == [(start, start + 10) for start in range(0, 100, 10)]
    assert join([edges], 1, 0, 100) == [(0, 100)]


def test_only_common_boundaries_count() -> None:
    edges = [np.array([0, 30, 40, 70, 100]), np.array([0, 25, 40, 50, 70, 100])]
    assert join(edges, LEAST / 20, 0, 100) == [(0, 40), (40, 70), (70, 100)]
    assert join(edges, LEAST / 20, 30, 75) == [(30, 70), (70, 75)]


def test_large_ranges_are_cut_equally() -> None:
    edges = np.array([0, 40, 70, 100])
    parts = [*[(0, 13), (13, 26), (26, 40)], *[(40, 55), (55, 70)], *[(70, 85), (85, 100)]]
    assert join([edges], MOST / 15, 0, 100) == parts


def test_files_beside_each_other_take_smaller_ranges() -> None:
    edges = np.arange(0, 101)
    assert join([edges], LEAST / 10, 0, 40, Turn(64, 64)) == [(start, start + 2) for start in range(0, 40, 2)]
    assert len(join([np.array([0, 100])], MOST / 50, 0, 100, Turn(1, 1))) == 2
    assert len(join([np.array([0, 100])], MOST / 50, 0, 100, Turn(100, 100))) == 9
    assert len(join([np.array([0, 100])], MOST / 101, 0, 100, Turn(100, 100))) == 1


def test_a_huge_event_is_a_cluster() -> None:
    assert join([np.array([0, 3])], 2 * MOST, 0, 3) == [(0, 1), (1, 2), (2, 3)]


def test_no_events_and_no_columns() -> None:
    assert join([np.array([0])], 0.0, 0, 0) == []
    assert join([], 0.0, 0, 5) == [(0, 5)]


@given(
    st.lists(EDGES, max_size=3),
    st.floats(0, 2.0 * MOST),
    st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
)
@example([], MOST, (0, 8), (1, 2))
@example([], MOST / 1001, (0, 1000), (1, 2))
def test_clusters_cover_the_range(
    edges: list[np.ndarray], event_bytes: float, ends: tuple[int, int], turn: tuple[int, int]
) -> None:
    start, stop = sorted(ends)
    clusters = join(edges, event_bytes, start, stop, Turn(*sorted(turn)))
    assert [event for begin, end in clusters for event in range(begin, end)] == list(range(start, stop))
    assert all(end - begin == 1 or (end - begin) * event_bytes <= MOST for begin, end in clusters)


@pytest.mark.parametrize("event_bytes", [1000, 100_000])
def test_baskets_are_not_cut_without_need(event_bytes: float) -> None:
    edges = np.arange(0, 10_000, 37)
    clusters = join([edges], event_bytes, 0, 10_000)
    assert {begin for begin, _ in clusters} <= set(edges.tolist())
    sizes = [(end - begin) * event_bytes for begin, end in clusters]
    assert all(LEAST <= size <= MOST for size in sizes[:-1])


def test_files_beside_each_other_begin_their_second_cluster_at_different_entries() -> None:
    edges = np.arange(0, 101, 5)
    found = [join([edges], LEAST / 20, 0, 100, Turn(number, 4)) for number in range(1, 5)]
    assert [ranges[0] for ranges in found] == [(0, 5), (0, 10), (0, 15), (0, 20)]
    for ranges in found:
        assert {begin for begin, _ in ranges} <= set(edges.tolist())
        assert {end - begin for begin, end in ranges[1:-1]} == {20}


def test_parts_of_large_ranges_begin_at_different_entries_too() -> None:
    found = [join([np.array([0, 40, 80])], MOST / 20, 0, 80, Turn(number, 2)) for number in (1, 2)]
    assert found == [
        [(0, 10), (10, 30), (30, 40), (40, 50), (50, 70), (70, 80)],
        [(0, 20), (20, 40), (40, 60), (60, 80)],
    ]
    assert join([np.array([0, 40])], MOST / 40, 0, 40, Turn(1, 2)) == [(0, 40)]  # it would have to cut a basket
