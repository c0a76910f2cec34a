"""Numbers that stand for a missing value, such as -999: what users write, and the branches that it means."""

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import ParamsError, nearest

__all__ = ["Given", "Sentinels", "are_sentinels", "resolve_sentinels", "why_not"]

Given = float | Iterable[float] | Mapping[str, float | Iterable[float]] | None
"""A number or several for all branches, or such by names and globs of branches."""

Sentinels = dict[str, list[int | float]]
"""Numbers by the names of branches."""

MUST = "a finite number, a list of them, or an object of these by names and globs of branches"


def resolve_sentinels(given: Given, names: Iterable[str]) -> Sentinels:
    """Return for each of the branches that has some the numbers that stand for a missing value.

    ``ParamsError``: what is given are no finite numbers, or a name or glob means no branch.

    >>> resolve_sentinels({"DER_*": -999, "jetPt": [-1, -2.5]}, ["DER_mass", "jetPt", "met"])
    {'DER_mass': [-999], 'jetPt': [-2.5, -1]}
    """
    if given is None:
        return {}
    by_pattern = given if isinstance(given, Mapping) else {"*": given}
    by_pattern = {pattern: _listed(numbers) for pattern, numbers in by_pattern.items()}
    if wrong := why_not(by_pattern):
        raise ParamsError(f"sentinels must be {MUST}: {wrong}")
    known = list(names)
    found: dict[str, set[int | float]] = {}
    for pattern, numbers in by_pattern.items():
        meant = [pattern] if pattern in known else [name for name in known if fnmatchcase(name, pattern)]
        if not meant:
            raise ParamsError(f"sentinels: there is no branch {pattern!r}{nearest(pattern, known)}")
        for name in meant:
            found.setdefault(name, set()).update(map(_plain, numbers))
    return {name: sorted(found[name]) for name in known if found.get(name)}


def why_not(given: object) -> str:
    """Tell what is wrong with sentinels as a user wrote them; nothing if all is right."""
    for numbers in given.values() if isinstance(given, Mapping) else [given]:
        for number in _listed(numbers):
            if isinstance(number, bool) or not isinstance(number, Real) or not _finite(number):
                return f"{number!r} is none"
    if isinstance(given, Mapping) and not all(isinstance(name, str) for name in given):
        return "names are texts"
    return ""


def _finite(number: Real) -> bool:
    """Whether it is a number that a branch can have, or lies between such."""
    return abs(int(number)) < 2**100 if isinstance(number, Integral) else math.isfinite(number)


def are_sentinels(values: NDArray[Any], numbers: Iterable[int | float]) -> NDArray[np.bool_]:
    """Tell of each value whether it is one of the numbers, or is a float that is one rounded to float32.

    >>> are_sentinels(np.array([1, -999]), [-999, 0.5]).tolist()
    [False, True]
    """
    found = np.zeros(len(values), np.bool_)
    for number in numbers:
        if values.dtype.kind == "f":
            with np.errstate(over="ignore"):
                found |= (values == np.float64(number)) | (values == np.float32(number))
        elif values.dtype.kind in "iu":
            bounds = np.iinfo(values.dtype)
            if number == int(number) and bounds.min <= number <= bounds.max:
                found |= values == int(number)
    return found


def _plain(number: Real) -> int | float:
    """The same as Python's own number."""
    return int(number) if isinstance(number, Integral) else float(number)


def _listed(given: object) -> list[Any]:
    """One number as a list, and several as one that can be gone through twice."""
    return list(given) if isinstance(given, Iterable) and not isinstance(given, (str, Mapping)) else [given]
