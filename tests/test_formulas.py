"""``evaluate``, ``select``, and plans with formulas and cuts, on columns in memory."""

import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import mlaas4hep as m
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from mlaas4hep.errors import BranchError, ColumnError, ExpressionError, ParamsError, SpecsError

JETS = np.array([0, 2, 3, 3])
DATA: dict[str, Any] = {
    "met": np.array([30.0, 80.0, np.nan]),
    "nJets": np.array([2, 1, 0], np.int32),
    "evtNo": np.array([2**53 + 1, 2**53, -(2**63)], np.int64),
    "isMC": np.array([True, False, True]),
    "jetPt": (JETS, np.array([90, 40, 120], np.float32)),
    "jetEta": (JETS, np.array([0.5, -1.5, 2.0], np.float32)),
    "lepPt": (np.array([0, 1, 1, 2]), np.array([20, 30], np.float32)),
}
PREPROC = {
    "new_branch": {
        "logPt": {"def": "log(jetPt)", "type": "jagged", "cut_1": ["logPt<4.7", "any"], "keys_to_remove": ["jetPt"]},
        "square": {"def": "nJets**2", "type": "flat", "cut": "0<=square<=16", "remove": "False"},
    },
    "flat_cut": {"met": {"cut": "met>10"}},
}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("met * 2", [60.0, 160.0, np.nan]),
        ("nJets // 2 + 1", [2, 1, 1]),
        ("evtNo == 9007199254740992.0", [False, True, False]),
        ("7 // nJets", [3, 7, None]),
        ("1 <= nJets < 2", [False, True, False]),
        ("jetPt[jetEta > 0]", [[90.0], [120.0], []]),
        ("jetPt[1]", [40.0, np.nan, np.nan]),
        ("sum(jetPt)", [130.0, 120.0, 0.0]),
        ("max(jetPt)", [90.0, 120.0, np.nan]),
        ("argmax(jetEta)", [0, 0, None]),
        ("sort(jetPt)", [[40.0, 90.0], [120.0], []]),
        ("jetPt > nJets * 50", [[False, False], [True], []]),
        ("1", [1, 1, 1]),
        ("where(isMC, met, -1)", [30.0, -1.0, np.nan]),
        ('get("met") + 1', [31.0, 81.0, np.nan]),
    ],
)
def test_values(formula: str, expected: list[Any]) -> None:
    for data in (DATA, ak.Array({name: _awkward(column) for name, column in DATA.items()})):
        found = m.evaluate(formula, data)
        assert isinstance(found, ak.Array)
        _same(found.to_list(), expected)
    found = m.evaluate(formula, _arrow())
    assert isinstance(found, pa.Array)
    _same(found.to_pylist(), expected)


def _awkward(column: Any) -> ak.Array:
    if not isinstance(column, tuple):
        return ak.Array(column)
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(column[0]), ak.contents.NumpyArray(column[1])))


def _arrow() -> pa.Table:
    return pa.table({name: ak.to_arrow(_awkward(column), extensionarray=False) for name, column in DATA.items()})


def _same(found: list[Any], expected: list[Any]) -> None:
    assert [type(value) for value in found] == [type(value) for value in expected]
    np.testing.assert_equal(found, expected)


def test_a_sliced_and_chunked_table_counts_events_from_its_begin() -> None:
    table = pa.concat_tables([_arrow(), _arrow()]).slice(2)
    assert m.evaluate("count(jetPt)", table).to_pylist() == [0, 2, 1, 0]
    with pytest.raises(ExpressionError, match=r"^event 0: the result is beyond int64"):
        m.evaluate("evtNo - 1", table)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_blocks_change_nothing(threads: int) -> None:
    random = np.random.default_rng(3)
    offsets = np.concatenate([[0], np.cumsum(random.integers(0, 5, 20_000))])
    data = {"x": (offsets, random.normal(size=offsets[-1])), "n": np.arange(20_000)}
    lists = _awkward(data["x"])
    kept = m.evaluate("x[x > 0.5] * n", data, threads=threads)
    assert ak.array_equal(kept, lists[lists > 0.5] * data["n"])
    assert np.array_equal(m.evaluate("count(x)", data, threads=threads), ak.num(lists))
    with pytest.raises(ExpressionError, match=r"^event 12345: "):
        m.evaluate("n + (n >= 12345) * 9223372036854775000", data, threads=threads)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("nJet > 2", "formula: there is no branch 'nJet' (did you mean 'nJets'?)\n  nJet > 2\n  ^^^^"),
        ("metS + 1", "formula: there is no branch 'metS' (did you mean 'met'?)\n  metS + 1\n  ^^^^"),
        (
            "jetPt * lepPt",
            "event 0: 'jetPt' has 2 entries and 'lepPt' has 1; both need the same number\n"
            "  jetPt * lepPt\n  ^^^^^^^^^^^^^",
        ),
        ("evtNo * 3", "event 2: the result is beyond int64\n  evtNo * 3\n  ^^^^^^^^^"),
        ("-evtNo", "event 2: the result is beyond int64\n  -evtNo\n  ^^^^^^"),
        ("factorial(nJets + 19)", "event 0: the result is beyond int64\n  factorial(nJets + 19)\n  " + "^" * 21),
        ("prod(where(jetPt > 0, evtNo, evtNo))", "event 0: the result is beyond int64\n  " + ""),
    ],
)
def test_errors_show_the_place(formula: str, message: str) -> None:
    with pytest.raises(ExpressionError) as error:
        m.evaluate(formula, DATA)
    assert str(error.value).startswith(message)


def test_large_unsigned_integers_are_refused() -> None:
    data = {"x": np.array([1, 2**63], np.uint64)}
    with pytest.raises(ExpressionError, match="event 1: branch 'x' is 9223372036854775808; a formula takes integers"):
        m.evaluate("x + 1", data)
    assert m.evaluate("x", {"x": np.array([2**63 - 1], np.uint64)}).to_list() == [2**63 - 1]


def test_what_is_no_formula_or_no_data_is_refused() -> None:
    with pytest.raises(ParamsError, match="the formula is a int"):
        m.evaluate(3, DATA)  # type: ignore[arg-type]
    with pytest.raises(ColumnError):
        m.evaluate("x", 3)


def test_select_keeps_the_form_of_the_data() -> None:
    cuts = ["met > 10", "any(jetPt > 100)"]
    found = m.select(DATA, cuts)
    assert found["met"].tolist() == [80.0]
    assert [part.tolist() for part in found["jetPt"]] == [[0, 1], [120.0]]
    array = ak.Array({name: _awkward(column) for name, column in DATA.items()})
    assert m.select(array, cuts).to_list() == array[1:2].to_list()
    assert m.select(_arrow(), cuts).to_pydict() == _arrow().slice(1, 1).to_pydict()
    assert m.select(_arrow().to_batches()[0], cuts).num_rows == 1
    reader = pa.RecordBatchReader.from_batches(_arrow().schema, _arrow().to_batches())
    assert m.select(reader, "met > 50").num_rows == 1


def test_nothing_is_copied_where_every_event_passes() -> None:
    assert m.select(DATA, "nJets >= 0") is DATA


def test_an_arrow_stream_is_read_once() -> None:
    reader = pa.RecordBatchReader.from_batches(_arrow().schema, _arrow().to_batches())
    assert m.evaluate("nJets + 1", reader).to_pylist() == [3, 2, 1]


def test_specs_are_those_of_survivors_and_of_what_remains() -> None:
    specs = m.scan(DATA, preproc=PREPROC)
    assert specs.branches == ["evtNo", "isMC", "met", "nJets", "square", "jetEta", "lepPt", "logPt"]
    assert (specs.minv["met"], specs.maxv["met"], specs.events["total"]) == (30.0, 30.0, 1)
    assert specs.types["square"] == "int64"
    assert specs.types["logPt"] == "float64"
    assert specs.preproc == m.Preprocessing.of(PREPROC).hash
    assert specs.reads == {"jetPt": ("jagged", "float32"), "met": ("flat", "float64"), "nJets": ("flat", "int32")}


def test_a_plan_applies_formulas_and_cuts(tmp_path: Path) -> None:
    specs = m.scan(DATA, preproc=PREPROC)
    specs.to_json(tmp_path / "specs.json")
    plan = m.Plan(m.Specs.from_json(tmp_path / "specs.json"), preproc=PREPROC, normalize="none")
    flat = plan(DATA)
    assert flat.passed is not None
    assert flat.passed.tolist() == [True, False, False]
    assert flat.cutflow == (("logPt<4.7 (any)", 1), ("0<=square<=16", 1), ("met>10", 1))
    assert flat.data.shape == (1, len(plan.names))
    row = dict(zip(flat.names, flat.data[0].tolist(), strict=True))
    assert row["square"] == 4
    assert row["logPt_1"] == np.float32(np.log(40.0))
    plan.to_json(tmp_path / "plan.json")
    for again in (m.Plan.from_json(tmp_path / "plan.json"), pickle.loads(pickle.dumps(plan))):
        assert again == plan
        assert again(DATA).data.tobytes() == flat.data.tobytes()


def test_rows_go_into_the_callers_arrays() -> None:
    plan = m.Plan(m.scan(DATA, preproc=PREPROC), preproc=PREPROC)
    out = np.full((3, len(plan.names)), 7, np.float32), np.zeros((3, len(plan.names)), np.bool_)
    flat = plan(DATA, out=out)
    assert np.shares_memory(flat.data, out[0])
    assert flat.data.shape[0] == 1
    assert (out[0][1:] == 7).all()


def test_cuts_for_training_are_counted_and_not_applied_later() -> None:
    given = {"flat_cut": {"nJets": {"cut": "nJets > 1", "when": "training"}, "met": {"cut": "met > 10"}}}
    plan = m.Plan(m.scan(DATA, preproc=given), preproc=given)
    assert plan(DATA).cutflow == (("nJets > 1 in training", 1), ("met > 10", 1))
    later = plan(DATA, training=False)
    assert later.passed is not None
    assert later.passed.tolist() == [True, True, False]
    assert later.cutflow == (("nJets > 1 in training", 1), ("met > 10", 2))


def test_cuts_alone_do_with_plain_specs() -> None:
    given = {"flat_cut": {"met": {"cut": "met > 10", "remove": True}}}
    flat = m.Plan(m.scan(DATA), preproc=given)(DATA)
    assert "met" not in flat.names
    assert len(flat.data) == 2


@pytest.mark.parametrize(
    ("specs", "preproc", "error", "message"),
    [
        (None, PREPROC, SpecsError, "new branch 'logPt' is not in them"),
        (PREPROC, None, SpecsError, "made with formulas and cuts: give the plan their preproc"),
        (PREPROC, {"flat_cut": {"met": {"cut": "met>11"}}}, SpecsError, "made with other formulas and cuts"),
    ],
)
def test_specs_must_be_made_with_the_same(specs: Any, preproc: Any, error: type[Exception], message: str) -> None:
    made = m.scan(DATA, preproc=specs)
    with pytest.raises(error, match=message):
        m.Plan(made, preproc=preproc)


@pytest.mark.parametrize(
    ("preproc", "error", "message"),
    [
        ({"flat_cut": {"mett": {"cut": "met>1"}}}, BranchError, "flat_cut 'mett': there is no branch 'mett'"),
        ({"flat_cut": {"jetPt": {"cut": "met>1"}}}, BranchError, "branch 'jetPt' is jagged; its cuts belong to jagged"),
        (
            {"new_branch": {"a": {"def": "met", "type": "flat", "keys_to_remove": ["jetpt"]}}},
            BranchError,
            "'jetpt' is to be removed, but is not there",
        ),
        (
            {"new_branch": {"a": {"def": "jetPt", "type": "flat"}}},
            ExpressionError,
            "new_branch 'a': the formula is jagged, but declared to be flat",
        ),
        (
            {"new_branch": {"met": {"def": "jetPt", "type": "jagged"}}},
            ExpressionError,
            "new_branch 'met': there is a branch 'met' already",
        ),
        (
            {"new_branch": {"a": {"def": "b", "type": "flat"}, "b": {"def": "a", "type": "flat"}}},
            ExpressionError,
            "new branches need each other in a circle: a -> b -> a",
        ),
        ({"flat_cut": {"met": {"cut": "met"}}}, ExpressionError, "a cut must be true or false, but this is a float64"),
    ],
)
def test_preprocessing_is_checked_against_the_branches(preproc: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        m.scan(DATA, preproc=preproc)


def test_formulas_run_no_code() -> None:
    for text in ("__import__('os').system('true')", "().__class__", "[x for x in met]", "met.__class__", "lambda: 1"):
        with pytest.raises(ExpressionError):
            m.evaluate(text, DATA)


def test_specs_of_other_formulas_are_not_merged() -> None:
    parts = [m.scan(DATA), m.scan(DATA, preproc={"flat_cut": {"met": {"cut": "met > 10"}}})]
    with pytest.raises(SpecsError, match="made with different formulas and cuts"):
        m.Specs.merge(parts)
    assert m.Specs.merge([parts[1], parts[1]]).preproc == parts[1].preproc


def test_a_particle_of_which_something_is_missing_is_left_out_of_the_mass() -> None:
    offsets = np.array([0, 2, 4])
    zeros = offsets, np.zeros(4)
    data = {
        "pt": (offsets, np.array([10.0, 20.0, 30.0, 30.0])),
        "eta": zeros,
        "phi": (offsets, np.array([0.0, np.nan, 0.0, np.pi])),
        "mass": (offsets, np.array([5.0, 1.0, 0.0, 0.0])),
    }
    found = m.evaluate("invariant_mass(pt, eta, phi, mass)", data).to_list()
    assert found == pytest.approx([5, 60])
    pair = m.evaluate("invariant_mass(pt[0], eta[0], phi[0], 0, pt[1], eta[1], phi[1], 0)", data).to_list()
    assert np.isnan(pair[0])
    assert pair[1] == pytest.approx(60)


def test_select_takes_columns_that_are_no_numbers() -> None:
    frame = pl.DataFrame({"a": [1, 2, 3, 4], "s": ["x", "y", "z", "w"]})
    assert m.select(frame, "a != 2").to_pydict() == {"a": [1, 3, 4], "s": ["x", "z", "w"]}
    batch = pa.record_batch({"a": [1, 2], "s": pa.array(["x", "y"], pa.string_view())})
    assert m.select(batch, "a > 1").to_pydict() == {"a": [2], "s": ["y"]}
    names = np.array(["x", "y"])
    assert m.select({"a": np.array([1, 2]), "s": names}, "a > 1")["s"].tolist() == ["y"]


@pytest.mark.parametrize(
    "column",
    [
        (np.array([-1, 0, 1, 2]), np.array([1, 2])),
        np.arange(4),
        (1, 2, 3),
        (np.array([], np.int64), np.array([1])),
        None,
        ["x", "y"],
    ],
)
def test_select_refuses_columns_that_contradict_themselves(column: Any) -> None:
    with pytest.raises(ColumnError):
        m.select({"b": np.array([1, 2, 3]), "v": column}, "b != 2")


def test_other_kinds_of_offsets_are_packed() -> None:
    data = {"b": np.array([1, 2]), "v": (np.array([0, 1, 3], np.uint32), np.array([7, 8, 9]))}
    assert [part.tolist() for part in m.select(data, "b == 2")["v"]] == [[0, 2], [8, 9]]


def test_columns_without_numbers_are_named_as_such() -> None:
    with pytest.raises(BranchError, match="branch 's' has no numbers that can be used"):
        m.evaluate("s", {"a": np.zeros(2), "s": np.array(["x", "y"])})


@pytest.mark.parametrize("cuts", [None, 5, [3], "\ud800"])
def test_cuts_must_be_texts(cuts: Any) -> None:
    with pytest.raises(ParamsError):
        m.select(DATA, cuts)


def test_a_new_branch_may_be_there_for_nobody_and_take_its_source_along() -> None:
    given = {
        "new_branch": {"c": {"def": "met", "type": "flat", "remove": True, "keys_to_remove": ["met"]}},
        "flat_cut": {"nJets": {"cut": "nJets > 0"}},
    }
    flat = m.Plan(m.scan(DATA, preproc=given), preproc=given)(DATA)
    assert "met" not in flat.names
    assert len(flat.data) == 2
    with pytest.raises(ParamsError, match="no branch remains"):
        m.scan({"met": DATA["met"]}, preproc={"flat_cut": {"met": {"cut": "met > 0", "remove": True}}})
