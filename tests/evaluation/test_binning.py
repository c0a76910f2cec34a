"""Bins fit what they count."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("hist", reason="histograms need the extra [hist]")
import hist
from mlaas4hep import Plan, flatten, scan
from mlaas4hep.evaluation.binning import BINS, Binning, choose_bins, without_bins
from mlaas4hep.evaluation.scale import Scale


def plain(values: Any, normalize: Any = "minmax") -> tuple[Binning, Any]:
    """Return what the specs say of a flat branch with these values, and what flattening makes of them."""
    data = {"x": np.asarray(values)}
    specs = scan(data)
    plan = Plan(specs, normalize=normalize)
    flat = plan(data)
    return without_bins(specs, "x", Scale.all_of(plan, specs)["x"]), flat.data[~flat.padding_mask]


def bins(values: Any, normalize: Any = "minmax") -> Binning:
    """Return the bins of a flat branch with these values."""
    found, flat = plain(values, normalize)
    return choose_bins(found, found.originals(flat))


def normalised(values: Any) -> Any:
    """Return what flattening makes of the values of a flat branch."""
    return flatten({"x": np.asarray(values)}).data[:, 0]


RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("values", [[0, 1], [3, 7, 5], np.arange(-30, 30), np.array([250, 255], np.uint8)])
def test_a_small_range_of_whole_numbers_has_a_bin_each(values: Any) -> None:
    found = bins(values)
    low, high = int(np.min(values)), int(np.max(values))
    assert found.original.edges.tolist() == pytest.approx((np.arange(low, high + 2) - 0.5).tolist())
    assert found.normalised.centers[[0, -1]].tolist() == pytest.approx([0, 1])
    assert len(found.normalised) == len(found.original)


def test_bools_have_two_bins() -> None:
    found = bins(np.array([False, True, True]))
    assert found.original.edges.tolist() == [-0.5, 0.5, 1.5]


@pytest.mark.parametrize("high", [60, 61, 119, 120, 1000, 12345, 2**40])
def test_bins_of_a_large_range_hold_as_many_whole_numbers_each(high: int) -> None:
    found = bins(np.linspace(0, high, 500).round().astype(np.int64))
    for axis in (found.original, found.normalised):
        assert len(axis) <= BINS
    widths = np.diff(found.original.edges)
    assert widths == pytest.approx(widths[0])
    assert widths[0] == round(widths[0])
    assert (found.original.edges[0], found.original.edges[-1] > high) == (-0.5, True)
    np.testing.assert_allclose(found.normalised.edges * high, found.original.edges, rtol=1e-6, atol=1e-6 * high)


def test_the_smallest_and_largest_value_are_inside() -> None:
    for values in (RANDOM.normal(size=1000), RANDOM.normal(size=1000).astype(np.float32), [1e-30, 2e-30], [-5.0, 1e9]):
        found = bins(values)
        originals = found.originals(normalised(values))
        assert found.original.index(originals).min() >= 0 or found.original.edges[0] > originals.min() + 1
        assert found.normalised.index(normalised(values)).min() >= 0
        assert found.normalised.index(normalised(values)).max() < len(found.normalised)


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.normal(size=1000) * 100,
        10 ** RANDOM.uniform(-6, 3, 1000),
        (10 ** RANDOM.uniform(0, 6, 1000)).astype(np.float32),
        RANDOM.normal(size=1000) * 1e300,
        RANDOM.integers(-(2**20), 2**20, 1000),
        RANDOM.integers(0, 2, 1000).astype(bool),
    ],
)
def test_the_way_back_from_normalised_values_is_exact_enough(values: Any) -> None:
    found = bins(values)
    back = found.originals(normalised(values))
    if found.whole:
        np.testing.assert_array_equal(back, values)
    else:  # relative to the distance from the minimum
        assert np.abs(back / 4 - values / 4).max() <= 3e-7 * (values.max() / 4 - values.min() / 4)
        if found.log:
            np.testing.assert_allclose(back, values, rtol=1e-6)


def test_constant_values() -> None:
    found = bins([7.5, 7.5])
    assert (found.original.edges.tolist(), found.normalised.edges.tolist()) == ([7, 8], [-0.5, 0.5])
    assert found.originals(normalised([7.5, 7.5])).tolist() == [7.5, 7.5]
    assert bins([1e20, 1e20]).original.edges[0] < 1e20


def test_no_finite_value() -> None:
    assert bins([np.nan, np.inf]).empty
    assert not bins([0.0, 1.0]).empty


@pytest.mark.parametrize(
    ("values", "log"),
    [
        (10 ** RANDOM.uniform(-3, 3, 1000), True),
        (RANDOM.lognormal(0, 2, 1000), True),
        (RANDOM.uniform(1e-6, 1, 1000), False),
        (RANDOM.normal(100, 10, 1000), False),
        (RANDOM.exponential(50, 1000) + 20, False),
        (np.concatenate([[-1.0], 10 ** RANDOM.uniform(-3, 3, 1000)]), False),
        ((10 ** RANDOM.uniform(0, 6, 1000)).astype(np.int64), False),
    ],
)
def test_when_the_axis_is_logarithmic(values: Any, log: bool) -> None:
    assert bins(values).log is log


def test_a_few_values_far_away_are_left_to_the_overflow() -> None:
    values = np.append(RANDOM.normal(size=5000), [1e3, -1e3])
    found = bins(values)
    assert -10 < found.original.edges[0] < -2
    assert 2 < found.original.edges[-1] < 10
    assert found.normalised.edges[[0, -1]].tolist() == pytest.approx([0, 1], abs=1e-5)


@pytest.mark.parametrize("default", [-999.0, 9999.0])
@pytest.mark.parametrize("type_", [np.float32, np.int32])
def test_a_default_far_from_all_values_is_left_to_the_flows(default: float, type_: Any) -> None:
    values = np.where(RANDOM.random(5000) < 0.3, default, RANDOM.normal(0, 20, 5000)).astype(type_)
    found = bins(values)
    assert found.original.edges[0] > -250
    assert found.original.edges[-1] < 250


def test_without_a_sample_the_range_is_that_of_the_specs() -> None:
    for values, high in ((np.array([0.0, 50.0]), 50), (np.array([0, 500]), 500)):
        edges = choose_bins(plain(values)[0], np.empty(0)).original.edges
        assert edges[0] == pytest.approx(0, abs=0.51)
        assert edges[-1] == pytest.approx(high, abs=9)


@pytest.mark.parametrize(
    ("values", "coarse"),
    [
        (RANDOM.normal(size=1000), False),
        (np.append(RANDOM.normal(size=1000), 1e9), False),  # all others are near the minimum
        (np.append(RANDOM.normal(size=1000), -999), False),
        (np.append(RANDOM.normal(size=1000), -1e9), True),
        (np.where(RANDOM.random(1000) < 0.3, -1e12, RANDOM.normal(size=1000)), True),
        (np.where(RANDOM.random(1000) < 0.3, -1, RANDOM.normal(1.5e9, 10, 1000)), False),  # float32 has them as coarse
        (np.array([0.0, 1.0] * 500), False),
        (RANDOM.lognormal(0, 10, 1000), False),
        (np.append(RANDOM.integers(0, 100, 1000), -(2**31)), True),
        (np.append(np.zeros(1000), 5.0), False),
        (np.full(5, np.nan), False),
    ],
)
def test_when_values_do_not_come_back_from_normalised_ones(values: Any, coarse: bool) -> None:
    found, flat = plain(values)
    assert found.too_coarse(found.originals(flat)) is coarse


RULES = ["minmax", "standard", "robust", "none", {"kind": "standard", "clip": [-1, 1]}]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "values",
    [
        RANDOM.normal(100, 3, 1000).astype(np.float32),
        RANDOM.lognormal(0, 3, 1000),
        RANDOM.integers(-5, 40, 1000).astype(np.int16),
        RANDOM.integers(-1000, 10**6, 1000),
        RANDOM.random(1000) < 0.3,
        np.full(1000, 7.5),
        np.append(np.zeros(1000), 5.0),  # of which the robust scale is 0
    ],
)
@pytest.mark.filterwarnings("error")
def test_every_normalised_value_has_a_bin_and_comes_back(values: Any, rule: Any) -> None:
    found, flat = plain(values, rule)
    values = values.astype(np.float64)
    counts = hist.Hist(choose_bins(found, found.originals(flat)).normalised).fill(flat).values(flow=True)
    assert (counts[0], counts[-1], counts.sum()) == (0, 0, len(values))
    clipped = isinstance(rule, dict)
    if clipped or len(set(flat)) == 1 < len(set(values)):
        assert found.too_coarse(found.originals(flat))
    else:
        away = np.abs(values - found.scale.shift) * 4e-7
        assert (np.abs(found.originals(flat) - values) <= away).all()


def test_a_range_that_overflows_comes_back() -> None:
    found, flat = plain([-1.5e308, 0.0, 1e308])
    assert found.originals(flat).tolist() == pytest.approx([-1.5e308, 0.0, 1e308], abs=1e302)
    assert found.unit
