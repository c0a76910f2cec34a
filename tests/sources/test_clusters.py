"""Clusters cover every event once, stay below 32 MB, and cut baskets only where they must."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep.sources.clusters import MOST, join, stagger

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
    assert join([edges], LEAST / 10, 0, 40, beside=64) == [(start, start + 2) for start in range(0, 40, 2)]
    assert len(join([np.array([0, 100])], MOST / 50, 0, 100, beside=1)) == 2
    assert len(join([np.array([0, 100])], MOST / 50, 0, 100, beside=100)) == 9
    assert len(join([np.array([0, 100])], MOST / 101, 0, 100, beside=100)) == 1


def test_a_huge_event_is_a_cluster() -> None:
    assert join([np.array([0, 3])], 2 * MOST, 0, 3) == [(0, 1), (1, 2), (2, 3)]


def test_no_events_and_no_columns() -> None:
    assert join([np.array([0])], 0.0, 0, 0) == []
    assert join([], 0.0, 0, 5) == [(0, 5)]


@given(
    st.lists(EDGES, max_size=3),
    st.floats(0, 2.0 * MOST),
    st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
)
def test_clusters_cover_the_range(edges: list[np.ndarray], event_bytes: float, ends: tuple[int, int]) -> None:
    start, stop = sorted(ends)
    clusters = join(edges, event_bytes, start, stop)
    assert [event for begin, end in clusters for event in range(begin, end)] == list(range(start, stop))
    assert all(end - begin == 1 or (end - begin) * event_bytes <= MOST for begin, end in clusters)


@pytest.mark.parametrize("event_bytes", [1000, 100_000])
def test_baskets_are_not_cut_without_need(event_bytes: float) -> None:
    edges = np.arange(0, 10_000, 37)
    clusters = join([edges], event_bytes, 0, 10_000)
    assert {begin for begin, _ in clusters} <= set(edges.tolist())
    sizes = [(end - begin) * event_bytes for begin, end in clusters]
    assert all(LEAST <= size <= MOST for size in sizes[:-1])


@given(
    sizes=st.lists(st.integers(1, 50), max_size=8),
    start=st.integers(0, 9),
    share=st.floats(0, 1, exclude_min=True),
)
def test_staggered_ranges_hold_every_entry_once_and_are_no_larger(sizes: list[int], start: int, share: float) -> None:
    edges = [start, *(start + stop for stop in np.cumsum(sizes).tolist())]
    ranges = list(pairwise(edges))
    found = stagger(ranges, share)
    assert [entry for begin, end in found for entry in range(begin, end)] == list(range(start, edges[-1]))
    assert max((end - begin for begin, end in found), default=0) <= max(sizes, default=0) + 1
    assert stagger(ranges, 1.0) == ranges
