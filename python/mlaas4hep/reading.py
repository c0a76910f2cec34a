"""How files are to be read, whatever their format."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from mlaas4hep.errors import ParamsError, nearest

__all__ = ["Reading"]

TYPES = (
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "float32",
    "float64",
    "string",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are to be read, whatever their format.

    Attributes
    ----------
    flatten_nested
        Lists of lists (``vector<vector<float>>``) become one list an event; otherwise they are left out.
    types
        Types of columns by name, for text (CSV, JSON) instead of those that its values show: NumPy's names of bool,
        integers and floats, or ``"string"``.
    deadline
        Seconds after which a remote read that gave no answer is given up.
    tries
        How many times a remote read is tried, each on a connection of its own.
    pause
        Seconds before the second try; each pause is twice the one before.

    Raises
    ------
    ParamsError
        A value is of a wrong type or out of range.

    Examples
    --------
    >>> Reading(deadline=30, tries=2).pause
    1.0
    """

    flatten_nested: bool = False
    types: Mapping[str, str] = field(default_factory=dict)
    deadline: float = 60.0
    tries: int = 4
    pause: float = 1.0

    def __post_init__(self) -> None:
        for name, wrong in CHECKS.items():
            if must := wrong(getattr(self, name)):
                raise ParamsError(f"reading: {name} must be {must}, not {getattr(self, name)!r}")

    @classmethod
    def of(cls, given: "Reading | Mapping[str, Any] | None") -> Self:
        """Return how to read, from a mapping of these names as well; ``ParamsError`` names an unknown one."""
        if isinstance(given, cls):
            return given
        if given is None:
            return cls()
        if not isinstance(given, Mapping):
            raise ParamsError(f"reading is a {type(given).__qualname__}; it must be Reading, or a dict of its values")
        known = [one.name for one in fields(cls)]
        for name in given:
            if name not in known:
                raise ParamsError(
                    f"reading: unknown key {name!r}{nearest(str(name), known)}; keys are {', '.join(known)}"
                )
        return cls(**given)

    @property
    def key(self) -> tuple[object, ...]:
        """What tells two ways of reading apart, where what is in a file depends on it."""
        return self.flatten_nested, tuple(sorted(self.types.items()))


def _number(least: float, must: str) -> Any:
    def check(value: object) -> str:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return "" if number and least <= value < float("inf") else must  # type: ignore[operator]

    return check


def _whole(value: object) -> str:
    fits = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1000
    return "" if fits else "a whole number from 1 to 1000"


def _types(value: object) -> str:
    if isinstance(value, Mapping) and all(isinstance(name, str) and type_ in TYPES for name, type_ in value.items()):
        return ""
    return f"types by the names of columns, each one of {', '.join(TYPES)}"


CHECKS = {
    "flatten_nested": lambda value: "" if isinstance(value, bool) else "true or false",
    "types": _types,
    "deadline": _number(0.001, "a number of seconds above 0"),
    "tries": _whole,
    "pause": _number(0, "a number of seconds, not negative"),
}
"""For each value what it must be, or nothing if it is that."""
