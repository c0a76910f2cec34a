"""What Hypothesis is given to draw: formulas that are well typed, and that Awkward Array can compute."""

import ast

import awkward as ak
from hypothesis import given
from hypothesis import strategies as st

from tests import formulas as f


@given(st.data())
def test_formulas_are_python_of_the_columns(data: st.DataObject) -> None:
    table = data.draw(f.tables())
    shape, type_ = data.draw(st.sampled_from([("flat", "bool"), ("jagged", "bool"), ("flat", None), ("jagged", None)]))
    formula = data.draw(f.formulas(table, shape=shape, type_=type_, mismatched=True))
    names = {node.id for node in ast.walk(ast.parse(formula.text, mode="eval")) if isinstance(node, ast.Name)}
    assert names & set(table)
    assert formula.shape == shape
    assert formula.type in ({"bool"} if type_ else {"bool", "int64", "float64"})


@given(st.data())
def test_awkward_computes_what_the_restricted_formulas_say_they_are(data: st.DataObject) -> None:
    table = data.draw(f.tables(restricted=True))
    formula = data.draw(f.formulas(table, restricted=True))
    found = formula.compute(f.awkward(table))
    lists = "var * " if formula.shape == "jagged" else ""
    assert str(ak.type(found)) == f"{len(table['ht'])} * {lists}{formula.type}"
