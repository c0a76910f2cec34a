"""Numbers that mean none: what users write, and what they do in both passes, compared with the oracle."""

import json
from pathlib import Path
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep import _reference as reference
from mlaas4hep.errors import ParamsError, SpecsError
from mlaas4hep.sentinels import resolve_sentinels

from tests import forms
from tests.dataset import files
from tests.oracle import assert_same, canonical, expected, specs_text
from tests.sources.files import write
from tests.strategies import SEEDS, THREADS, Table, tables

DATA = {
    "mass": np.array([125.0, -999.0, 90.0], np.float32),
    "jets": np.array([2, 0, -999]),
    "jetPt": (np.array([0, 2, 2, 3]), np.array([50.0, -999.0, -999.9])),
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[Table, dict[str, list[float]]]:
    """Draw columns, and for some of them numbers that occur there, or nearly."""
    table = draw(tables())
    chosen = {}
    for name, column in table.items():
        values = column.values[np.isfinite(column.values)].tolist()
        if values and column.type != "bool" and draw(st.booleans()):
            numbers = st.sampled_from(values) | st.sampled_from([-999, 0, 1.5, -999.9, 2**63])
            chosen[name] = draw(st.lists(numbers, min_size=1, max_size=3, unique=True))
    return table, chosen


@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
@given(case=cases(), seed=SEEDS, threads=THREADS)
def test_both_passes_are_the_oracles(case: tuple[Table, dict[str, list[float]]], seed: int, threads: int) -> None:
    table, chosen = case
    random = np.random.default_rng(seed)
    specs = mlaas4hep.scan(forms.as_mixture(table, random), sentinels=chosen, threads=threads)
    assert specs_text(specs) == canonical(reference.scan(table, chosen))
    plan = mlaas4hep.Plan(specs)
    assert_same(plan(forms.as_mixture(table, random), threads=threads), expected(plan, table))


def test_they_are_masked_and_have_no_part_in_the_range() -> None:
    given: Any = {"*": -999, "jetPt": [-999.9]}
    specs = mlaas4hep.scan(DATA, sentinels=given)
    assert specs.sentinels == {"jetPt": [-999.9, -999], "jets": [-999], "mass": [-999]}
    assert (specs.minv, specs.maxv) == (
        {"jetPt": 50.0, "jets": 0, "mass": 90.0},
        {"jetPt": 50.0, "jets": 2, "mass": 125.0},
    )
    assert specs.counts["jetPt"] == {"values": 3, "nulls": 2, "nan": 0, "inf": 0}
    flat = mlaas4hep.flatten(DATA, specs)
    assert flat.names == ["jets", "mass", "jetPt_0", "jetPt_1"]
    assert flat.padding_mask.tolist() == [
        [False, False, False, True],
        [False, True, True, True],
        [True, False, True, True],
    ]
    assert flat.data[0].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert flat.missing == {"jets": 1, "mass": 1, "jetPt": 2}


def test_formulas_and_cuts_see_nulls() -> None:
    preproc = {"new_branch": {"twice": {"def": "mass*2", "type": "flat"}}, "flat_cut": {"jets": {"cut": "jets>=0"}}}
    specs = mlaas4hep.scan(DATA, preproc=preproc, sentinels=-999)
    assert (specs.minv["twice"], specs.maxv["twice"]) == (250.0, 250.0)
    assert specs.counts["twice"]["nan"] == 1
    plan = mlaas4hep.Plan(specs, preproc=preproc)
    flat = plan(DATA)
    assert flat.passed is not None
    assert flat.passed.tolist() == [True, True, False]
    column = flat.names.index("twice")
    assert flat.padding_mask[:, column].tolist() == [False, True]
    result = reference.run(json.loads(plan.to_text()), {name: _column(value) for name, value in DATA.items()})
    assert_same(flat, result)


def _column(value: Any) -> reference.Column:
    return reference.Column(value[1], None, value[0]) if isinstance(value, tuple) else reference.Column(value)


def test_specs_and_plans_keep_them(tmp_path: Path) -> None:
    specs = mlaas4hep.scan(DATA, sentinels=-999)
    specs.to_json(tmp_path / "specs.json")
    assert mlaas4hep.Specs.from_json(tmp_path / "specs.json") == specs
    plan = mlaas4hep.Plan(specs)
    plan.to_json(tmp_path / "plan.json")
    again = mlaas4hep.Plan.from_json(tmp_path / "plan.json")
    assert again == plan
    assert again != mlaas4hep.Plan(mlaas4hep.scan(DATA))
    assert again(DATA).padding_mask.tobytes() == plan(DATA).padding_mask.tobytes()
    assert specs.select(["mass"]).sentinels == {"mass": [-999]}


def test_what_does_not_fit_together_is_refused() -> None:
    one, other = mlaas4hep.scan(DATA, sentinels=-999), mlaas4hep.scan(DATA)
    with pytest.raises(SpecsError, match=r"^specs cannot be merged: they were made with different sentinels$"):
        mlaas4hep.Specs.merge([one, other])
    with pytest.raises(ParamsError, match="sentinels are given beside specs, which know their own"):
        mlaas4hep.flatten(DATA, other, sentinels=-999)
    text = mlaas4hep.Plan(one).to_text().replace("[-999]", '["-999"]', 1)
    with pytest.raises(SpecsError, match=r"'sentinels' of step 0 is \[\"-999\"\]; it must be a list of finite numbers"):
        mlaas4hep.Plan._of(mlaas4hep._rust.Plan.from_json(text))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mas": -999}, "sentinels: there is no branch 'mas' (did you mean 'mass'?)"),
        ("-999", "sentinels must be a finite number, a list of them, or an object of these by names and globs of "
         "branches: '-999' is none"),
        ({"mass": [1, float("nan")]}, "nan is none"),
        (True, "True is none"),
        ({"mass": {"x": 1}}, "{'x': 1} is none"),
    ],
)  # fmt: skip
def test_what_a_user_can_get_wrong(given: Any, message: str) -> None:
    with pytest.raises(ParamsError) as error:
        mlaas4hep.scan(DATA, sentinels=given)
    assert message in str(error.value)


def test_globs_and_numbers_of_numpy() -> None:
    given: Any = {"jet*": np.int16(-9), "mass": [np.float32(0.5)]}
    assert resolve_sentinels(given, DATA) == {
        "mass": [0.5],
        "jets": [-9],
        "jetPt": [-9],
    }
    assert resolve_sentinels(None, DATA) == {}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_dataset_of_files(threads: int, tmp_path: Path) -> None:
    columns = files.columns(500, 0)
    columns["x"][:100] = -999
    columns["count"][50:150] = -999
    path = write(tmp_path / "a.root", {"events": columns})
    preproc = {"new_branch": {"y": {"def": "x+count", "type": "flat"}}}
    dataset = mlaas4hep.Dataset([path], select=files.INPUTS, preproc=preproc, sentinels=-999, threads=threads)
    (chunk,) = dataset.chunks(-1, shuffle=False)
    column = {name: dataset.names.index(name) for name in ("x", "count", "y")}
    absent = ~np.isfinite(columns["x"]) | (columns["x"] == -999)
    assert (chunk.padding_mask[:, column["x"]] == absent).all()
    assert (chunk.padding_mask[:, column["count"]] == (columns["count"] == -999)).all()
    assert (chunk.padding_mask[:, column["y"]] == (absent | (columns["count"] == -999))).all()
    assert dataset.specs().minv["count"] == columns["count"][columns["count"] != -999].min()
    with pytest.raises(SpecsError, match="made with other sentinels"):
        mlaas4hep.Dataset([path], select=["x"], specs=mlaas4hep.Dataset([path], select=["x"]).specs(), sentinels=-999)
    again = mlaas4hep.Dataset([path], preproc=preproc, specs=dataset.specs())
    (same,) = again.chunks(-1, shuffle=False)
    assert same.padding_mask.tobytes() == chunk.padding_mask.tobytes()
    assert same.data.tobytes() == chunk.data.tobytes()


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
def test_a_label_that_means_none(dtype: type, tmp_path: Path) -> None:
    label: Any = np.where(np.arange(60) % 3, np.arange(60) % 2, -999).astype(dtype)
    path = files.make(tmp_path / "a.root", 60, 0, label=label)
    for sentinels in (-999, {"label": [-999, -1e300]}):
        dataset = mlaas4hep.Dataset(path, "label", select=["x"], sentinels=sentinels)
        assert (dataset.label_values, dataset.left_out, len(dataset)) == ([0, 1], 20, 40)
        again = mlaas4hep.Dataset(path, "label", select=["x"], sentinels=sentinels, specs=dataset.specs())
        assert (again.label_values, again.left_out) == ([0, 1], 20)
        assert again.specs() == dataset.specs()


def test_numbers_that_can_be_gone_through_once() -> None:
    assert resolve_sentinels(iter([-999, -1]), ["x"]) == {"x": [-999, -1]}
    assert resolve_sentinels({"x": iter([-999])}, ["x"]) == {"x": [-999]}


def test_a_number_that_is_too_large() -> None:
    with pytest.raises(ParamsError, match="sentinels must be a finite number"):
        resolve_sentinels(10**400, ["x"])
