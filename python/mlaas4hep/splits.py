"""How events are divided into train, validation and test: by fractions, or by the values of a branch or formula."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from mlaas4hep.errors import ParamsError, nearest

__all__ = ["Split", "SplitBy", "split_of"]


@dataclass(frozen=True, slots=True)
class SplitBy:
    """Parts that follow from a number which every event has.

    Attributes
    ----------
    by
        A flat branch, or a formula that gives one number an event.
    validation, test
        The values that mean these parts; all others mean train.

    Examples
    --------
    >>> split_of({"by": "evtNo % 5", "validation": [3], "test": [4]})
    SplitBy(by='evtNo % 5', validation=(3,), test=(4,))
    """

    by: str
    validation: tuple[float, ...] = ()
    test: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raise ``ParamsError`` unless these are numbers, each of one part."""
        by: Any = self.by
        if not isinstance(by, str) or not by.strip():
            raise ParamsError(f"split: by is {by!r}; it must be the name of a branch, or a formula")
        for part in ("validation", "test"):
            object.__setattr__(self, part, _numbers(part, getattr(self, part)))
        if both := sorted(set(self.validation) & set(self.test)):
            raise ParamsError(f"split: the value {both[0]} is of validation and of test; it can mean one part only")
        if not self.validation and not self.test:
            raise ParamsError("split: there are no values of validation, and none of test; give those of one, or both")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"by": self.by, "validation": list(self.validation), "test": list(self.test)}


Split = tuple[float, float, float] | SplitBy
"""Fractions of train, validation and test, which add up to 1; or parts by values."""


def split_of(given: object) -> Split:
    """Return what a user may mean: three fractions, a ``SplitBy``, or a mapping like one.

    >>> split_of([0.5, 0.25, 0.25])
    (0.5, 0.25, 0.25)
    """
    if isinstance(given, SplitBy):
        return given
    if not isinstance(given, Mapping):
        return _fractions(given)
    known = [field.name for field in fields(SplitBy)]
    for key in given:
        if key not in known:
            raise ParamsError(f"split: unknown key {key!r}{nearest(str(key), known)}; known are {', '.join(known)}")
    if "by" not in given:
        raise ParamsError("split: by is missing; it must be the name of a branch, or a formula")
    return SplitBy(**given)


def _fractions(split: Any) -> tuple[float, float, float]:
    """The fractions of train, validation and test; they add up to 1."""
    try:
        train, validation, test = (float(fraction) for fraction in split)
    except (TypeError, ValueError):
        raise ParamsError(
            f"split is {split!r}; it must be three fractions: train, validation, test; or values of a branch or "
            'formula, as in {"by": "evtNo % 5", "validation": [3], "test": [4]}'
        ) from None
    if min(train, validation, test) < 0 or not abs(train + validation + test - 1) <= 1e-6:
        raise ParamsError(f"split is {split!r}; the fractions must not be negative, and add up to 1")
    return train, validation, test


def _numbers(part: str, values: object) -> tuple[float, ...]:
    listed: list[Any] = list(values) if isinstance(values, Iterable) and not isinstance(values, str) else [values]
    for value in listed:
        if not isinstance(value, Real) or not math.isfinite(value):
            raise ParamsError(f"split: {part} has {value!r}; its values must be finite numbers")
    return tuple(value if isinstance(value, int) else float(value) for value in listed)
