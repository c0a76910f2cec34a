"""Sums that are exact, so that no order of their terms changes a bit."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Groups", "exact_sums"]

Groups = Callable[[], Iterable[tuple[NDArray[np.integer[Any]], NDArray[np.float64]]]]
"""Gives, each time it is called, the same pairs of arrays: the groups of numbers, and the numbers, which are finite."""

BITS, DIGITS = 24, 4
"""A number is taken apart into so many digits of so many bits each."""


def exact_sums(groups: Groups, count: int) -> NDArray[np.float64]:
    """Return the sums of the numbers of each of ``count`` groups, as float64, rounded once.

    Every number is taken as a whole multiple of 2^-96 of the power of two above the largest; what lies below that is
    cut off it. The digits of these are added as integers, without any rounding, for up to 2^29 numbers in an array.

    >>> values = np.array([1e16, 1.0, -1e16, 3.0])
    >>> exact_sums(lambda: [(np.zeros(4, np.int64), values)], 2).tolist()
    [4.0, 0.0]
    """
    largest = max((float(np.abs(values).max(initial=0)) for _, values in groups()), default=0.0)
    exponent = math.frexp(largest)[1]
    totals = np.zeros((DIGITS, count), np.int64)
    for index, values in groups():
        rest = np.ldexp(values, -exponent)
        for digit in range(DIGITS):
            rest = np.ldexp(rest, BITS)
            whole = np.trunc(rest)
            rest -= whole
            totals[digit] += np.bincount(index, whole, count).astype(np.int64)
    return np.array([_joined(digits, exponent) for digits in totals.T.tolist()])


def _joined(digits: list[int], exponent: int) -> float:
    """The number that has these digits behind the point, times a power of two, rounded once."""
    whole = sum(digit << BITS * place for place, digit in enumerate(reversed(digits)))
    exponent -= BITS * DIGITS
    return float(whole * 2**exponent) if exponent >= 0 else whole / 2**-exponent
