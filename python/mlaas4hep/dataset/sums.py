"""Sums that are exact, so that no order of their terms changes a bit."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Groups", "exact_sums", "pieces"]

Groups = Callable[[], Iterable[tuple[NDArray[np.integer[Any]], NDArray[np.float64]]]]
"""Gives, each time it is called, the same pairs of arrays: the groups of numbers, and the numbers, which are finite."""

BITS, DIGITS = 24, 4
"""A number is taken apart into so many digits of so many bits each."""

PIECE = 2**16
"""Numbers that are worked on at once, so that what that takes stays in the cache."""


def exact_sums(groups: Groups, count: int) -> NDArray[np.float64]:
    """Return the sums of the numbers of each of ``count`` groups, as float64, rounded once.

    Every number is taken as a whole multiple of 2^-96 of the power of two above the largest; what lies below that is
    cut off it. The digits of these are added as integers, without any rounding, for up to 2^29 numbers
    in an array.

    >>> values = np.array([1e16, 1.0, -1e16, 3.0])
    >>> exact_sums(lambda: [(np.zeros(4, np.int64), values)], 2).tolist()
    [4.0, 0.0]
    """
    largest = max((float(np.abs(values).max(initial=0)) for _, values in groups()), default=0.0)
    exponent = math.frexp(largest)[1]
    totals = np.zeros((DIGITS, count), np.int64)
    for index, values in groups():
        _add(totals, index, np.ldexp(values, -exponent))
    return np.array([_joined(digits, exponent) for digits in totals.T.tolist()])


def pieces(count: int) -> Iterator[slice]:
    """Yield so many numbers in pieces, best for :func:`exact_sums`."""
    yield from (slice(start, min(start + PIECE, count)) for start in range(0, count, PIECE))


def _add(totals: NDArray[np.int64], index: NDArray[np.integer[Any]], rest: NDArray[np.float64]) -> None:
    """Add numbers between -1 and 1, digit by digit."""
    for total in totals:
        rest *= 2.0**BITS
        whole = np.trunc(rest)
        total += np.bincount(index, whole, len(total)).astype(np.int64)
        rest -= whole
        if not rest.any():
            break


def _joined(digits: list[int], exponent: int) -> float:
    """The number that has these digits behind the point, times a power of two, rounded once."""
    whole = sum(digit << BITS * place for place, digit in enumerate(reversed(digits)))
    exponent -= BITS * DIGITS
    return float(whole * 2**exponent) if exponent >= 0 else whole / 2**-exponent
