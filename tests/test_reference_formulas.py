"""The steps of formulas by hand: the oracle's answers are written out here."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from mlaas4hep import _reference as reference
from mlaas4hep._reference import Column, Value
from mlaas4hep._reference.functions import ELEMENTARY, elementary
from numpy.typing import NDArray

NAN, INF = math.nan, math.inf
LOW, HIGH = -(2**63), 2**63 - 1
DTYPES: Mapping[str, Any] = {"bool": np.bool_, "int64": np.int64, "float64": np.float64}
Step = dict[str, Any]


def flat(type_: str, *entries: Any) -> Column:
    """A flat column; ``None`` is null."""
    values = np.array([0 if entry is None else entry for entry in entries], DTYPES[type_])
    return Column(values, np.array([entry is not None for entry in entries], np.bool_))


def jagged(type_: str, *lists: Any) -> Column:
    """A jagged column; ``None`` is null."""
    entries = flat(type_, *(entry for one in lists for entry in one))
    return Column(entries.values, entries.valid, np.cumsum([0, *(len(one) for one in lists)]))


def load(out: int, branch: str, column: Column, type_: str | None = None) -> Step:
    return {
        "op": "load",
        "out": out,
        "branch": branch,
        "kind": column.kind,
        "type": type_ or column.type,
        "at": [0, 0, 1],
    }


def run(op: str, columns: list[Column], **more: Any) -> Value:
    """Load columns, and do one step with them."""
    table = {f"x{place}": column for place, column in enumerate(columns)}
    loads = [load(place, name, column) for place, (name, column) in enumerate(table.items())]
    step = {"op": op, "in": list(range(len(columns))), "out": 9, "at": [0, 0, 1], **more}
    return reference.evaluate([*loads, step], 9, table)


def shown(value: Value) -> list[Any]:
    """The entries, in lists if the value has them; NaN shows as ``None``, like null."""
    return value.lists() if value.shape == "jagged" else value.entries()


def assert_is(value: Value, shape: str, type_: str, wanted: list[Any]) -> None:
    assert (value.shape, value.type, value.values.dtype.name) == (shape, type_, type_)
    assert repr(shown(value)) == repr(wanted)  # tells -0.0 from 0.0, and True from 1


# Columns


@pytest.mark.parametrize(
    ("column", "type_", "wide", "wanted"),
    [
        (flat("bool", True, False, None), "bool", "bool", [True, False, False]),
        (Column(np.array([-128, 127], np.int8)), "int8", "int64", [-128, 127]),
        (flat("int64", LOW, None, HIGH), "int64", "int64", [LOW, None, HIGH]),
        (Column(np.array([2**63 - 1], np.uint64)), "uint64", "int64", [HIGH]),
        (Column(np.array([0.1], np.float32)), "float32", "float64", [float(np.float32(0.1))]),
        (flat("float64", 1.5, NAN, INF, -INF, None, -0.0), "float64", "float64", [1.5, None, INF, -INF, None, -0.0]),
        (flat("float64", 1e300, 0.1), "float32", "float64", [INF, float(np.float32(0.1))]),
        (flat("float64", NAN, INF, -2.9, 1e300, None), "int16", "int64", [None, None, -2, 32767, None]),
        (flat("float64", NAN, INF, 0.25, None), "bool", "bool", [False, False, True, False]),
        (flat("int64", 3, None), "bool", "bool", [True, False]),
        (flat("int64", 2**53 + 1, None), "float64", "float64", [float(2**53), None]),
        (Column(np.array([2**63], np.uint64), np.array([False])), "uint64", "int64", [None]),
    ],
)
def test_columns_are_converted_and_widened(column: Column, type_: str, wide: str, wanted: list[Any]) -> None:
    value = reference.evaluate([load(0, "x", column, type_)], 0, {"x": column})
    assert_is(value, "flat", wide, wanted)


def test_a_null_list_is_empty() -> None:
    column = Column(np.array([1, 2, 3]), None, np.array([0, 1, 3]), np.array([True, False]))
    value = reference.evaluate([load(0, "x", column)], 0, {"x": column})
    assert_is(value, "jagged", "int64", [[1], []])


@pytest.mark.parametrize("offsets", [None, np.array([0, 0, 1, 3])])
def test_no_int64_holds_a_large_uint64(offsets: NDArray[np.int64] | None) -> None:
    column = Column(np.array([1, 2, 2**63], np.uint64), None, offsets)
    with pytest.raises(OverflowError) as raised:
        reference.evaluate([load(0, "x", column)], 0, {"x": column})
    assert raised.value.args == (2,)


@pytest.mark.parametrize(
    ("type_", "value", "wanted"),
    [
        ("bool", True, True),
        ("int64", HIGH, HIGH),
        ("float64", 0.5, 0.5),
        ("int64", None, None),
        ("float64", None, None),
    ],
)
def test_a_constant(type_: str, value: Any, wanted: Any) -> None:
    assert_is(run("constant", [], type=type_, value=value), "constant", type_, [wanted])


def test_broadcast() -> None:
    like = jagged("bool", [True, True], [], [False])
    assert_is(run("broadcast", [flat("int64", 5, 6, None), like]), "jagged", "int64", [[5, 5], [], [None]])
    assert_is(run("broadcast", [flat("float64", NAN, 6, 7), like]), "jagged", "float64", [[None, None], [], [7.0]])


# Value by value

BOOLS = [
    ("and", [True, True, False], [True, False, False], [True, False, False]),
    ("or", [True, False, False], [True, True, False], [True, True, False]),
    ("not", [True, False], None, [False, True]),
    ("int64", [True, False, None], None, [1, 0, 0]),
    ("float64", [True, False], None, [1.0, 0.0]),
]

INTEGERS = [
    ("add", [1, None, HIGH], [2, 3, LOW], [3, None, -1]),
    ("sub", [1, 3, LOW], [2, None, LOW], [-1, None, 0]),
    ("mul", [3, None, 2**62], [-7, None, -2], [-21, None, LOW]),
    ("neg", [5, None, HIGH], None, [-5, None, -HIGH]),
    ("abs", [-5, None, -HIGH], None, [5, None, HIGH]),
    ("pow", [-2, 3, None, 0, -1, 1], [63, 0, 0, 0, 2**62 + 1, HIGH], [LOW, 1, None, 1, -1, 1]),
    ("factorial", [0, 5, 20, -1, None], None, [1, 120, 2432902008176640000, None, None]),
    ("floordiv", [7, -7, 7, -7, 1, None, 1], [2, 2, -2, -2, 0, 1, None], [3, -4, -4, 3, None, None, None]),
    ("mod", [7, -7, 7, -7, 1, None, LOW], [2, 2, -2, -2, 0, 1, -1], [1, 1, -1, -1, None, None, 0]),
    ("sign", [-9, 0, HIGH, None], None, [-1, 0, 1, None]),
    ("min", [1, 3, None, 4], [2, 2, 2, None], [1, 2, None, None]),
    ("max", [1, 3, None, 4], [2, 2, 2, None], [2, 3, None, None]),
    ("fmin", [1, None, 4, None], [2, 2, None, None], [1, 2, 4, None]),
    ("fmax", [1, None, 4, None], [2, 2, None, None], [2, 2, 4, None]),
    ("float64", [2**53 + 1, HIGH, None], None, [2.0**53, 2.0**63, None]),
]

FLOATS = [
    ("add", [0.1, INF, NAN], [0.2, -INF, 1.0], [0.30000000000000004, None, None]),
    ("sub", [0.0, 1e308], [0.0, -1e308], [0.0, INF]),
    ("mul", [-0.0, INF, 1e-320], [5.0, 0.0, 1e-320], [-0.0, None, 0.0]),
    ("div", [1.0, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, -INF], [INF, -INF, None, -0.0]),
    ("neg", [1.0, 0.0, NAN], None, [-1.0, -0.0, None]),
    ("abs", [-1.0, -0.0, -INF, NAN], None, [1.0, 0.0, INF, None]),
    ("sqrt", [4.0, -0.0, -1.0], None, [2.0, -0.0, None]),
    ("floor", [1.5, -1.5, -0.0], None, [1.0, -2.0, -0.0]),
    ("ceil", [1.5, -0.5], None, [2.0, -0.0]),
    ("trunc", [1.5, -1.5], None, [1.0, -1.0]),
    ("rint", [0.5, 1.5, -0.5, NAN], None, [0.0, 2.0, -0.0, None]),
    ("sign", [2.5, -INF, -0.0, 0.0, NAN], None, [1.0, -1.0, 0.0, 0.0, None]),
    ("copysign", [3.0, 3.0], [-0.0, 1.0], [-3.0, 3.0]),
    ("nextafter", [0.0, 1.0], [1.0, NAN], [5e-324, None]),
    ("min", [1.0, NAN, 1.0, 0.0, -0.0], [2.0, 1.0, NAN, -0.0, 0.0], [1.0, None, None, -0.0, 0.0]),
    ("max", [1.0, NAN, 1.0, 0.0, -0.0], [2.0, 1.0, NAN, -0.0, 0.0], [2.0, None, None, -0.0, 0.0]),
    ("fmin", [1.0, NAN, 3.0, NAN, 0.0], [2.0, 2.0, NAN, NAN, -0.0], [1.0, 2.0, 3.0, None, -0.0]),
    ("fmax", [1.0, NAN, 3.0, NAN, 0.0], [2.0, 2.0, NAN, NAN, -0.0], [2.0, 2.0, 3.0, None, -0.0]),
    ("floordiv", [7.0, -7.0, 1.0, -1.0, 0.0, -0.5], [2.0, 2.0, 0.0, INF, 0.0, -2.0], [3.0, -4.0, INF, -1.0, None, 0.0]),
    ("floordiv", [0.5, -0.0], [2.0, 3.0], [0.0, -0.0]),
    ("mod", [7.0, -7.0, 7.0, 1.0, -1.0, 4.0], [2.0, 2.0, -2.0, 0.0, INF, -2.0], [1.0, 1.0, -1.0, None, INF, -0.0]),
    ("isnan", [NAN, INF, 0.0, None], None, [True, False, False, True]),
    ("isinf", [NAN, INF, -INF, 0.0], None, [False, True, True, False]),
    ("isfinite", [NAN, INF, -0.0], None, [False, False, True]),
    ("signbit", [-0.0, 0.0, -INF], None, [True, False, True]),
]


@pytest.mark.parametrize(
    ("type_", "name", "a", "b", "wanted"),
    [
        *(("bool", *case) for case in BOOLS),
        *(("int64", *case) for case in INTEGERS),
        *(("float64", *case) for case in FLOATS),
    ],
)
def test_apply(type_: str, name: str, a: list[Any], b: list[Any] | None, wanted: list[Any]) -> None:
    inputs = [flat(type_, *a), *([] if b is None else [flat(type_, *b)])]
    known = next(type(entry).__name__ for entry in wanted if entry is not None)
    assert_is(
        run("apply", inputs, function=name), "flat", {"int": "int64", "float": "float64"}.get(known, known), wanted
    )


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("add", HIGH, 1),
        ("sub", LOW, 1),
        ("mul", LOW, -1),
        ("neg", LOW, None),
        ("abs", LOW, None),
        ("pow", 2, 63),
        ("pow", -3, HIGH),
        ("factorial", 21, None),
        ("factorial", HIGH, None),
        ("floordiv", LOW, -1),
    ],
)
def test_overflow_names_the_first_event(name: str, a: int, b: int | None) -> None:
    inputs = [jagged("int64", [1], [], [1, a], [a]), *([] if b is None else [jagged("int64", [1], [], [1, b], [b])])]
    with pytest.raises(OverflowError) as raised:
        run("apply", inputs, function=name)
    assert raised.value.args == (2,)


@pytest.mark.parametrize(
    ("type_", "one", "other", "wanted"),
    [
        ("bool", [True, True], [False, False], [True, False]),
        ("int64", [1, 2], [3, None], [1, None]),
        ("int64", [None, 2], [3, 4], [None, 4]),
        ("float64", [1.5, 2.0], [NAN, -0.0], [1.5, -0.0]),
    ],
)
def test_where(type_: str, one: list[Any], other: list[Any], wanted: list[Any]) -> None:
    inputs = [flat("bool", True, False), flat(type_, *one), flat(type_, *other)]
    assert_is(run("apply", inputs, function="where"), "flat", type_, wanted)


def test_constants_are_repeated_and_stay_constant_among_themselves() -> None:
    x = jagged("int64", [1, None], [])
    two = {"op": "constant", "type": "int64", "value": 2, "out": 1}
    steps = [load(0, "x", x), two, {"op": "apply", "function": "mul", "in": [0, 1], "out": 2}]
    assert_is(reference.evaluate(steps, 2, {"x": x}), "jagged", "int64", [[2, None], []])
    steps = [two, {"op": "apply", "function": "mul", "in": [1, 1], "out": 2}]
    assert_is(reference.evaluate(steps, 2, {"x": x}), "constant", "int64", [4])
    steps[1]["function"], two["value"] = "add", HIGH
    with pytest.raises(OverflowError, match="0"):
        reference.evaluate(steps, 2, {"x": x})
    assert_is(reference.evaluate(steps, 2, {"x": jagged("int64")}), "constant", "int64", [None])


def test_lists_of_different_lengths_do_not_meet() -> None:
    inputs = [jagged("int64", [1], [1, HIGH], [], [1]), jagged("int64", [1], [1, HIGH], [1], [])]
    for op, more in (("apply", {"function": "add"}), ("compare", {"function": "lt"}), ("sort", {"descending": True})):
        with pytest.raises(ValueError, match="2") as raised:
            run(op, inputs, **more)
        assert raised.value.args == (2,)
    with pytest.raises(ValueError, match="0"):
        run("filter", [jagged("int64", [1]), jagged("bool", [])])


def test_a_flat_value_meets_a_jagged_one_by_broadcast_only() -> None:
    with pytest.raises(TypeError, match="not broadcast"):
        run("apply", [flat("int64", 1), jagged("int64", [1])], function="add")
    with pytest.raises(TypeError, match="a jagged value is needed, not a flat one"):
        run("reduce", [flat("int64", 1)], function="sum")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("lt", [True, False, False, False, False, False]),
        ("le", [True, True, False, False, False, True]),
        ("gt", [False, False, False, False, True, False]),
        ("ge", [False, True, False, False, True, True]),
        ("eq", [False, True, False, False, False, True]),
        ("ne", [True, False, True, True, True, False]),
    ],
)
def test_comparisons_are_exact_and_what_is_missing_is_only_unequal(name: str, wanted: list[bool]) -> None:
    integers = flat("int64", 2**53, 2**53, None, 1, 2**53 + 1, 0)
    floats = flat("float64", 2.0**53 + 2, 2.0**53, 1.0, NAN, 2.0**53, -0.0)
    assert_is(run("compare", [integers, floats], function=name), "flat", "bool", wanted)
    swapped = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}.get(name, name)
    assert_is(run("compare", [floats, integers], function=swapped), "flat", "bool", wanted)


# Lists

REDUCTIONS = [
    ("bool", "any", [[], [False], [False, True, None]], [False, False, True]),
    ("bool", "all", [[], [True], [True, None]], [True, True, False]),
    ("bool", "count", [[], [True, False, None]], [0, 3]),
    ("bool", "first", [[], [True, False]], [False, True]),
    ("bool", "last", [[], [False, True]], [False, True]),
    ("int64", "sum", [[], [None], [1, None, 2], [HIGH, LOW, 1]], [0, 0, 3, 0]),
    ("int64", "prod", [[], [None], [3, None, -2]], [1, 1, -6]),
    ("int64", "min", [[], [None], [3, None, -2]], [None, None, -2]),
    ("int64", "max", [[], [None], [3, None, -2]], [None, None, 3]),
    ("int64", "mean", [[], [None], [1, None, 2], [HIGH, HIGH]], [None, None, 1.5, 2.0**63]),
    ("int64", "count", [[], [None], [3, None]], [0, 1, 2]),
    ("int64", "argmin", [[], [None], [3, None, -2, -2]], [None, None, 2]),
    ("int64", "argmax", [[], [None], [None, 3, 3]], [None, None, 1]),
    ("int64", "first", [[], [None, 1], [2, 3]], [None, None, 2]),
    ("int64", "last", [[], [1, None], [2, 3]], [None, None, 3]),
    (
        "float64",
        "sum",
        [[], [NAN], [-0.0], [0.1, NAN, 0.2, 0.3], [INF, -INF]],
        [0.0, 0.0, 0.0, 0.6000000000000001, None],
    ),
    ("float64", "prod", [[], [NAN], [2.0, NAN, -0.0]], [1.0, 1.0, -0.0]),
    ("float64", "min", [[], [NAN], [0.0, NAN, -0.0], [-0.0, 0.0]], [None, None, 0.0, -0.0]),
    ("float64", "max", [[], [NAN], [0.0, -0.0], [-0.0, NAN, 0.0], [INF]], [None, None, 0.0, -0.0, INF]),
    ("float64", "mean", [[], [NAN], [1.0, NAN, 2.0]], [None, None, 1.5]),
    ("float64", "count", [[], [NAN, INF, None]], [0, 3]),
    ("float64", "argmin", [[], [NAN], [NAN, 0.0, -0.0]], [None, None, 1]),
    ("float64", "argmax", [[], [NAN], [NAN, 1.0, 2.0]], [None, None, 2]),
    ("float64", "first", [[], [NAN, 1.0], [2.5]], [None, None, 2.5]),
    ("float64", "last", [[], [1.0, NAN], [-0.0]], [None, None, -0.0]),
]


@pytest.mark.parametrize(("type_", "name", "lists", "wanted"), REDUCTIONS)
def test_reduce(type_: str, name: str, lists: list[Any], wanted: list[Any]) -> None:
    given_type = {"count": "int64", "argmin": "int64", "argmax": "int64", "mean": "float64"}.get(name, type_)
    assert_is(run("reduce", [jagged(type_, *lists)], function=name), "flat", given_type, wanted)


@pytest.mark.parametrize(
    ("name", "one"),
    [("sum", [HIGH, None, 1, -1]), ("sum", [LOW, -1]), ("prod", [2**62, 2, 0]), ("prod", [LOW, -1, -1])],
)
def test_a_running_total_stays_in_int64(name: str, one: list[Any]) -> None:
    with pytest.raises(OverflowError) as raised:
        run("reduce", [jagged("int64", [HIGH], [], one, one)], function=name)
    assert raised.value.args == (2,)


@pytest.mark.parametrize(
    ("type_", "lists", "wanted"),
    [
        ("bool", [[True, False], [True], [], [True, True], [True]], [False, True, False, False, False]),
        ("int64", [[5, 6], [7], [], [8, 9], [5]], [6, 7, None, None, None]),
        ("float64", [[5.0, NAN], [-0.0], [], [8.0, 9.0], [5.0]], [None, -0.0, None, None, None]),
    ],
)
def test_at(type_: str, lists: list[Any], wanted: list[Any]) -> None:
    assert_is(run("at", [jagged(type_, *lists), flat("int64", 1, -1, 0, -3, None)]), "flat", type_, wanted)


def test_at_a_constant_place() -> None:
    x = jagged("int64", [5, 6], [7], [None])
    place = {"op": "constant", "type": "int64", "value": -1, "out": 1}
    steps = [load(0, "x", x), place, {"op": "at", "in": [0, 1], "out": 2}]
    assert_is(reference.evaluate(steps, 2, {"x": x}), "flat", "int64", [6, 7, None])


def test_filter() -> None:
    mask = jagged("bool", [True, False, None], [], [True])
    x = jagged("int64", [None, 2, 3], [], [4])
    assert_is(run("filter", [x, mask]), "jagged", "int64", [[None], [], [4]])


@pytest.mark.parametrize(
    ("type_", "keys", "rising", "falling"),
    [
        ("int64", [2, None, HIGH, 2, None, HIGH - 1], [0, 3, 5, 2, 1, 4], [2, 5, 0, 3, 1, 4]),
        ("float64", [0.0, NAN, INF, -0.0, NAN, -INF], [5, 0, 3, 2, 1, 4], [2, 0, 3, 5, 1, 4]),
    ],
)
def test_sort_is_stable_and_puts_missing_keys_last(
    type_: str, keys: list[Any], rising: list[int], falling: list[int]
) -> None:
    x, by = jagged("int64", range(6), []), jagged(type_, keys, [])
    assert_is(run("sort", [x, by], descending=False), "jagged", "int64", [rising, []])
    assert_is(run("sort", [x, by], descending=True), "jagged", "int64", [falling, []])


# Elementary functions


def test_elementary_functions_at_their_poles() -> None:
    gamma = elementary("tgamma", np.array([0.0, -0.0, -1.0, 5.0, 172.0, INF, -INF, NAN, -1e-320])).tolist()
    assert repr(gamma) == repr([INF, -INF, NAN, 24.0, INF, INF, NAN, NAN, -INF])
    assert elementary("lgamma", np.array([0.0, -1.0, 1.0, 1e308, -INF])).tolist() == [INF, INF, 0.0, INF, INF]
    assert elementary("log", np.array([0.0, 1.0])).tolist() == [-INF, 0.0]


@pytest.mark.parametrize("name", sorted(ELEMENTARY))
def test_elementary_functions_may_come_from_elsewhere(name: str) -> None:
    asked: list[tuple[Any, ...]] = []

    def answer(*question: Any) -> NDArray[Any]:
        asked.append(question)
        return elementary(*question)

    x = 1.5 if name == "acosh" else 0.5
    number = 2 if name in ("pow", "atan2", "hypot") else 1
    steps = [load(0, "x", flat("float64", x)), {"op": "apply", "function": name, "in": [0] * number, "out": 1}]
    value = reference.evaluate(steps, 1, {"x": flat("float64", x)}, answer)
    assert asked == [(name, *[[x]] * number)]
    function = getattr(math, {"tgamma": "gamma"}.get(name, name))
    assert value.entries() == pytest.approx([function(*[x] * number)], rel=1e-15)
