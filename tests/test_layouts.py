"""Normalisations, fills, truncation, wrapping and layouts, compared with the oracle bit for bit."""

import pickle
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep import Plan
from numpy.typing import NDArray

from tests import forms
from tests.layouts import plans
from tests.oracle import assert_same, expected
from tests.strategies import SEEDS, THREADS, Table, tables

# Of branches whose lists are all empty a plan says that they have no column.
pytestmark = pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")


@given(data=st.data(), table=tables(), seed=SEEDS, threads=THREADS)
def test_every_option_does_what_the_oracle_says(data: st.DataObject, table: Table, seed: int, threads: int) -> None:
    random = np.random.default_rng(seed)
    plan = data.draw(plans(mlaas4hep.scan(forms.as_numpy(table, random)), table))
    assert_same(plan(forms.as_mixture(table, random), threads=threads), expected(plan, table))


@given(data=st.data(), table=tables(), seed=SEEDS)
def test_plans_read_back_equal(data: st.DataObject, table: Table, seed: int) -> None:
    plan = data.draw(plans(mlaas4hep.scan(forms.as_numpy(table, np.random.default_rng(seed))), table))
    read: Plan = pickle.loads(pickle.dumps(plan))
    assert (read.to_text(), read.hash, read) == (plan.to_text(), plan.hash, plan)
    assert (read.layout, read.collections, read.shapes) == (plan.layout, plan.collections, plan.shapes)


@given(data=st.data(), table=tables(), seed=SEEDS, share=st.sampled_from([0.0, 0.5, 1.0]), threads=THREADS)
def test_rows_of_every_tensor_go_where_the_map_says(
    data: st.DataObject, table: Table, seed: int, share: float, threads: int
) -> None:
    random = np.random.default_rng(seed)
    plan = data.draw(plans(mlaas4hep.scan(forms.as_numpy(table, random)), table))
    whole = expected(plan, table)
    events = len(whole.data)
    rows = random.permutation(events + 5)[:events]
    rows[random.random(events) >= share] = -1
    made = {"matrix": (whole.data, whole.padding_mask), **whole.tensors}
    out = {name: (sevens(array, events + 5), sevens(mask, events + 5)) for name, (array, mask) in made.items()}
    wanted = {name: (array.copy(), mask.copy()) for name, (array, mask) in out.items()}
    for name, pair in made.items():
        for array, part in zip(wanted[name], pair, strict=True):
            array[rows[rows >= 0]] = part[rows >= 0]
    plan.place(forms.as_mixture(table, random), rows, out, threads=threads)
    for name in made:
        assert [part.tobytes() for part in out[name]] == [part.tobytes() for part in wanted[name]]


def sevens(like: NDArray[Any], rows: int) -> NDArray[Any]:
    """An array with so many rows of that shape, in which something stands."""
    return np.full((rows, *like.shape[1:]), 7).astype(like.dtype)
