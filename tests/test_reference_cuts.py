"""Plans with cuts and new branches by hand: which events the oracle keeps, counts and blames."""

from typing import Any

import numpy as np
import pytest
from mlaas4hep import _reference as reference
from mlaas4hep._reference import Column

Step = dict[str, Any]

# Events 0 and 3 have no jets; that of event 3 is a null list.
COLUMNS = {
    "n": Column(np.array([1, 2, 3, 4, 5], np.uint64), np.array([True, True, True, True, False])),
    "pt": Column(
        np.array([10.0, np.nan, 30.0, 99.0, np.inf]),
        None,
        np.array([0, 0, 2, 3, 4, 5]),
        np.array([True, True, True, False, True]),
    ),
}
AT = [0, 0, 1]


def load(out: int, branch: str, kind: str, type_: str) -> Step:
    return {"op": "load", "out": out, "branch": branch, "kind": kind, "type": type_, "at": AT}


def constant(out: int, type_: str, value: Any) -> Step:
    return {"op": "constant", "out": out, "type": type_, "value": value, "at": AT}


def step(op: str, function: str, inputs: list[int], out: int) -> Step:
    return {"op": op, "function": function, "in": inputs, "out": out, "at": AT}


def select(slot: int, when: str = "always") -> Step:
    return {"op": "select", "in": slot, "cut": "text", "when": when, "at": AT}


def stored(source: Step, width: int = 1, column: int = 0) -> list[Step]:
    """The four steps of a branch of the matrix."""
    out = source["out"]
    return [
        source,
        {"op": "scale", "in": out, "out": out + 1, "normalize": "none"},
        {"op": "pad", "in": out + 1, "out": out + 2, "width": width, "value": -1.0},
        {"op": "store", "in": out + 2, "column": column},
    ]


def define(slot: int, out: int, kind: str, type_: str, name: str = "new") -> Step:
    return {"op": "define", "in": slot, "out": out, "branch": name, "kind": kind, "type": type_}


def branch(out: int, name: str, kind: str, type_: str) -> Step:
    return {"op": "load", "out": out, "branch": name, "kind": kind, "type": type_}


def plan(*steps: Step, width: int = 0) -> Any:
    return {"version": 1, "columns": ["c"] * width, "formulas": ["text"], "pad_value": -1.0, "steps": list(steps)}


# n > 1, and in training n < 3.
CUTS = [
    load(0, "n", "flat", "uint64"),
    constant(1, "int64", 1),
    step("compare", "gt", [0, 1], 2),
    constant(3, "int64", 3),
    step("compare", "lt", [0, 3], 4),
    select(2),
    select(4, "training"),
]


def test_cuts_keep_events_and_count() -> None:
    matrix = [*stored(branch(20, "n", "flat", "uint64")), *stored(branch(30, "pt", "jagged", "float64"), 1, 1)]
    result = reference.run(plan(*CUTS, *matrix, width=2), COLUMNS)
    assert result.passed.tolist() == [False, True, False, False, False]
    assert result.flow == [3, 1]
    assert result.data.tolist() == [[2.0, 10.0]]
    assert result.padding_mask.tolist() == [[False, False]]
    assert result.truncated == {"pt": 1}
    assert result.missing == {"pt": 1}  # neither the null of n, nor the null list, nor infinity


def test_cuts_of_training_are_counted_but_not_applied_elsewhere() -> None:
    matrix = stored(branch(20, "pt", "jagged", "float64"), 2)
    result = reference.run(plan(*CUTS, *matrix, width=2), COLUMNS, training=False)
    assert result.passed.tolist() == [False, True, True, True, False]
    assert result.flow == [3, 1]
    assert result.data.tolist() == [[10.0, -1.0], [30.0, -1.0], [-1.0, -1.0]]
    assert result.missing == {"pt": 2}  # NaN and the null list
    assert result.truncated == {}


def test_without_cuts_every_event_is_a_row() -> None:
    result = reference.run(plan(*stored(branch(0, "n", "flat", "uint64")), width=1), COLUMNS)
    assert result.passed.tolist() == [True] * 5
    assert result.flow == []
    assert len(result.data) == 5


@pytest.mark.parametrize(("value", "rows"), [(True, 5), (False, 0)])
def test_a_constant_cut(value: bool, rows: int) -> None:
    matrix = [*stored(branch(20, "n", "flat", "uint64")), *stored(branch(30, "pt", "jagged", "float64"), 1, 1)]
    result = reference.run(plan(constant(0, "bool", value), select(0), *matrix, width=2), COLUMNS)
    assert (result.passed.tolist(), result.flow) == ([value] * 5, [rows])
    assert result.data.shape == result.padding_mask.shape == (rows, 2)


def test_new_branches_of_every_type_and_shape() -> None:
    steps = [
        step("apply", "neg", [0], 5),
        load(6, "pt", "jagged", "float64"),
        step("reduce", "count", [6], 7),
        constant(8, "float64", 0.5),
        *stored(define(5, 20, "flat", "int64", "negative")),
        *stored(define(6, 30, "jagged", "float64", "copy"), 2, 1),
        *stored(define(7, 40, "flat", "int64", "count"), 1, 3),
        *stored(define(2, 50, "flat", "bool", "cut"), 1, 4),
        *stored(define(8, 60, "flat", "float64", "half"), 1, 5),
    ]
    result = reference.run(plan(*CUTS[:3], select(2), *steps, width=6), COLUMNS)
    assert result.data.tolist() == [[-2, 10, -1, 2, 1, 0.5], [-3, 30, -1, 1, 1, 0.5], [-4, -1, -1, 0, 1, 0.5]]
    assert result.padding_mask[:, 2].tolist() == [True, True, True]
    assert result.missing == {"copy": 1}  # what a formula sees of a null list is an empty one


def test_null_nan_and_infinity_of_new_branches_are_missing() -> None:
    steps = [
        load(0, "n", "flat", "uint64"),
        load(1, "pt", "jagged", "float64"),
        *stored(define(0, 20, "flat", "int64", "null")),
        *stored(define(1, 30, "jagged", "float64", "nan"), 1, 1),
    ]
    result = reference.run(plan(*steps, width=2), COLUMNS)
    assert result.padding_mask.tolist() == [[False, True], [False, False], [False, False], [False, True], [True, True]]
    assert result.missing == {"null": 1, "nan": 2}
    assert result.truncated == {"nan": 1}


def test_minmax_of_a_new_branch() -> None:
    steps = stored(define(0, 20, "flat", "int64"))
    steps[1] |= {"normalize": "minmax", "min": 1, "max": 5}
    result = reference.run(plan(load(0, "n", "flat", "uint64"), *steps, width=1), COLUMNS)
    assert result.data[:, 0].tolist() == [0.0, 0.25, 0.5, 0.75, -1.0]


def test_a_new_branch_is_what_its_step_says() -> None:
    with pytest.raises(ValueError, match="branch 'new' is flat int64, not flat float64"):
        reference.run(plan(load(0, "n", "flat", "uint64"), define(0, 1, "flat", "float64")), COLUMNS)


LARGE = {
    "n": Column(np.array([1, 2, 3, 2**63], np.uint64)),
    "m": Column(np.array([2**63 - 1, 2**63 - 1, 0, 0])),
    "some": Column(np.array([False, True, True, False])),
}


def test_errors_name_the_event_of_the_data_and_cut_events_make_none() -> None:
    cut = [load(0, "some", "flat", "bool"), select(0)]
    double = [load(1, "m", "flat", "int64"), step("apply", "add", [1, 1], 2)]
    with pytest.raises(OverflowError) as raised:
        reference.run(plan(*double), LARGE)
    assert raised.value.args == (0,)
    with pytest.raises(OverflowError) as raised:
        reference.run(plan(*cut, *double), LARGE)
    assert raised.value.args == (1,)
    reference.run(plan(*cut, load(1, "n", "flat", "uint64")), LARGE)
    with pytest.raises(OverflowError) as raised:
        reference.run(plan(load(1, "n", "flat", "uint64"), *cut), LARGE)
    assert raised.value.args == (3,)


def test_of_errors_in_several_steps_that_of_the_first_step_counts() -> None:
    wide, double = load(1, "n", "flat", "uint64"), [load(2, "m", "flat", "int64"), step("apply", "add", [2, 2], 3)]
    with pytest.raises(OverflowError, match="3"):
        reference.run(plan(wide, *double), LARGE)
    with pytest.raises(OverflowError, match="0"):
        reference.run(plan(*double, wide), LARGE)


def test_the_matrix_takes_what_formulas_cannot() -> None:
    result = reference.run(plan(*stored(branch(0, "n", "flat", "uint64")), width=1), LARGE)
    assert result.data[3, 0] == 2.0**63
