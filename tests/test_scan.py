"""The first pass, compared with the oracle on columns in every form."""

import math
import pickle
from collections.abc import Callable
from typing import Any

import awkward as ak
import mlaas4hep
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from mlaas4hep import _reference as reference
from mlaas4hep._rust import Masked

from tests import forms
from tests.oracle import canonical, specs_text
from tests.strategies import DTYPES, SEEDS, THREADS, Table, record_tables, tables


@pytest.mark.parametrize("form", forms.FORMS)
@given(table=tables(), seed=SEEDS, threads=THREADS)
def test_specs_are_the_oracles(form: str, table: Table, seed: int, threads: int) -> None:
    data = forms.FORMS[form](table, np.random.default_rng(seed))
    assert specs_text(mlaas4hep.scan(data, threads=threads)) == canonical(reference.scan(table))


@pytest.mark.parametrize("form", [forms.as_awkward, forms.as_arrow_struct])
@given(drawn=record_tables(), seed=SEEDS)
def test_a_null_record_makes_every_column_missing(form: Callable[..., Any], drawn: Any, seed: int) -> None:
    table, valid, meant = drawn
    specs = mlaas4hep.scan(form(table, np.random.default_rng(seed), valid))
    assert specs_text(specs) == canonical(reference.scan(meant))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_keeps_its_name_and_its_limits(dtype: str) -> None:
    kind = np.dtype(dtype).kind
    limits = [False, True] if kind == "b" else [np.finfo(dtype).min, np.finfo(dtype).max] if kind == "f" else []
    values = np.array(limits or [np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
    specs = mlaas4hep.scan({"x": values})
    assert specs.types == {"x": "float32" if dtype == "float16" else dtype}
    assert [specs.minv["x"], specs.maxv["x"]] == values.tolist()
    assert type(specs.minv["x"]) is (float if kind == "f" else int)


def test_integers_beyond_2_to_53_are_exact() -> None:
    specs = mlaas4hep.scan({"x": np.array([2**53 + 1, 2**63 - 1]), "y": np.array([0, 2**64 - 1], np.uint64)})
    assert (specs.minv["x"], specs.maxv["x"], specs.maxv["y"]) == (2**53 + 1, 2**63 - 1, 2**64 - 1)
    assert '"x": 9007199254740993' in specs.to_text()


@pytest.mark.parametrize("values", [[-0.0], [-0.0, 0.0], [0.0, -0.0]])
def test_a_zero_is_stored_without_a_sign(values: list[float]) -> None:
    specs = mlaas4hep.scan({"x": np.array(values)})
    assert [math.copysign(1, specs.minv["x"] or 0.0), math.copysign(1, specs.maxv["x"] or 0.0)] == [1, 1]
    assert "-0" not in specs.to_text()


def test_where_nothing_is_finite_there_is_no_range() -> None:
    specs = mlaas4hep.scan({"x": np.array([np.nan, np.inf, -np.inf])})
    assert (specs.minv, specs.maxv) == ({"x": None}, {"x": None})
    assert specs.counts == {"x": {"values": 3, "nulls": 0, "nan": 1, "inf": 2}}


def test_a_null_list_is_empty_and_counts_one_null() -> None:
    specs = mlaas4hep.scan(ak.Array({"x": [[1, None], None, [], [3]]}))
    assert specs.counts == {"x": {"values": 3, "nulls": 2, "nan": 0, "inf": 0}}
    assert specs.jdim == {"x": 2}


@pytest.mark.parametrize("values", [np.ones((2, 3)), pa.array([[1.0] * 3] * 2, pa.list_(pa.float64(), 3))])
def test_lists_of_one_length_are_jagged(values: Any) -> None:
    specs = mlaas4hep.scan({"x": values})
    assert (specs.fkeys, specs.jkeys, specs.jdim) == ([], ["x"], {"x": 3})


def test_names_are_sorted_by_code_points() -> None:
    names = ["b", "a", "B", "\U0001f600", "\uffff", "é", "_"]
    assert mlaas4hep.scan({name: np.zeros(1) for name in names}).fkeys == sorted(names)


@given(table=tables(), seed=SEEDS)
def test_scanning_changes_nothing(table: Table, seed: int) -> None:
    """Arrays that may not be written are taken, and stay as they are."""
    data = forms.as_numpy(table, np.random.default_rng(seed))
    before = pickle.dumps([array.tobytes() for array in arrays(data)])
    for array in arrays(data):
        array.flags.writeable = False
    mlaas4hep.scan(data)
    assert pickle.dumps([array.tobytes() for array in arrays(data)]) == before


def arrays(value: Any) -> list[Any]:
    """All NumPy arrays in a dict of columns."""
    if isinstance(value, dict):
        return [array for column in value.values() for array in arrays(column)]
    if isinstance(value, tuple):
        return [array for part in value for array in arrays(part)]
    if isinstance(value, Masked):
        return [*arrays(value.values), value.mask]
    return [value.data, value.mask] if isinstance(value, np.ma.MaskedArray) else [value]
