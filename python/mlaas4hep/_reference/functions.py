"""What happens to single values and to single lists: the functions that the oracle's steps are made of.

Formulas work on entries: Python numbers, with ``None`` for a missing one. Integers are Python's own, so that no
overflow goes unseen; floats are NumPy's float64.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BOOLS",
    "COMPARISONS",
    "ELEMENTARY",
    "FLOATS",
    "INTEGERS",
    "NARROW",
    "REDUCED",
    "REDUCTIONS",
    "Elementary",
    "Entry",
    "Number",
    "convert",
    "elementary",
    "entry_at",
    "is_beyond",
    "minmax",
    "order_of",
    "standard",
]

Number = int | float
Array = NDArray[Any]
Entry = bool | int | float | None
Elementary = Callable[..., Array]

LOWEST, HIGHEST = -(2**63), 2**63 - 1
BEYOND = HIGHEST + 1

# The types whose values float32 holds exactly.
NARROW = frozenset({"bool", "int8", "uint8", "int16", "uint16", "float32"})


# Conversion and normalisation


def convert(values: Array, target: np.dtype[Any]) -> Array:
    """Return finite values in another type.

    Floats are cut towards zero for an integer type; what lies outside an integer type goes to its nearest limit. A
    float becomes infinite where its type is too small. Bools are what is not 0.
    """
    if target.kind == "b":
        return np.not_equal(values, 0)
    if target.kind == "f" or values.dtype.kind == "b":
        with np.errstate(over="ignore"):
            return values.astype(target)
    limits = np.iinfo(target)
    whole = [min(max(math.trunc(value), limits.min), limits.max) for value in values.tolist()]
    return np.array(whole, target)


def minmax(values: Array, type_: str, low: Number | None, high: Number | None) -> NDArray[np.float32]:
    """Return ``(x - min) * (1 / (max - min))``, rounded to float32, or +0 for constant branches."""
    constant = np.zeros(len(values), np.float32)
    if low is None or high is None:
        return constant
    if type_ in NARROW and _is_normal(_affine(np.float32, low, high)):
        shift, _, scale = _affine(np.float32, low, high)
        narrow: NDArray[np.float32] = (values.astype(np.float32) - shift) * scale
        return narrow
    divisor = 4.0 if np.isinf(_affine(np.float64, low, high)[1]) else 1.0
    shift, length, scale = _affine(np.float64, float(low) / divisor, float(high) / divisor)
    if length == 0.0 or np.isinf(scale):
        return constant
    wide: NDArray[np.float64] = (values.astype(np.float64) / divisor - shift) * scale
    return wide.astype(np.float32)


def standard(values: Array, type_: str, center: float | None, scale: float | None) -> NDArray[np.float32]:
    """Return ``(x - center) * (1 / scale)``, rounded to float32, or +0 for constant branches."""
    constant = np.zeros(len(values), np.float32)
    if center is None or scale is None:
        return constant
    shift, length = np.float32(center), np.float32(scale)
    factor = np.float32(1) / length
    if type_ in NARROW and np.isfinite(shift) and _is_normal((shift, length, factor)):
        narrow: NDArray[np.float32] = (values.astype(np.float32) - shift) * factor
        return narrow
    wide_factor = np.float64(1) / np.float64(scale)
    if np.isinf(wide_factor):
        return constant
    wide: NDArray[np.float64] = (values.astype(np.float64) - np.float64(center)) * wide_factor
    return wide.astype(np.float32)


def _affine(arithmetic: type[np.floating[Any]], low: Number, high: Number) -> tuple[Any, Any, Any]:
    """Minimum, range and scale, each rounded in the arithmetic's type."""
    start = arithmetic(low)
    length = arithmetic(high) - start
    return start, length, arithmetic(1) / length


def _is_normal(affine: tuple[Any, Any, Any]) -> bool:
    """Whether range and scale are finite float32 numbers that keep all their digits."""
    limits = np.finfo(np.float32)
    return all(limits.smallest_normal <= abs(number) <= limits.max for number in affine[1:])


# Elementary functions: those whose last digit is not the same everywhere

SAME_NAME = "exp exp2 expm1 log log2 log10 log1p cbrt sin cos tan sinh cosh tanh hypot"
ARCS = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "tan2")
UFUNCS: Mapping[str, Callable[..., Array]] = {
    "pow": np.power,
    **{name: getattr(np, name) for name in SAME_NAME.split()},
    **{f"a{name}": getattr(np, f"arc{name}") for name in ARCS},
}


def gamma(x: float) -> float:
    """Return C's tgamma: infinite at zeros and where it is too large, NaN at negative whole numbers."""
    if x == 0.0:
        return math.copysign(math.inf, x)
    try:
        return math.gamma(x)
    except ValueError:
        return math.nan
    except OverflowError:
        return math.copysign(math.inf, x)


def lgamma(x: float) -> float:
    """Return C's lgamma: infinite at zero, at negative whole numbers and where it is too large."""
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):
        return math.inf


MATH: Mapping[str, Callable[[float], float]] = {
    "erf": math.erf,
    "erfc": math.erfc,
    "tgamma": gamma,
    "lgamma": lgamma,
}

ELEMENTARY = frozenset(UFUNCS) | frozenset(MATH)


def elementary(name: str, *arrays: Array) -> Array:
    """Compute an elementary function of float64 arrays of equal lengths with NumPy, or with Python's math."""
    if name in UFUNCS:
        with np.errstate(all="ignore"):
            return UFUNCS[name](*arrays)
    return np.array([MATH[name](x) for x in arrays[0].tolist()], np.float64)


# Functions that work value by value


def strict(function: Callable[..., Entry]) -> Callable[..., Entry]:
    """Return a function that is missing where one of its arguments is."""
    return lambda *entries: None if None in entries else function(*entries)


def known(entries: Iterable[Entry]) -> list[Any]:
    """Return the entries that are not missing."""
    return [entry for entry in entries if entry is not None]


def power(base: int, exponent: int) -> int:
    """Raise to a power that is not negative; what no int64 can hold is not worked out."""
    return BEYOND if abs(base) > 1 and exponent > 63 else int(base**exponent)


def factorial(n: int) -> int | None:
    """Return n!, missing for a negative n; what no int64 can hold is not worked out."""
    return None if n < 0 else math.factorial(min(n, 21))


BOOLS: Mapping[str, Callable[..., Entry]] = {
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "not": lambda a: not a,
    "int64": int,
    "float64": float,
}

INTEGERS: Mapping[str, Callable[..., Entry]] = {
    "add": strict(operator.add),
    "sub": strict(operator.sub),
    "mul": strict(operator.mul),
    "neg": strict(operator.neg),
    "abs": strict(abs),
    "pow": strict(power),
    "factorial": strict(factorial),
    "floordiv": strict(lambda a, b: a // b if b else None),
    "mod": strict(lambda a, b: a % b if b else None),
    "sign": strict(lambda a: (a > 0) - (a < 0)),
    "min": strict(min),
    "max": strict(max),
    "fmin": lambda a, b: min(known([a, b]), default=None),
    "fmax": lambda a, b: max(known([a, b]), default=None),
    "float64": strict(float),
}

choose: Callable[..., Array] = np.where

FLOATS: Mapping[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
    "sign": lambda a: choose(np.isnan(a), a, (a > 0.0) * 1.0 - (a < 0.0) * 1.0),
    "copysign": np.copysign,
    "nextafter": np.nextafter,
    "min": lambda a, b: choose((a < b) | np.isnan(a), a, b),
    "max": lambda a, b: choose((a > b) | np.isnan(a), a, b),
    "fmin": lambda a, b: choose((a < b) | np.isnan(b), a, b),
    "fmax": lambda a, b: choose((a > b) | np.isnan(b), a, b),
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "signbit": np.signbit,
}

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    name: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")
}


# Functions that make one value of a list


def running(step: Callable[[Any, Any], Any], start: float) -> Callable[[list[Entry]], Entry]:
    """Return a function that goes through a list, and stops where no int64 can hold what it has come to."""

    def total(entries: list[Entry]) -> Entry:
        reached: Any = start
        for entry in known(entries):
            reached = step(reached, entry)
            if is_beyond(reached):
                break
        return reached  # type: ignore[no-any-return]

    return total


def mean(entries: list[Entry]) -> Entry:
    """Return the sum of the values as float64, divided by their number."""
    total, numbers = 0.0, known(entries)
    for number in numbers:
        total += float(number)
    return total / len(numbers) if numbers else None


def place_of(choose: Callable[..., Any]) -> Callable[[list[Entry]], Entry]:
    """Return a function that gives the position of the chosen entry, missing ones counted too."""
    return lambda entries: entries.index(choose(known(entries))) if known(entries) else None


ANY_TYPE: Mapping[str, Callable[[list[Entry]], Entry]] = {
    "count": len,
    "first": lambda entries: entries[0] if entries else None,
    "last": lambda entries: entries[-1] if entries else None,
}

ORDERED: Mapping[str, Callable[[list[Entry]], Entry]] = {
    "min": lambda entries: min(known(entries), default=None),
    "max": lambda entries: max(known(entries), default=None),
    "argmin": place_of(min),
    "argmax": place_of(max),
    "mean": mean,
}

REDUCTIONS: Mapping[str, Mapping[str, Callable[[list[Entry]], Entry]]] = {
    "bool": {"any": any, "all": all, **ANY_TYPE},
    "int64": {"sum": running(operator.add, 0), "prod": running(operator.mul, 1), **ORDERED, **ANY_TYPE},
    "float64": {"sum": running(operator.add, 0.0), "prod": running(operator.mul, 1.0), **ORDERED, **ANY_TYPE},
}

# The types of reductions that do not have the type of their list.
REDUCED = {"count": "int64", "argmin": "int64", "argmax": "int64", "mean": "float64"}


def is_beyond(entry: Entry) -> bool:
    """Whether an entry is an integer that int64 cannot hold."""
    return isinstance(entry, int) and not LOWEST <= entry <= HIGHEST


def entry_at(entries: list[Entry], place: Any) -> Entry:
    """Return one entry of a list, from the end for a negative place, missing where there is none."""
    return entries[place] if place is not None and -len(entries) <= place < len(entries) else None


def order_of(keys: list[Any], descending: bool) -> list[int]:
    """Return the order of a list, by its keys: equal ones as they stand, missing ones last."""
    there = [place for place, key in enumerate(keys) if key is not None]
    absent = [place for place, key in enumerate(keys) if key is None]
    return sorted(there, key=lambda place: keys[place], reverse=descending) + absent
