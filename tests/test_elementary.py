"""Elementary functions against arithmetic with more digits: at most one unit in the last place off."""

import math

import mlaas4hep as m
import numpy as np
import pytest
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EXTENDED = np.finfo(np.longdouble).nmant >= 63
SIZE = 4000

NEAR_ONE = -1.0, 1.0
RANGES = {
    "exp": (-745.0, 709.0),
    "exp2": (-1074.0, 1023.0),
    "expm1": (-40.0, 700.0),
    "log": (0.0, 3.0),
    "log2": (0.0, 3.0),
    "log10": (0.0, 3.0),
    "log1p": (-1.0, 3.0),
    "cbrt": (-50.0, 50.0),
    "sin": (-30.0, 30.0),
    "cos": (-30.0, 30.0),
    "tan": (-30.0, 30.0),
    "arcsin": NEAR_ONE,
    "arccos": NEAR_ONE,
    "arctan": (-10.0, 10.0),
    "sinh": (-30.0, 30.0),
    "cosh": (-30.0, 30.0),
    "tanh": (-5.0, 5.0),
    "arcsinh": (-30.0, 30.0),
    "arccosh": (1.0, 30.0),
    "arctanh": NEAR_ONE,
    "sqrt": (0.0, 100.0),
}


def numbers(low: float, high: float, seed: int = 1) -> Floats:
    """Return numbers between the limits, evenly and towards zero."""
    random = np.random.default_rng(seed)
    some = random.uniform(low, high, SIZE)
    scaled = some * 10.0 ** random.uniform(-9, 0, SIZE)
    return np.concatenate([some, np.clip(scaled, low, high)])


def off(found: Floats, exact: NDArray[np.longdouble]) -> float:
    """Return the largest distance in units in the last place."""
    spacing = np.spacing(np.abs(exact.astype(np.float64)))
    return float(np.max(np.abs(found.astype(np.longdouble) - exact) / spacing))


@pytest.mark.skipif(not EXTENDED, reason="this machine's long double has no more digits than float64")
@pytest.mark.parametrize("name", RANGES)
def test_functions_of_one_number(name: str) -> None:
    x = numbers(*RANGES[name])
    x = x[x > 0] if name.startswith("log") and name != "log1p" else x
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(np.longdouble))
    known = np.isfinite(exact) & (np.abs(exact) > 1e-300)
    found = np.asarray(m.evaluate(f"{name}(x)", {"x": x}))
    assert off(found[known], exact[known]) <= 1


@pytest.mark.skipif(not EXTENDED, reason="this machine's long double has no more digits than float64")
@pytest.mark.parametrize(
    ("formula", "function"), [("hypot(x, y)", np.hypot), ("arctan2(x, y)", np.arctan2), ("abs(x) ** y", np.power)]
)
def test_functions_of_two_numbers(formula: str, function: "np.ufunc") -> None:
    x, y = numbers(-30, 30), numbers(-30, 30, seed=2)
    exact = function((np.abs(x) if "**" in formula else x).astype(np.longdouble), y.astype(np.longdouble))
    known = np.isfinite(exact.astype(np.float64)) & (np.abs(exact) > 1e-300)
    found = np.asarray(m.evaluate(formula, {"x": x, "y": y}))
    assert off(found[known], exact[known]) <= 1


@pytest.mark.parametrize("name", ["erf", "erfc", "gamma", "lgamma"])
def test_functions_that_only_the_standard_library_has(name: str) -> None:
    x = numbers(-5, 5)
    exact = np.array([getattr(math, name)(value) for value in x])
    np.testing.assert_allclose(np.asarray(m.evaluate(f"{name}(x)", {"x": x})), exact, rtol=1e-13, atol=3e-14)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("log(0.0)", -math.inf),
        ("log(-1.0)", math.nan),
        ("exp(1000)", math.inf),
        ("0.0 ** 0", 1.0),
        ("(-8.0) ** (1/3)", math.nan),
        ("(-2.0) ** 3", -8.0),
        ("2 ** -1074", 5e-324),
        ("acosh(0.5)", math.nan),
        ("acosh(-200000.0)", math.nan),
        ("atanh(1.0)", math.inf),
        ("atan2(0.0, -1.0)", math.pi),
        ("atan2(-0.0, -1.0)", -math.pi),
        ("hypot(3, 4)", 5.0),
        ("hypot(1e300, 1e300)", 1e300 * math.sqrt(2)),
        ("sinh(0.0)", 0.0),
        ("tanh(1000)", 1.0),
        ("erf(0.0)", 0.0),
        ("erfc(30)", 0.0),
        ("erfc(-30)", 2.0),
        ("erf(1e308*10)", 1.0),
        ("cosh(1e308*10)", math.inf),
        ("nextafter(1.0, 2)", 1 + 2**-52),
        ("copysign(2, -0.0)", -2.0),
    ],
)
def test_special_values(formula: str, expected: float) -> None:
    found = m.evaluate(formula, {"x": np.zeros(1)})[0]
    np.testing.assert_equal(found, expected)
