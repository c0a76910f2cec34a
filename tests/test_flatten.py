"""The second pass, compared with the oracle bit for bit."""

from collections.abc import Callable
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep._reference import Column

from tests import forms
from tests.oracle import assert_same, expected
from tests.strategies import SEEDS, THREADS, Table, columns, record_tables, sliced, table_pairs, tables, widths_of

# Of branches whose lists are all empty a plan says that they have no column.
pytestmark = pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")

NORMALIZE = st.sampled_from(["minmax", "none"])
PAD_VALUES = st.sampled_from([0.0, -0.0, -1.0, 0.1, 1e-40, 3.4e38])


@pytest.mark.parametrize("form", forms.FORMS)
@given(table=tables(), seed=SEEDS, threads=THREADS)
def test_the_matrix_is_the_oracles(form: str, table: Table, seed: int, threads: int) -> None:
    specs = mlaas4hep.scan(forms.FORMS[form](table, np.random.default_rng(seed)))
    flat = mlaas4hep.flatten(forms.FORMS[form](table, np.random.default_rng(seed)), specs, threads=threads)
    assert_same(flat, expected(mlaas4hep.Plan(specs), table))


@given(data=st.data(), pair=table_pairs(), normalize=NORMALIZE, pad_value=PAD_VALUES, seed=SEEDS, threads=THREADS)
def test_specs_of_other_data(
    data: st.DataObject, pair: list[Table], normalize: str, pad_value: float, seed: int, threads: int
) -> None:
    random = np.random.default_rng(seed)
    specs = mlaas4hep.scan(forms.as_numpy(pair[0], random))
    widths = data.draw(widths_of(pair[0]))
    flat = mlaas4hep.flatten(
        forms.as_mixture(pair[1], random),
        specs,
        normalize=normalize,
        pad_value=pad_value,
        widths=widths,
        threads=threads,
    )
    plan = mlaas4hep.Plan(specs, normalize=normalize, pad_value=pad_value, widths=widths)
    assert_same(flat, expected(plan, pair[1]))


@given(parts=table_pairs(3), seed=SEEDS, normalize=NORMALIZE)
def test_merged_specs(parts: list[Table], seed: int, normalize: str) -> None:
    random = np.random.default_rng(seed)
    merged = mlaas4hep.Specs.merge([mlaas4hep.scan(forms.as_numpy(part, random)) for part in parts])
    plan = mlaas4hep.Plan(merged, normalize=normalize)
    for part in parts:
        assert_same(plan(forms.as_numpy(part, random)), expected(plan, part))


@pytest.mark.parametrize("form", [forms.as_awkward, forms.as_arrow_struct])
@given(drawn=record_tables(), seed=SEEDS)
def test_a_null_record_makes_every_column_missing(form: Callable[..., Any], drawn: Any, seed: int) -> None:
    table, valid, meant = drawn
    plan = mlaas4hep.Plan(mlaas4hep.scan(forms.as_numpy(table, np.random.default_rng(seed))))
    assert_same(plan(form(table, np.random.default_rng(seed), valid)), expected(plan, meant))


@pytest.mark.parametrize(
    "to", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
@given(column=columns(None, 33), normalize=NORMALIZE)
def test_every_type_becomes_every_other(to: str, column: Column, normalize: str) -> None:
    limits = np.array([0, 100], to)
    plan = mlaas4hep.Plan(mlaas4hep.scan({"x": limits}), normalize=normalize)
    table = {"x": column}
    assert_same(plan(forms.as_numpy(table, np.random.default_rng(1))), expected(plan, table))


@given(table=tables(), seed=SEEDS, cut=st.floats(0, 1))
def test_a_chunks_size_plays_no_part(table: Table, seed: int, cut: float) -> None:
    random = np.random.default_rng(seed)
    plan = mlaas4hep.Plan(mlaas4hep.scan(forms.as_numpy(table, random)))
    whole = plan(forms.as_numpy(table, random))
    events = len(whole.data)
    middle = int(cut * events)
    for start, stop in [(0, middle), (middle, events)]:
        part = {name: sliced(column, start, stop) for name, column in table.items()}
        flat = plan(forms.as_numpy({name: own(column) for name, column in part.items()}, random))
        assert flat.data.tobytes() == whole.data[start:stop].tobytes()
        assert flat.padding_mask.tobytes() == whole.padding_mask[start:stop].tobytes()


def own(column: Column) -> Column:
    """The column with offsets from 0 on, and no content that is not its own."""
    if column.offsets is None:
        return column
    start, stop = int(column.offsets[0]), int(column.offsets[-1])
    valid = None if column.valid is None else column.valid[start:stop]
    return Column(column.values[start:stop], valid, column.offsets - start, column.list_valid)


@pytest.mark.parametrize("seed", range(3))
def test_many_events(seed: int) -> None:
    """More blocks than threads, with widths on both sides of what a store of eight lanes writes."""
    random = np.random.default_rng(seed)
    events = 5000
    table = {}
    for number, longest in enumerate([1, 4, 8, 11, 40]):
        offsets = np.concatenate([[0], np.cumsum(random.poisson(longest / 2, events).clip(0, longest))]).astype(
            np.int64
        )
        for dtype in ("float32", "float64", "int64", "uint8", "bool"):
            values = (
                (random.normal(size=offsets[-1]) * 50).astype(dtype)
                if dtype != "uint8"
                else random.integers(0, 255, offsets[-1]).astype(dtype)
            )
            table[f"{dtype}_{number}x"] = Column(values, None, offsets)
        table[f"flat{number}"] = Column(random.normal(size=events).astype(np.float32))
    plan = mlaas4hep.Plan(mlaas4hep.scan(forms.as_numpy(table, random)))
    wanted = expected(plan, table)
    for threads in (1, 2, 3, 4, 16):
        assert_same(plan(forms.as_numpy(table, random), threads=threads), wanted)
