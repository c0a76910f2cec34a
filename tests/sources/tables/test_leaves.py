"""Arrow arrays of every type as columns."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from mlaas4hep import _rust
from mlaas4hep.sources.tables.leaves import Offsets, leaves_of, to_column

from tests.sources.formats import plain

NUMBERS = [*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64", "bool"]


def columns(array: Any, **options: Any) -> dict[str, Any]:
    """The columns ``x...`` of a table of one column, all of them."""
    leaves = leaves_of(pa.schema([("x", array.type)]), "pyarrow", **options)
    return {name: to_column(array, leaf.steps, Offsets()) for name, leaf in leaves.items() if not leaf.branch.why_not}


def column(array: Any) -> Any:
    (found,) = columns(array).values()
    return found


def branch(type_: Any, **options: Any) -> Any:
    (leaf,) = leaves_of(pa.schema([("x", type_)]), "pyarrow", **options).values()
    return leaf.branch


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers(dtype: str) -> None:
    values = np.arange(20).astype(dtype)
    array = pa.array(values)
    for start in (0, 3, 9):
        found = column(array.slice(start, 11))
        assert found.dtype == np.dtype(dtype)
        assert found.tolist() == values[start : start + 11].tolist()
    assert branch(array.type).type == dtype
    assert branch(array.type).kind == "flat"


@pytest.mark.parametrize("dtype", NUMBERS)
def test_nulls(dtype: str) -> None:
    values = [None if i % 3 == 0 else np.dtype(dtype).type(i % 2).item() for i in range(30)]
    array = pa.array(values, pa.from_numpy_dtype(np.dtype(dtype)))
    for start in (0, 5):
        found = column(array.slice(start, 17))
        assert isinstance(found, _rust.Masked)
        assert found.values.dtype == np.dtype(dtype)
        assert found.mask.dtype == np.bool_
        assert plain(found) == values[start : start + 17]


def test_numbers_are_not_copied() -> None:
    array = pa.array(np.arange(10.0))
    assert column(array).__array_interface__["data"][0] == array.buffers()[1].address
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 2, 10], pa.int32()), array)
    assert column(lists)[1].__array_interface__["data"][0] == array.buffers()[1].address


def test_halves_become_float32() -> None:
    array = pa.array(np.array([1.5, 2.5], np.float16))
    assert column(array).dtype == np.float32
    assert column(array).tolist() == [1.5, 2.5]
    assert branch(array.type).type == "float32"


LISTS = [[1.0, 2.0], [], None, [3.0, None], [4.0]]


@pytest.mark.parametrize("type_", [pa.list_(pa.float32()), pa.large_list(pa.float32()), pa.list_view(pa.float32())])
def test_lists(type_: Any) -> None:
    array = pa.array(LISTS, type_)
    for start in range(5):
        assert plain(column(array.slice(start, 3))) == LISTS[start : start + 3]
    assert (branch(type_).kind, branch(type_).type, branch(type_).typename) == ("jagged", "float32", "list<float>")


def test_lists_of_fixed_size() -> None:
    values = [[1, 2], None, [3, None], [5, 6]]
    array = pa.array(values, pa.list_(pa.int16(), 2))
    found = column(array.slice(1, 3))
    assert found.values[0].tolist() == [0, 2, 4, 6]  # a null list need not be empty: its mask says that it is
    assert found.mask.tolist() == [True, False, False]
    assert plain(found)[1:] == values[2:]


def test_null_lists_count_one_null_and_are_empty() -> None:
    array = pa.array(LISTS, pa.list_(pa.float32()))
    counts = _rust.scan({"x": column(array)}, 1)[0].counts["x"]
    assert (counts["values"], counts["nulls"]) == (5, 2)


def test_records() -> None:
    rows = [{"pt": 1.0, "hits": [1, 2], "at": {"z": 1}}, None, {"pt": None, "hits": None, "at": None}]
    found = columns(pa.array(rows))
    assert {name: plain(values) for name, values in found.items()} == {
        "x.pt": [1.0, None, None],
        "x.hits": [[1, 2], None, None],
        "x.at.z": [1, None, None],
    }


def test_lists_of_records() -> None:
    rows = [[{"pt": 1.0, "at": {"z": 1}}, None], None, [], [{"pt": None, "at": None}]]
    found = columns(pa.array(rows).slice(0, 4))
    assert {name: plain(values) for name, values in found.items()} == {
        "x.pt": [[1.0, None], None, [], [None]],
        "x.at.z": [[1, None], None, [], [None]],
    }


def test_nested_lists() -> None:
    rows = [[[1], [2, 3]], [], None, [None, [4]], [[], [5, None]]]
    array = pa.array(rows)
    assert branch(array.type).why_not == "nested lists"
    assert columns(array) == {}
    flat = [[1, 2, 3], [], None, [4], [5, None]]
    for start in range(5):
        (found,) = columns(array.slice(start, 3), flatten_nested=True).values()
        assert plain(found) == flat[start : start + 3]


def test_null_inner_lists_that_are_not_empty() -> None:
    inner = pa.ListArray.from_arrays(
        pa.array([0, 2, 4], pa.int32()), pa.array([1, 2, 3, 4]), mask=pa.array([True, False])
    )
    outer = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), inner)
    (found,) = columns(outer, flatten_nested=True).values()
    assert plain(found) == [[], [3, 4]]


@pytest.mark.parametrize(
    "type_", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_strings(type_: Any) -> None:
    values = ["signal", None, "ü", ""]
    array = pa.array(values, pa.string()).cast(type_) if pa.types.is_dictionary(type_) else pa.array(values, type_)
    assert branch(type_).kind == "string"
    leaf = leaves_of(pa.schema([("x", type_)]), "pyarrow")["x"]
    found = to_column(array, leaf.steps, Offsets())
    assert isinstance(found, np.ndarray)
    assert found.dtype == object
    assert found.tolist() == values


def test_coded_numbers() -> None:
    assert plain(column(pa.array([5, None, 5, 7]).dictionary_encode())) == [5, None, 5, 7]
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([1.5, None]))
    assert plain(column(runs)) == [1.5, 1.5, None]


def test_a_column_of_nulls_is_missing() -> None:
    found = column(pa.nulls(3))
    assert found.values.dtype == np.float64
    assert plain(found) == [None, None, None]


@pytest.mark.parametrize(
    ("type_", "why_not"),
    [
        (pa.timestamp("s"), "of type timestamp[s]"),
        (pa.binary(), "of type binary"),
        (pa.decimal128(5, 2), "of type decimal128(5, 2)"),
        (pa.map_(pa.string(), pa.int32()), "of type map<string, int32>"),
        (pa.list_(pa.string()), "lists of strings"),
        (pa.list_(pa.date32()), "lists of type date32[day]"),
        (pa.struct([]), "records without fields"),
    ],
)
def test_what_is_no_number(type_: Any, why_not: str) -> None:
    found = branch(type_)
    assert (found.kind, found.type, found.why_not) == ("other", "", why_not)


def test_columns_that_share_a_name_are_left_out() -> None:
    schema = pa.schema([("x", pa.int8()), ("x", pa.int8()), ("a", pa.struct([("b", pa.int8())])), ("a.b", pa.int8())])
    leaves = leaves_of(schema, "pyarrow")
    assert {leaf.branch.why_not for leaf in leaves.values()} == {"two columns have this name"}


def test_equal_offsets_are_one_array() -> None:
    offsets = Offsets()
    one, two = (pa.array([[1], [2, 3]]) for _ in range(2))
    first, second = (to_column(array, (-1,), offsets) for array in (one, two))
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert first[0] is second[0]


def test_chunks_are_joined() -> None:
    array = pa.chunked_array([pa.array([[1], None]), pa.array([[2, 3]]), pa.array([], pa.list_(pa.int64()))])
    assert plain(column(array)) == [[1], None, [2, 3]]


def test_buffers_that_contradict_themselves_are_refused() -> None:
    content = pa.array([1, 2, 3, 4])
    for offsets in ([0, 3, 2, 4], [0, 9, 2, 4]):
        buffer = pa.py_buffer(np.array(offsets, np.int32))
        array = pa.Array.from_buffers(pa.list_(pa.int64()), 3, [None, buffer], children=[content])
        with pytest.raises(pa.ArrowInvalid):
            column(array)
