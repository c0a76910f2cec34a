"""What may be passed as columns, and the messages where something is wrong with them."""

import datetime
import re
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import awkward as ak
import mlaas4hep
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from mlaas4hep._rust import Masked
from mlaas4hep.columns import join_offsets, keep_all, slice_column, split_nulls
from mlaas4hep.errors import BranchError, ColumnError, Note

ones = np.ones

JAGGED = {
    "backwards": ((np.array([0, 3, 2]), ones(3)), "branch 'x': the offsets of event 1 go backwards, from 3 to 2"),
    "outside": ((np.array([0, 3, 5]), ones(3)), "branch 'x': the offsets end at 5, but the content has 3 values"),
    "negative": ((np.array([-1, 3]), ones(3)), "branch 'x': the offsets begin at -1; they cannot be negative"),
    "none": ((np.zeros(0, int), ones(3)), "branch 'x': offsets are empty; n events need n + 1 of them"),
    "floats": ((np.array([0.0, 3.0]), ones(3)), "branch 'x': offsets are of type float64; they must be"),
    "two-dimensional": ((np.array([[0, 3]]), ones(3)), "they must be one-dimensional int32 or int64"),
    "no pair": (
        (np.array([0, 3]), ones(3), ones(3)),
        "branch 'x' is a tuple of 3; a jagged branch is (offsets, content)",
    ),
    "lists": (([0, 3], ones(3)), "branch 'x': offsets"),
}


@pytest.mark.parametrize(("column", "message"), JAGGED.values(), ids=JAGGED.keys())
def test_a_jagged_column_that_contradicts_itself_is_refused(column: Any, message: str) -> None:
    specs = mlaas4hep.scan({"x": ones((1, 3))})
    with pytest.raises(ColumnError, match=re.escape(message)):
        mlaas4hep.scan({"x": column})
    with pytest.raises(ColumnError, match=re.escape(message)):
        mlaas4hep.flatten({"x": column}, specs)


def test_a_large_jagged_column_is_checked_everywhere() -> None:
    offsets = np.arange(100_001)
    for event in (1, 50_000, 99_999):
        wrong = offsets.copy()
        wrong[event] += 2
        with pytest.raises(ColumnError, match=f"the offsets of event {event} go backwards"):
            mlaas4hep.scan({"x": (wrong, ones(100_000))})


@pytest.mark.parametrize("other", [ones(2), ones((2, 2)), (np.array([0, 1, 1]), ones(1)), pa.array([1, 2])])
def test_columns_must_have_the_same_events(other: Any) -> None:
    with pytest.raises(ColumnError, match=r"'b' has 2 events, but 'a' has 3; all columns need the same number"):
        mlaas4hep.scan({"a": ones(3), "b": other})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Masked(ones(9), np.array([1], np.uint8), valid_when=True, bits=True), "branch 'x': the mask"),
        (lambda: Masked(ones(3), np.array([True]), valid_when=True), "the mask has 1 entries for 3 values"),
        (lambda: Masked(ones(3), ones(3), valid_when=True), "the mask must be of bool or uint8"),
    ],
)
def test_a_mask_must_fit(make: Callable[[], Masked], message: str) -> None:
    with pytest.raises(ColumnError, match=message):
        mlaas4hep.scan({"x": make()})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([{"a": 1}], "the data are a builtins.list; give a dict of arrays, an Awkward record array, a pyarrow Table"),
        (ones(3), "the data are a numpy.ndarray; give a dict of arrays"),
        (None, "the data are a builtins.NoneType; give a dict"),
        (pl.LazyFrame({"a": [1]}), "LazyFrame; give a dict of arrays"),
        (ak.Array([1, 2]), "the Awkward array holds int64, not records"),
        (ak.Array([(1, 2)]), "the Awkward array holds (int64, int64), not records"),
        (ak.Record({"a": 1}), "not records"),
        (pa.array([1]), "the data are an Arrow array of Int64; give a table, a record batch or a struct array"),
        ({1: ones(2)}, "the name of a column is 1; it must be a string"),
        ({}, "there are no columns"),
        (pa.table({}), "there are no columns"),
        ({"s": np.array(["a"])}, "there are no columns of numbers; left out: 's' (strings)"),
        ({"x": 3.0}, "there are no columns of numbers; left out: 'x' (a single number, not an array)"),
        (pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"]), "branch 'a': there are two columns of this name"),
    ],
    ids=str,
)
def test_what_holds_no_columns_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ColumnError, match=re.escape(message)):
        mlaas4hep.scan(data)


def left_out(data: Any) -> dict[str, str]:
    """What the one note says of columns that are no numbers: name and reason."""
    with pytest.warns(Note, match="left out, because they are no numbers: ") as notes:
        specs = mlaas4hep.scan(data)
    assert specs.branches == ["x"]
    assert len(notes) == 1
    text = str(notes[0].message).removeprefix("left out, because they are no numbers: ")
    return dict(re.findall(r"(\w+) \(([^)]*)\)", text))


def test_numpy_columns_that_are_no_numbers_are_left_out_with_one_note() -> None:
    data = {
        "x": ones(2),
        "text": np.array(["a", "b"]),
        "objects": np.array([None, 1], object),
        "complex": np.array([1j, 2]),
        "time": np.array(["2020-01-01"] * 2, "M8[s]"),
        "cube": ones((2, 2, 2)),
        "nothing": None,
        "ragged": [[1], [1, 2]],
    }
    found = left_out(data)
    assert set(found) == set(data) - {"x"}
    assert (found["text"], found["objects"], found["cube"]) == ("strings", "Python objects", "3-dimensional")


def test_awkward_columns_that_are_no_numbers_are_left_out_with_one_note() -> None:
    data = ak.Array([{"x": 1, "text": "a", "nested": [[1]], "record": {"q": 1}, "texts": ["a"]}])
    found = left_out(data)
    assert set(found) == {"text", "nested", "record", "texts"}
    assert (found["text"], found["nested"], found["record"]) == ("strings", "nested lists", "records")
    assert found == left_out({"x": ones(1)} | {name: data[name] for name in found})


def test_arrow_columns_that_are_no_numbers_are_left_out_with_one_note() -> None:
    data = {
        "x": [1],
        "text": ["a"],
        "nested": [[[1]]],
        "record": [{"q": 1}],
        "texts": [["a"]],
        "date": [datetime.date(2020, 1, 1)],
        "decimal": [Decimal("1.5")],
        "binary": [b"a"],
    }
    found = left_out(pa.table(data))
    assert set(found) == set(data) - {"x"}
    assert (found["text"], found["nested"], found["record"]) == ("strings", "nested lists", "records")


def test_the_note_is_about_scanning_only() -> None:
    """With specs, what they do not name is ignored."""
    specs = mlaas4hep.scan({"x": ones(2)})
    data = {
        "x": ones(2),
        "text": np.array(["a", "b"]),
        "longer": ones(9),
        "odd": (np.array([3, 0]), ones(1)),
        "o": object(),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mlaas4hep.flatten(data, specs).data.shape == (2, 1)


def test_what_the_specs_name_must_be_there() -> None:
    specs = mlaas4hep.scan({"ht": ones(2), "jetPt": ones((2, 2))})
    with pytest.raises(BranchError, match=r"branch 'jetPt' is not in the data, but the specs name it"):
        mlaas4hep.flatten({"ht": ones(2), "jetEta": ones((2, 2))}, specs)
    with pytest.raises(BranchError, match=r"branch 'jetPt' is flat in the data, but jagged in the specs"):
        mlaas4hep.flatten({"ht": ones(2), "jetPt": ones(2)}, specs)
    with pytest.raises(BranchError, match=r"branch 'ht' is jagged in the data, but flat in the specs"):
        mlaas4hep.flatten({"ht": ones((2, 2)), "jetPt": ones((2, 2))}, specs)
    with pytest.raises(BranchError, match=r"branch 'ht' has no numbers that can be used: strings"):
        mlaas4hep.flatten({"ht": np.array(["a", "b"]), "jetPt": ones((2, 2))}, specs)


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(BranchError, match=r"branch 'jetPt' is not in the data.*\(did you mean 'jetPT'\?\)"):
        mlaas4hep.flatten({"jetPT": ones(2)}, mlaas4hep.scan({"jetPt": ones(2)}))


@pytest.mark.parametrize(
    ("column", "counts"),
    [
        ([1, 2, 3], (3, 0)),
        (np.array([1, 2], ">i4"), (2, 0)),
        (np.array([0, 3], np.uint32), (2, 0)),
        (pl.Series([1, None, 3]), (3, 1)),
        (pa.chunked_array([[1], [None, 2]]), (3, 1)),
        (pa.array([1, None, 1]).dictionary_encode(), (3, 1)),
        (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([1.0, None])), (3, 1)),
        (np.ma.MaskedArray([1, 2], [True, False]), (2, 1)),
        (ak.Array([[1, None], None]), (2, 2)),
        (ak.Array([None, None]), (2, 2)),
        (ak.Array([[], []]), (0, 0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_forms_of_columns(column: Any, counts: tuple[int, int]) -> None:
    found = mlaas4hep.scan({"x": column}).counts["x"]
    assert (found["values"], found["nulls"]) == counts


def test_a_structured_array_is_a_table() -> None:
    data = np.array([(1.5, 2), (2.5, 3)], [("a", "f4"), ("b", "<i2")])
    flat = mlaas4hep.flatten(data, normalize="none")
    assert (flat.names, flat.data.tolist()) == (["a", "b"], [[1.5, 2.0], [2.5, 3.0]])


@pytest.mark.parametrize("number", [0, 1, 3])
def test_awkward_records_that_are_all_null(number: int) -> None:
    data = ak.to_packed(ak.Array([{"x": 1.5, "y": [1]}, *[None] * number])[1:])
    specs = mlaas4hep.scan(data)
    assert specs.events == {"total": number}
    assert specs.counts["x"] == {"values": number, "nulls": number, "nan": 0, "inf": 0}
    assert specs.counts["y"] == {"values": 0, "nulls": number, "nan": 0, "inf": 0}


@pytest.mark.parametrize("type_", [pa.bool_(), pa.float16(), pa.float32(), pa.int64()], ids=str)
def test_lists_of_the_fixed_length_0_keep_their_events(type_: Any) -> None:
    specs = mlaas4hep.scan({"x": pa.array([[], [], []], pa.list_(type_, 0))})
    assert (specs.events, specs.jdim) == ({"total": 3}, {"x": 0})


def test_a_stream_that_can_be_read_once_is_scanned_and_flattened() -> None:
    table = pa.table({"x": [1.0, 2.0], "y": [[1], [2, 3]]})
    assert mlaas4hep.flatten(table.to_reader()).data.tolist() == mlaas4hep.flatten(table).data.tolist()


def test_masked_content_keeps_its_mask() -> None:
    content = np.ma.MaskedArray([1.0, 999.0], [False, True])
    flat = mlaas4hep.flatten({"x": (np.array([0, 2]), content)}, normalize="none")
    assert (flat.data.tolist(), flat.padding_mask.tolist()) == ([[1.0, 0.0]], [[False, True]])


def test_arrays_mapped_from_a_file_are_columns(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3.0))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert mlaas4hep.scan({"x": mapped, "y": (np.array([0, 1, 2, 3]), mapped)}).maxv == {"x": 2.0, "y": 2.0}


def test_awkward_arrays_of_other_packages_are_columns() -> None:
    class Events(ak.Array):  # type: ignore[misc]
        pass

    Events.__module__ = "elsewhere"
    array = ak.with_name(ak.Array([{"x": 1.0}]), "Events", behavior={("*", "Events"): Events})
    assert isinstance(array, Events)
    assert mlaas4hep.scan(array).minv == {"x": 1.0}


def test_a_mapping_is_a_dict() -> None:
    assert mlaas4hep.scan(MappingProxyType({"x": [1, 2], "y": pa.array([[1], []])})).branches == ["x", "y"]


def test_arrow_columns_without_a_type_hold_nulls() -> None:
    specs = mlaas4hep.scan({"x": ones(2), "y": ones((2, 1))})
    flat = mlaas4hep.flatten(pa.Table.from_pylist([{"x": None, "y": []}]), specs)
    assert flat.padding_mask.tolist() == [[True, True]]


def test_masked_columns_of_a_source_are_cut_sliced_and_split() -> None:
    flat = Masked(np.arange(4.0), np.array([True, False, False, True]), valid_when=False)
    offsets = np.array([0, 2, 2, 3, 5])
    content = Masked(np.arange(5), np.array([False, True, False, False, True]), valid_when=False)
    lists = Masked((offsets, content), np.array([False, True, False, False]), valid_when=False)
    passed = np.array([True, False, True, True])
    kept = keep_all({"flat": flat, "lists": lists}, passed)
    assert kept["flat"].mask.tolist() == [True, False, True]
    assert kept["lists"].mask.tolist() == [False, False, False]
    assert kept["lists"].values[0].tolist() == [0, 2, 3, 5]
    assert kept["lists"].values[1].mask.tolist() == [False, True, False, False, True]
    values, nulls = split_nulls(slice_column(flat, 2, 4))
    assert (values.tolist(), nulls.tolist()) == ([2.0, 3.0], [False, True])
    part = slice_column(lists, 1, 3)
    assert (part.values[0].tolist(), part.mask.tolist()) == ([2, 2, 3], [True, False])
    assert split_nulls(np.arange(2))[1].tolist() == [False, False]
    assert split_nulls((np.array([0, 1, 1]), np.arange(1)))[1].tolist() == [False, False]


def test_joined_offsets_go_on_from_part_to_part() -> None:
    parts = [np.array([3, 5, 5], np.int32), np.array([7], np.uint32), np.array([0, 4])]
    assert join_offsets(parts).tolist() == [0, 2, 2, 6]
    assert join_offsets(parts).dtype == np.int64
    assert join_offsets([]).tolist() == [0]
