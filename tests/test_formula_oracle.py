"""Formulas, cuts and plans with them, compared with the oracle bit for bit, and with Awkward."""

import json
import re
from typing import Any

import awkward as ak
import mlaas4hep as m
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep import _reference as reference
from mlaas4hep.errors import ExpressionError
from numpy.typing import NDArray

from tests import forms
from tests.formulas import Formula, awkward, formulas, tables
from tests.oracle import assert_same
from tests.strategies import SEEDS, THREADS, Table

pytestmark = pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")

INFIX = {"pow": "a ** b"}


def elementary(name: str, *arrays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the core computes; how accurate that is, is tested elsewhere."""
    names = "ab"[: len(arrays)]
    data = dict(zip(names, map(np.ascontiguousarray, arrays), strict=True))
    found: NDArray[np.float64] = ak.to_numpy(m.evaluate(INFIX.get(name, f"{name}({', '.join(names)})"), data))
    return found


def schema(table: Table) -> dict[str, tuple[str, str]]:
    return {name: (column.kind, column.type) for name, column in table.items()}


def plan_of(table: Table, preproc: dict[str, Any], data: Any) -> m.Plan:
    return m.Plan(m.scan(data, preproc=preproc), normalize="none", preproc=preproc)


def event_of(error: BaseException) -> tuple[str, int]:
    """Return the kind of an error, and the event that it names."""
    if isinstance(error, (OverflowError, ValueError)) and not isinstance(error, ExpressionError):
        return ("lengths" if isinstance(error, ValueError) else "overflow"), int(error.args[0])
    found = re.match(r"event (\d+): (.*)", str(error))
    assert found, error
    return ("lengths" if "entries and" in found[2] else "overflow"), int(found[1])


def both(ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Return what both give, or None after both raise the same."""
    try:
        expected = theirs()
    except (OverflowError, ValueError) as error:
        wanted = event_of(error)
    else:
        return ours(), expected
    with pytest.raises(ExpressionError) as raised:
        ours()
    assert event_of(raised.value) == wanted
    return None, None


def value_of(table: Table, text: str) -> reference.Value:
    steps, slot = m._rust.Formulas.of_one(schema(table), text).steps()
    return reference.evaluate(json.loads(steps), slot, table, elementary)


def assert_equal(found: Any, expected: reference.Value, events: int) -> None:
    content, offsets, nulls = found
    if expected.shape == "constant":
        expected = expected.repeated(reference.Value("flat", "bool", np.zeros(events), np.zeros(events, np.bool_)))
    missing = np.zeros(len(content), np.bool_) if nulls is None else nulls
    if content.dtype == np.float64:
        wanted = np.where(expected.missing, np.nan, expected.values)
        nan = np.isnan(wanted)
        np.testing.assert_array_equal(np.isnan(content), nan)
        np.testing.assert_array_equal(content[~nan].view(np.uint64), wanted[~nan].view(np.uint64))
    else:
        np.testing.assert_array_equal(missing, expected.missing)
        np.testing.assert_array_equal(content[~missing], expected.values[~missing])
    if expected.lengths is None:
        assert offsets is None
    else:
        np.testing.assert_array_equal(np.diff(offsets), expected.lengths)


@given(data=st.data(), seed=SEEDS, threads=THREADS)
def test_values_are_the_oracles(data: st.DataObject, seed: int, threads: int) -> None:
    table = data.draw(tables())
    formula = data.draw(formulas(table, mismatched=True))
    columns = forms.as_mixture(table, np.random.default_rng(seed))
    ours, theirs = both(lambda: m._rust.evaluate(columns, formula.text, threads), lambda: value_of(table, formula.text))
    if theirs is not None:
        assert_equal(ours, theirs, len(next(iter(table.values()))))


@given(data=st.data())
def test_types_and_kinds_are_those_that_the_grammar_promises(data: st.DataObject) -> None:
    table = data.draw(tables())
    formula: Formula = data.draw(formulas(table))
    compiled = m._rust.Formulas(schema(table), [("new", formula.text, "", True, "")], [])
    kind = "jagged" if formula.lists else "flat"
    assert compiled.new_branches == {"new": (kind, formula.type)}


@given(data=st.data(), seed=SEEDS, threads=THREADS, training=st.booleans())
def test_plans_with_formulas_and_cuts_are_the_oracles(
    data: st.DataObject, seed: int, threads: int, training: bool
) -> None:
    table = data.draw(tables())
    new: Formula = data.draw(formulas(table))
    cuts = data.draw(st.lists(formulas(table, shape="flat", type_="bool", depth=2), max_size=2))
    preproc: dict[str, Any] = {
        "new_branch": {"new": {"def": new.text, "type": "jagged" if new.lists else "flat"}},
        "options": {f"cut_{number}": cut.text for number, cut in enumerate(cuts)},
    }
    columns = forms.as_numpy(table, np.random.default_rng(seed))
    given_ = m.Preprocessing.of(preproc)
    bound = m._rust.Formulas(
        schema(table),
        [("new", new.text, "", True, "")],
        [(cut.formula, "", False, cut.name, "") for cut in given_.cuts],
    )
    try:
        specs = m.scan(columns, preproc=preproc)
    except ExpressionError:
        return  # the oracle makes no specs; that both raise the same is tested with values
    assert bound.new_branches == {"new": ("jagged" if new.lists else "flat", new.type)}
    plan = m.Plan(specs, normalize="none", preproc=preproc)
    written = json.loads(plan.to_text())
    ours, theirs = both(
        lambda: plan(columns, threads=threads, training=training),
        lambda: reference.run(written, table, training, elementary),
    )
    if theirs is None:
        return
    if cuts:
        np.testing.assert_array_equal(ours.passed, theirs.passed)
        assert [count for _, count in ours.cutflow] == theirs.flow
    assert_same(ours, theirs)
    again = m.Plan._of(m._rust.Plan.from_json(plan.to_text()))
    assert again == plan
    assert again(columns).data.tobytes() == plan(columns).data.tobytes()


@given(data=st.data())
def test_awkward_says_the_same_of_floats(data: st.DataObject) -> None:
    table = data.draw(tables(restricted=True))
    formula: Formula = data.draw(formulas(table, restricted=True))
    columns = awkward(table)
    expected = formula.compute(columns)
    found = m.evaluate(formula.text, columns)
    left, right = (ak.to_numpy(ak.flatten(array, axis=None)) for array in (found, ak.Array(expected)))
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)
    if formula.lists:
        assert ak.num(found).to_list() == ak.num(expected).to_list()
