"""Exact sums against fractions."""

import math
from fractions import Fraction
from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep.dataset.sums import exact_sums

NUMBERS = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: math.ldexp(round(x * 2**20), -20)))


def summed(values: list[float], groups: list[int], cuts: list[int]) -> list[float]:
    """The sums of two groups, of values in pieces."""
    edges = [0, *sorted(cuts), len(values)]
    pieces = [slice(start, stop) for start, stop in pairwise(edges)]
    arrays = [(np.array(groups, np.int64)[one], np.array(values, np.float64)[one]) for one in pieces]
    found: list[float] = exact_sums(lambda: arrays, 2).tolist()
    return found


@given(NUMBERS, st.randoms(use_true_random=False))
def test_no_order_and_no_pieces_change_a_bit(values: list[float], random: Random) -> None:
    groups = [random.randrange(2) for _ in values]
    cuts = [random.randrange(len(values) + 1) for _ in range(3)]
    exact = [
        float(sum((Fraction(x) for x, at in zip(values, groups, strict=True) if at == g), Fraction(0))) for g in (0, 1)
    ]
    assert summed(values, groups, cuts) == exact
    order = list(range(len(values)))
    random.shuffle(order)
    assert summed([values[at] for at in order], [groups[at] for at in order], []) == exact


def test_small_numbers_beside_large_ones() -> None:
    assert summed([1e16, 1.0, -1e16], [0, 0, 0], []) == [1.0, 0.0]
    assert summed([1e300, 1e300, -1e300], [1, 1, 1], []) == [0.0, 1e300]
    assert summed([5e-324, 5e-324], [0, 0], []) == [1e-323, 0.0]
    assert summed([], [], []) == [0.0, 0.0]
