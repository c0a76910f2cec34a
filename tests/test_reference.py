"""The oracle itself: one example by hand, and what it refuses to guess."""

import json
from collections.abc import Callable
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from mlaas4hep import Plan
from mlaas4hep import _reference as reference
from mlaas4hep._reference import Column

COLUMNS = {
    "ht": Column(np.array([1.0, 3.0, np.nan]), np.array([True, True, True])),
    "jetPt": Column(
        np.array([5, 6, 7, 9], np.int16),
        np.array([True, False, True, True]),
        np.array([0, 3, 3, 4]),
        np.array([True, True, False]),
    ),
}


def plan() -> Any:
    specs = mlaas4hep.scan({"ht": np.array([1.0, 3.0]), "jetPt": np.array([[5, 7], [5, 7]], np.int16)})
    return json.loads(Plan(specs, pad_value=-1).to_text())


def test_an_example_by_hand() -> None:
    result = reference.run(plan(), COLUMNS)
    assert result.data.tolist() == [[0, 0, -1], [1, -1, -1], [-1, -1, -1]]
    assert result.padding_mask.tolist() == [[False, False, True], [False, True, True], [True, True, True]]
    assert result.truncated == {"jetPt": 1}
    assert result.missing == {"ht": 1, "jetPt": 2}  # NaN; a null and a null list
    specs = reference.scan(COLUMNS)
    assert (specs["minv"], specs["maxv"]) == ({"ht": 1.0, "jetPt": 5}, {"ht": 3.0, "jetPt": 7})
    assert specs["jdim"] == {"jetPt": 3}
    assert specs["counts"]["jetPt"] == {"values": 3, "nulls": 2, "nan": 0, "inf": 0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: plan.update(version=2), "a plan of version 2, not 1"),
        (lambda plan: plan["steps"][0].update(kind="jagged"), "branch 'ht' is flat, not jagged"),
        (lambda plan: plan["steps"][1].update(normalize="z"), "unknown normalisation 'z'"),
        (lambda plan: plan["steps"][2].update({"in": 2}), "2"),
        (lambda plan: plan["steps"][3].update({"in": 1}), "only padded values can be stored"),
        (lambda plan: plan["steps"][6].update({"in": 2}), "pad takes values that are not padded yet"),
        (lambda plan: plan["steps"][0].update(op="cut"), "cut"),
    ],
)
def test_what_is_no_plan_is_refused(change: Callable[[Any], None], message: str) -> None:
    damaged = plan()
    change(damaged)
    with pytest.raises((ValueError, KeyError), match=message):
        reference.run(damaged, COLUMNS)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="columns of different lengths"):
        reference.scan({"x": Column(np.ones(2)), "y": Column(np.ones(3))})
