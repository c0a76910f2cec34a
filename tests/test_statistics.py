"""Moments, quantiles and lengths of the first pass, compared with exact sums and counts."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep import Specs
from mlaas4hep import _reference as reference
from mlaas4hep._reference import statistics as exact
from mlaas4hep.errors import BranchError, ParamsError, SpecsError

from tests import forms
from tests.strategies import SEEDS, THREADS, Table, tables

TOLERANCE = 1e-12
"""Of the largest magnitude of a branch."""


def assert_moments(specs: Specs, oracle: dict[str, Any]) -> None:
    """Mean and standard deviation are the oracle's within the stated error."""
    for name in specs.branches:
        largest = max(abs(bound or 0) for bound in (specs.minv[name], specs.maxv[name]))
        for found, wanted in ((specs.mean, oracle["mean"]), (specs.std, oracle["std"])):
            assert (found[name] is None) == (wanted[name] is None), name
            if found[name] is not None:
                assert abs(found[name] - wanted[name]) <= TOLERANCE * largest, (name, found[name], wanted[name])


@pytest.mark.parametrize("form", forms.FORMS)
@given(table=tables(), seed=SEEDS, threads=THREADS)
def test_moments_are_the_oracles(form: str, table: Table, seed: int, threads: int) -> None:
    data = forms.FORMS[form](table, np.random.default_rng(seed))
    assert_moments(mlaas4hep.scan(data, threads=threads), reference.scan(table))


@given(table=tables(), seed=SEEDS, threads=THREADS)
def test_weighted_moments_are_the_oracles(table: Table, seed: int, threads: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.uniform(0.1, 3.0, len(next(iter(table.values()))))
    specs = mlaas4hep.scan(forms.as_mixture(table, random), weights=weights, threads=threads)
    oracle = reference.scan(table, weights=weights.tolist())
    assert_moments(specs, oracle)
    assert specs.weighted
    text = json.loads(specs.to_text())
    assert {key: text[key] for key in ("quantiles", "weighted")} == {"quantiles": oracle["quantiles"], "weighted": True}


@given(table=tables(), seed=SEEDS, cuts=st.lists(st.floats(0, 1), max_size=4))
def test_moments_do_not_depend_on_how_events_are_split_and_merged(table: Table, seed: int, cuts: list[float]) -> None:
    random = np.random.default_rng(seed)
    whole = forms.as_awkward(table, random)
    places = [0, *sorted(int(cut * len(whole)) for cut in cuts), len(whole)]
    parts = [mlaas4hep.scan(whole[start:stop]) for start, stop in itertools.pairwise(places)]
    parts = [parts[at] for at in random.permutation(len(parts))]
    oracle = reference.scan(table)
    assert_moments(Specs.merge(parts), oracle)
    assert_moments(Specs.merge([Specs.merge(parts[:2]), *parts[2:]]), oracle)


@given(table=tables(), seed=SEEDS, q=st.floats(0, 1))
def test_quantiles_are_within_the_stated_error(table: Table, seed: int, q: float) -> None:
    specs = mlaas4hep.scan(forms.as_numpy(table, np.random.default_rng(seed)))
    for name, column in table.items():
        values, null = column.flattened()
        finite = np.sort(values[~null & np.isfinite(values)].astype(np.float64))
        found = specs.quantile(name, q)
        assert (found is None) == (len(finite) == 0)
        if found is None:
            continue
        bins = exact.bins_of_text(json.loads(specs.to_text())["quantiles"][name])
        middle = exact.middle_of(exact.quantile_of(bins, q))
        assert found == min(max(middle, finite[0]), finite[-1])
        wanted = finite[max(1, int(np.ceil(q * len(finite)))) - 1]
        if abs(wanted) < np.finfo(np.float32).max:
            assert abs(found - wanted) <= 0.0079 * abs(wanted) + 2.0**-132


def test_large_numbers_of_values_are_summed_right() -> None:
    random = np.random.default_rng(1)
    values = random.normal(1e6, 1e-2, 300_000)
    specs = mlaas4hep.scan(
        {"x": values, "y": values.astype(np.float32), "z": np.full(100_001, 0.1).repeat(3)[:300_000]}
    )
    for name, column in (("x", values), ("y", values.astype(np.float32).astype(np.float64))):
        assert specs.mean[name] == pytest.approx(np.mean(column), rel=1e-14)
        assert specs.std[name] == pytest.approx(np.std(column - 1e6), rel=1e-6)
    assert (specs.mean["z"], specs.std["z"]) == (0.1, 0.0)


def test_lists_share_the_weight_of_their_event() -> None:
    jets = np.array([0, 2, 2, 3]), np.array([1.0, 3.0, 9.0])
    specs = mlaas4hep.scan({"jetPt": jets}, weights=[0.5, 7, 2])
    assert specs.mean == {"jetPt": (0.5 * 1 + 0.5 * 3 + 2 * 9) / 3}


def test_weights_of_events_that_are_cut_do_not_count() -> None:
    preproc = {"new_branch": {"twice": {"def": "2*x", "type": "flat"}}, "flat_cut": {"x": {"cut": "x>1"}}}
    specs = mlaas4hep.scan({"x": np.array([1.0, 2.0, 4.0])}, preproc=preproc, weights=[5, 1, 3])
    assert specs.mean == {"twice": 7.0, "x": 3.5}


def test_weights_that_cancel_have_no_mean() -> None:
    specs = mlaas4hep.scan({"x": np.array([1.0, 2.0])}, weights=[1, -1])
    assert (specs.mean, specs.std) == ({"x": None}, {"x": None})
    assert Specs.from_text(specs.to_text()) == specs


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "weights: there are 1 of them for 2 events; each event needs one"),
        ([1.0, np.nan], "weights: that of event 1 is NaN; it must be a finite number, below 1e60 in magnitude"),
        ([1e60, 1.0], "weights: that of event 0 is 1e60; it must be a finite number, below 1e60 in magnitude"),
    ],
)
def test_wrong_weights_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(ParamsError) as raised:
        mlaas4hep.scan({"x": np.ones(2)}, weights=weights)
    assert str(raised.value) == message
    if len(weights) == 1:
        with pytest.raises(ParamsError, match="weights: there are 1 of them for 2 events"):
            mlaas4hep.scan({"x": np.ones(2)}, weights=weights, preproc={"flat_cut": {"x": {"cut": "x>2"}}})


def test_weighted_specs_do_not_merge_with_others() -> None:
    parts = [mlaas4hep.scan({"x": np.ones(2)}, weights=weights) for weights in ([1, 2], None)]
    with pytest.raises(SpecsError, match="some were made with weights of the events and some without"):
        Specs.merge(parts)


def test_values_beyond_1e100_have_quantiles_but_no_moments() -> None:
    specs = mlaas4hep.scan({"x": np.array([1.0, 2.0, 1e200])})
    assert (specs.mean, specs.std, specs.quantile("x", 0.5)) == ({"x": None}, {"x": None}, 2.015625)
    assert Specs.from_text(specs.to_text()) == specs


# Lengths and widths


def lists(*lengths: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.cumsum([0, *lengths]), np.ones(sum(lengths), np.float32)


def test_widths_hold_the_lists_of_a_share_of_events() -> None:
    specs = mlaas4hep.scan({"jetPt": lists(*[1] * 90, *[4] * 9, 20), "met": np.ones(100)})
    assert (specs.widths(0.5), specs.widths(0.99), specs.widths(1.0)) == ({"jetPt": 1}, {"jetPt": 4}, {"jetPt": 20})
    (row,) = specs.width_report(specs.widths()).rows
    assert (row.cut_values, row.cut_events, row.cut_share, row.values) == (16, 1, 0.01, 146)
    assert row.padding_bytes == 5 * 90 * 3
    assert specs.width_report().rows[0].cut_values == 0
    assert specs.width_report().to_dict()[0]["width"] == 20
    assert specs.lengths("met") == {}


def test_long_lists_are_counted_nearly() -> None:
    specs = mlaas4hep.scan({"hits": lists(5, 1025, 70_001)})
    assert specs.lengths("hits") == {5: 1, 1026: 1, 70_016: 1}
    assert (specs.widths(1.0), specs.widths(0.6)) == ({"hits": 70_001}, {"hits": 1026})


def test_a_null_list_has_length_0() -> None:
    table = {"x": reference.Column(np.ones(3), None, np.array([0, 2, 3]), np.array([True, False]))}
    assert mlaas4hep.scan(forms.as_awkward(table, np.random.default_rng(0))).lengths("x") == {0: 1, 2: 1}


def original() -> Specs:
    """Specs as those of the original, which have no statistics."""
    text = json.loads(mlaas4hep.scan({"met": np.ones(2), "jetPt": lists(2, 3)}).to_text())
    return Specs.from_text(json.dumps({key: text[key] for key in ("fkeys", "jkeys", "jdim", "minv", "maxv")}))


def test_specs_of_the_original_have_no_statistics() -> None:
    specs = original()
    assert (specs.mean, specs.std, specs.quantile("met", 0.5), specs.lengths("jetPt")) == ({}, {}, None, {})
    assert (specs.widths(), specs.width_report().rows) == ({"jetPt": 3}, ())
    assert Specs.merge([specs, mlaas4hep.scan({"met": np.ones(2), "jetPt": lists(1, 1)})]).mean == {}


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan")])
def test_a_quantile_is_a_share(q: float) -> None:
    specs = mlaas4hep.scan({"jetPt": lists(2, 3)})
    asks: list[Callable[[], object]] = [lambda: specs.quantile("jetPt", q), lambda: specs.widths(q)]
    for ask in asks:
        with pytest.raises(SpecsError, match=r"quantile is .*; it must be a number from 0 to 1"):
            ask()


def test_unknown_branches_are_named() -> None:
    specs = mlaas4hep.scan({"jetPt": lists(2, 3)})
    asks: list[Callable[[], object]] = [
        lambda: specs.quantile("jetpt", 0.5),
        lambda: specs.lengths("jetpt"),
        lambda: specs.width_report({"jetpt": 3}),
    ]
    for ask in asks:
        with pytest.raises(BranchError, match=r"'jetpt' is .*did you mean 'jetPt'"):
            ask()


# specs.json


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("quantiles", "5", "it must be counts of bins"),
        ("quantiles", "16320:1", "it must be counts of bins"),
        ("quantiles", "", "it must be empty exactly where minv and maxv are null"),
        ("lengths", "-1:3", "it must be counts of bins"),
        ("moments", [1, 0, 1], "it must be three finite sums"),
        ("moments", [1, 0.5, 1, 0, 1, 0], "it must be three finite sums"),
    ],
)
def test_damaged_statistics_are_refused_with_what_and_where(key: str, value: object, message: str) -> None:
    text = json.loads(mlaas4hep.scan({"jetPt": lists(2, 3)}).to_text())
    text[key]["jetPt"] = value
    with pytest.raises(SpecsError, match=rf"^specs: 'jetPt' in '{key}' is .*{message}"):
        Specs.from_text(json.dumps(text))


def test_a_damaged_flag_is_refused() -> None:
    text = json.loads(mlaas4hep.scan({"x": np.ones(2)}).to_text())
    with pytest.raises(SpecsError, match=r"^specs: key 'weighted' is 1; it must be true or false"):
        Specs.from_text(json.dumps(text | {"weighted": 1}))
