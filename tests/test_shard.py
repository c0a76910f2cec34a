"""Shards and their pieces of the extension module against the rules."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep import _rust
from mlaas4hep.errors import ParamsError

from tests import rules


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 8))
def test_shards_are_the_rule(counts: list[int], world: int) -> None:
    found = [[range(*bounds) for bounds in _rust.shard(counts, rank, world)] for rank in range(world)]
    assert found == rules.shards(counts, world)


@given(st.integers(1, 60), st.integers(0, 1), st.integers(1, 70))
def test_pieces_are_the_rule(largest: int, fewer: int, size: int) -> None:
    events = largest - fewer
    wanted = rules.pieces(events, largest, size)
    limits = [_rust.limit(number, events, largest, size) for number in range(len(wanted) + 1)]
    assert [range(*pair) for pair in pairwise(limits)] == wanted


@pytest.mark.parametrize(("rank", "world"), [(2, 2), (0, 0)])
def test_a_rank_that_does_not_exist_is_refused(rank: int, world: int) -> None:
    with pytest.raises(ParamsError, match=rf"shard is \({rank}, {world}\); it must be \(rank, world\) with 0 <= rank"):
        _rust.shard([3], rank, world)
