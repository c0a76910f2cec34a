"""The plan: what it is compiled to, its JSON and hash, what is refused, and where its rows go."""

import copy
import hashlib
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlaas4hep import Plan, Specs
from mlaas4hep.errors import BranchError, MLaaSError, Note, ParamsError, SpecsError
from numpy.typing import NDArray

from tests import forms
from tests.oracle import assert_same, expected
from tests.strategies import SEEDS, THREADS, Table, tables, widths_of

# Of branches whose lists are all empty a plan says that they have no column.
pytestmark = pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")

DATA = {"ht": np.array([1, 3], np.float32), "jetPt": (np.array([0, 2, 3]), np.array([5, 6, 7], np.int16))}
Out = tuple[NDArray[Any], NDArray[Any]]


def filled(rows: int, columns: int, data: Any = np.float32, mask: Any = np.bool_) -> Out:
    return np.full((rows, columns), 7, data), np.ones((rows, columns), mask)


# Compiling


def compiled(specs: Specs, normalize: str, pad_value: float, widths: dict[str, int]) -> dict[str, Any]:
    """The plan's JSON, from its description."""
    names: list[str] = []
    steps: list[dict[str, Any]] = []
    for branch in sorted(specs.fkeys) + sorted(specs.jkeys):
        flat = branch in specs.fkeys
        width = 1 if flat else widths.get(branch, specs.jdim[branch])
        number = len(steps) // 4 * 3
        scale = {"op": "scale", "in": number, "out": number + 1, "normalize": normalize}
        if normalize == "minmax":
            scale |= {"min": specs.minv[branch], "max": specs.maxv[branch]}
        kind = "flat" if flat else "jagged"
        steps += [
            {"op": "load", "out": number, "branch": branch, "kind": kind, "type": specs.types[branch]},
            scale,
            {"op": "pad", "in": number + 1, "out": number + 2, "width": width, "value": pad_value},
            {"op": "store", "in": number + 2, "column": len(names)},
        ]
        names += [branch] if flat else [f"{branch}_{place}" for place in range(width)]
    return {"version": 1, "columns": names, "pad_value": pad_value, "steps": steps}


@given(
    data=st.data(),
    table=tables(),
    seed=SEEDS,
    normalize=st.sampled_from(["minmax", "none"]),
    pad_value=st.floats(width=32, allow_nan=False, allow_infinity=False),
)
def test_a_plan_is_what_the_specs_say(
    data: st.DataObject, table: Table, seed: int, normalize: str, pad_value: float
) -> None:
    random = np.random.default_rng(seed)
    specs = mlaas4hep.scan(forms.as_numpy(table, random))
    widths = data.draw(widths_of(table))
    plan = Plan(specs, normalize=normalize, pad_value=pad_value, widths=widths)
    json_ = json.dumps(compiled(specs, normalize, pad_value, widths), sort_keys=True)
    assert json.dumps(json.loads(plan.to_text()), sort_keys=True) == json_
    assert plan.names == json.loads(json_)["columns"]
    assert plan.branches == specs.branches
    assert plan.widths == specs.jdim | widths


@given(table=tables(), seed=SEEDS)
def test_json_and_hash_are_canonical_and_read_back_equal(table: Table, seed: int) -> None:
    random = np.random.default_rng(seed)
    plan = Plan(mlaas4hep.scan(forms.as_numpy(table, random)))
    same = Plan(mlaas4hep.scan(forms.as_awkward(dict(reversed(table.items())), random)))
    read: Plan = pickle.loads(pickle.dumps(plan))
    for other in (same, read):
        assert (other.to_text(), other.hash, other) == (plan.to_text(), plan.hash, plan)
        assert hash(other) == hash(plan)
    assert plan.hash == hashlib.sha256(plan.to_text().encode()).hexdigest()
    assert_same(read(forms.as_numpy(table, random)), expected(plan, table))


def test_the_hash_is_the_same_everywhere() -> None:
    assert Plan(mlaas4hep.scan(DATA)).hash == "08046672bebd62ace4320912499c0338ef998a8415a60e3a1b20c4164b6d770d"


def test_different_plans_are_not_equal() -> None:
    specs = mlaas4hep.scan(DATA)
    plans = [Plan(specs), Plan(specs, normalize="none"), Plan(specs, pad_value=-1), Plan(specs, widths={"jetPt": 1})]
    assert len(set(plans)) == len({plan.hash for plan in plans}) == 4
    assert plans[0] != plans[0].hash


def test_a_file_is_read_back(tmp_path: Path) -> None:
    plan = Plan(mlaas4hep.scan(DATA))
    plan.to_json(tmp_path / "plan.json")
    assert Plan.from_json(tmp_path / "plan.json") == plan
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("widths", [{}, {"x": 2}])
def test_a_clash_of_names_is_refused(widths: dict[str, int]) -> None:
    specs = mlaas4hep.scan({"x_1": np.ones(2), "x": np.ones((2, 3))})
    with pytest.raises(MLaaSError, match=r"two columns of the matrix would be called 'x_1': from branch 'x_1' and"):
        Plan(specs, widths=widths)
    assert Plan(specs, widths={"x": 1}).names == ["x_1", "x_0"]


def test_names_that_only_look_alike_do_not_clash() -> None:
    specs = mlaas4hep.scan({"x_01": np.ones(2), "x_": np.ones(2), "x": np.ones((2, 2)), "x_0": np.ones((2, 1))})
    assert Plan(specs).names == ["x_", "x_01", "x_0", "x_1", "x_0_0"]


@pytest.mark.parametrize("specs", [mlaas4hep.scan(DATA), mlaas4hep.scan({**DATA, "jetPt": np.ones((2, 0))})])
def test_width_0_gives_no_column_and_a_note(specs: Specs) -> None:
    with pytest.warns(Note, match="jetPt"):
        plan = Plan(specs, widths={"jetPt": 0})
    assert plan.names == ["ht"]
    assert plan(DATA).truncated == {"jetPt": 3}


# Arguments


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"normalize": "min-max"},
            ParamsError,
            "normalize is 'min-max'; it must be 'minmax', 'standard', 'robust' or 'none'",
        ),
        ({"normalize": None}, ParamsError, "normalize is None; it must be 'minmax', 'standard', 'robust' or"),
        ({"pad_value": np.nan}, ParamsError, "pad_value is nan; it must be a finite float32 number"),
        ({"pad_value": 1e300}, ParamsError, "; it must be a finite float32 number"),
        ({"pad_value": "0"}, ParamsError, "pad_value is '0'; it must be a finite float32 number"),
        ({"widths": {"jetPt": -1}}, ParamsError, "widths: branch 'jetPt' has -1; it must be a whole number"),
        ({"widths": {"jetPt": 1.5}}, ParamsError, "widths: branch 'jetPt' has 1.5; it must be a whole number"),
        ({"widths": {"jetPt": True}}, ParamsError, "widths: branch 'jetPt' has True; it must be a whole number"),
        ({"widths": {"jetPt": 2**40}}, ParamsError, "the matrix would have 1099511627777 columns; at most"),
        ({"widths": {"jetPt": 2**70}}, ParamsError, "columns"),
        ({"widths": {"ht": 2}}, ParamsError, "widths: branch 'ht' is flat; only jagged branches have a width"),
        ({"widths": {"jetpt": 2}}, BranchError, "branch 'jetpt' is not in the specs (did you mean 'jetPt'?)"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    specs = mlaas4hep.scan(DATA)
    with pytest.raises(error, match=re.escape(message)):
        Plan(specs, **arguments)
    with pytest.raises(error, match=re.escape(message)):
        mlaas4hep.flatten(DATA, specs, **arguments)


def test_specs_must_be_specs() -> None:
    with pytest.raises(SpecsError, match="specs is a dict; it must be Specs, as scan returns them"):
        mlaas4hep.flatten(DATA, {})  # type: ignore[arg-type]


def change(*path: str | int, value: Any) -> Callable[[Any], None]:
    def put(plan: Any) -> None:
        for key in path[:-1]:
            plan = plan[key]
        plan[path[-1]] = value

    return put


DAMAGE = {
    "version": (change("version", value=2), "version 2 is newer than this program, which knows version 1"),
    "step": (change("steps", 0, "op", value="cut"), "key 'op' of step 0 is \"cut\"; it must be"),
    "normalize": (change("steps", 1, "normalize", value="z"), "key 'normalize' of step 1 is \"z\"; it must be"),
    "input": (change("steps", 1, "in", value=7), "key 'in' of step 1 is 7; it must be a loaded value"),
    "half a range": (change("steps", 1, "min", value=None), "key 'min' of step 1 is null; it must be null together"),
    "no range": (change("steps", 1, "min", value=99.0), "key 'min' of step 1 is 99.0; it must be at most max"),
    "type": (change("steps", 0, "type", value="f"), "key 'type' of step 0 is \"f\"; it must be the name of a type"),
    "kind": (change("steps", 0, "kind", value="f"), 'key \'kind\' of step 0 is "f"; it must be "flat" or "jagged"'),
    "width": (change("steps", 6, "width", value=-1), "key 'width' of step 6 is -1; it must be a whole number"),
    "flat width": (change("steps", 2, "width", value=2), "step"),
    "column": (change("steps", 7, "column", value=0), "step 4 is out of place"),
    "names": (change("columns", value=["a", "b", "c"]), "columns"),
    "fill": (change("steps", 6, "value", value=1.0), "key 'value' of step 6 is 1.0"),
    "twice": (change("steps", 4, "branch", value="ht"), "step 4 is out of place"),
    "steps": (change("steps", value=None), "key 'steps'"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_plan_is_refused_with_what_and_where(
    tmp_path: Path, damage: Callable[[Any], None], message: str
) -> None:
    path = tmp_path / "plan.json"
    plan = json.loads(Plan(mlaas4hep.scan(DATA)).to_text())
    damage(plan)
    path.write_text(json.dumps(plan))
    with pytest.raises(SpecsError, match=f"^{re.escape(str(path))}: .*{re.escape(message)}"):
        Plan.from_json(path)


def test_a_plan_that_lacks_anything_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    whole = json.loads(Plan(mlaas4hep.scan(DATA)).to_text())
    places: list[tuple[Any, ...]] = [(key,) for key in whole]
    places += [("steps", number, key) for number, step in enumerate(whole["steps"]) for key in step]
    for *place, key in places:
        plan = copy.deepcopy(whole)
        part = plan
        for step in place:
            part = part[step]
        del part[key]
        path.write_text(json.dumps(plan))
        with pytest.raises(SpecsError, match=f"'{key}'"):
            Plan.from_json(path)
    path.write_text('{"version": 1,\n')
    with pytest.raises(SpecsError, match=r"plan\.json, line 2"):
        Plan.from_json(path)


# out= and rows


@given(table=tables(), seed=SEEDS, behind=st.integers(0, 3), threads=THREADS)
def test_out_is_filled_in_place_and_no_further(table: Table, seed: int, behind: int, threads: int) -> None:
    random = np.random.default_rng(seed)
    plan = Plan(mlaas4hep.scan(forms.as_numpy(table, random)))
    wanted = expected(plan, table)
    events, columns = wanted.data.shape
    data, mask = filled(events + behind, columns)
    flat = plan(forms.as_numpy(table, random), out=(data, mask), threads=threads)
    assert_same(flat, wanted)
    if flat.data.size:
        assert np.shares_memory(flat.data, data)
        assert np.shares_memory(flat.padding_mask, mask)
        assert flat.data.ctypes.data == data.ctypes.data
    assert (data[events:] == 7).all()
    assert mask[events:].all()
    assert_same(mlaas4hep.Flat(data[:events], mask[:events], tuple(plan.names), flat.truncated, flat.missing), wanted)


@given(table=tables(), seed=SEEDS, share=st.sampled_from([0.0, 0.5, 0.9, 1.0]), threads=THREADS)
def test_rows_go_where_the_map_says(table: Table, seed: int, share: float, threads: int) -> None:
    random = np.random.default_rng(seed)
    plan = Plan(mlaas4hep.scan(forms.as_numpy(table, random)))
    whole = expected(plan, table)
    events, columns = whole.data.shape
    rows = random.permutation(events + 5)[:events]
    rows[random.random(events) >= share] = -1
    data, mask = filled(events + 5, columns)
    flat = plan.place(forms.as_mixture(table, random), rows, (data, mask), threads=threads)
    wanted, wanted_mask = filled(events + 5, columns)
    wanted[rows[rows >= 0]], wanted_mask[rows[rows >= 0]] = whole.data[rows >= 0], whole.padding_mask[rows >= 0]
    assert data.tobytes() == wanted.tobytes()
    assert mask.tobytes() == wanted_mask.tobytes()
    if (rows >= 0).all():
        assert (flat.truncated, flat.missing) == (whole.truncated, whole.missing)
    if (rows < 0).all():
        assert (flat.truncated, flat.missing) == ({}, {})


def test_only_placed_events_are_counted() -> None:
    data = {"x": np.array([np.nan, np.nan, 1.0]), "y": np.ones((3, 4))}
    plan = Plan(mlaas4hep.scan(data), widths={"y": 1})
    flat = plan.place(data, np.array([-1, 0, -1]), (*filled(1, 2),))
    assert (flat.missing, flat.truncated) == ({"x": 1}, {"y": 3})


def locked(which: int) -> Out:
    out = filled(2, 3)
    out[which].flags.writeable = False
    return out


OUT: dict[str, tuple[Any, str]] = {
    "rows": (filled(1, 3), "the matrix has 1 rows, but at least 2 are needed"),
    "wide": (
        filled(2, 4),
        "the matrix is of shape (2, 4); it must be a writeable, C-ordered float32 array of 3 columns",
    ),
    "narrow": (filled(2, 2), "the matrix is of shape (2, 2)"),
    "flat": ((np.zeros(6, np.float32), np.zeros(6, bool)), "the matrix is of shape (6,)"),
    "type": (filled(2, 3, data=np.float64), "the matrix is of type float64"),
    "endian": (filled(2, 3, data=">f4"), "the matrix is of type >f4"),
    "mask type": (
        filled(2, 3, mask=np.uint8),
        "the padding mask is of type uint8; it must be a writeable, C-ordered bool",
    ),
    "mask rows": ((filled(2, 3)[0], filled(1, 3)[1]), "the matrix has 2 rows and the padding mask 1"),
    "order": (tuple(np.asfortranarray(part) for part in filled(2, 3)), "the matrix is not C-ordered"),
    "strided": (tuple(part[:, ::2] for part in filled(2, 6)), "the matrix is not C-ordered"),
    "read-only": (locked(0), "the matrix is read-only"),
    "read-only mask": (locked(1), "the padding mask is read-only"),
    "lists": (([[0.0]], [[True]]), "the matrix is a list"),
    "one array": (filled(2, 3)[0], "out"),
    "three arrays": ((*filled(2, 3), None), "out"),
}


@pytest.mark.parametrize(("out", "message"), OUT.values(), ids=OUT.keys())
def test_out_must_fit(out: Any, message: str) -> None:
    with pytest.raises(ParamsError, match=re.escape(message)):
        mlaas4hep.flatten(DATA, out=out)


def test_matrix_and_mask_may_not_overlap() -> None:
    memory = np.zeros(100, np.float32)
    out = memory[:6].reshape(2, 3), memory.view(np.bool_)[:6].reshape(2, 3)
    with pytest.raises(ParamsError, match="out"):
        mlaas4hep.flatten(DATA, out=out)


def test_out_may_not_be_a_column() -> None:
    out = filled(2, 1)
    with pytest.raises(ParamsError, match="out shares memory with branch 'x', from which it is to be filled"):
        mlaas4hep.flatten({"x": out[0][:, 0]}, out=out)


ROWS = {
    "twice": ([1, 1], "rows: two events go to row 1"),
    "high": ([1, 5], "rows: event 1 goes to row 5, but the output has 5 rows"),
    "low": ([1, -2], "rows: event 1 goes to row -2, but the output has 5 rows"),
    "few": ([1], "rows: there are 1 rows for 2 events"),
    "many": ([1, 2, 3], "rows: there are 3 rows for 2 events"),
}


@pytest.mark.parametrize(("rows", "message"), ROWS.values(), ids=ROWS.keys())
def test_rows_must_fit(rows: list[int], message: str) -> None:
    out = filled(5, 3)
    with pytest.raises(ParamsError, match=re.escape(message)):
        Plan(mlaas4hep.scan(DATA)).place(DATA, np.array(rows), out)
    assert (out[0] == 7).all()
    assert out[1].all()
