"""What callers may pass as columns, where the extension module needs help: Awkward arrays, masked arrays, lists.

NumPy arrays, pairs of offsets and content, and Arrow objects go to Rust as they are. What is here takes Awkward's
layouts apart without copying their buffers; only list views, indexed and otherwise scattered layouts are packed once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlaas4hep import _rust
from mlaas4hep.errors import ColumnError

__all__ = [
    "adapt",
    "adapt_data",
    "is_arrow",
    "join_offsets",
    "keep",
    "keep_all",
    "slice_column",
    "split_nulls",
    "survivors",
]


def adapt_data(data: object) -> dict[str, object]:
    """Return the columns of ``data``, which is neither a mapping nor an Arrow object, as ``adapt`` does."""
    if is_awkward(data):
        return _fields(_layout(data))
    if isinstance(data, np.ndarray) and data.dtype.names is not None:
        return {name: data[name] for name in data.dtype.names}
    raise ColumnError(
        f"the data are a {type(data).__module__}.{type(data).__qualname__}; give a dict of arrays, an Awkward record "
        "array, a pyarrow Table or RecordBatch, a data frame, or anything with __arrow_c_stream__"
    )


def adapt(value: object) -> object:
    """Return one column as an array, a pair of offsets and content, or ``Masked``; or why it holds no numbers."""
    if is_awkward(value):
        return _column(_layout(value), None)
    if isinstance(value, np.ma.MaskedArray):
        return _masked(value)
    if isinstance(value, (list, tuple, np.generic, int, float, bool)) or hasattr(value, "__array__"):
        try:
            return np.asarray(value)
        except ValueError:
            return "lists of different lengths; give an Awkward array or (offsets, content)"
    return f"of Python type {type(value).__qualname__}"


def _masked(value: "np.ma.MaskedArray[Any, Any]") -> object:
    if value.ndim != 1:
        return f"a masked array of {value.ndim} dimensions"
    mask = np.ma.getmaskarray(value)
    return _rust.Masked(np.asarray(value.data), mask, valid_when=False)


def is_awkward(value: object) -> bool:
    """Tell whether it is an Awkward array, which may be of a subclass that another package defines."""
    return any(kind.__module__.split(".")[0] == "awkward" for kind in type(value).__mro__)


def _layout(array: Any) -> Any:
    import awkward as ak

    if isinstance(array, ak.Record):
        raise ColumnError(f"the data are a single Awkward record, not records; give ak.Array([record]): {array.type}")
    return ak.to_layout(array)


def _fields(layout: Any) -> dict[str, object]:
    """The columns of a record array, each with null where its record is null."""
    layout, mask = _unmask(layout)
    if not layout.is_record or layout.is_tuple:
        raise ColumnError(f"the Awkward array holds {layout.form.type}, not records; give ak.Array({{name: ...}})")
    return {name: _column(layout[name], mask) for name in layout.fields}


def _column(layout: Any, record: "np.ndarray[Any, Any] | None") -> object:
    """One column; ``record`` tells which records are null."""
    layout, mask = _unmask(layout)
    mask = mask if record is None else record if mask is None else mask | record
    lists = layout.is_list and layout.parameter("__array__") not in ("string", "bytestring")
    found = _lists(layout) if lists else _numbers(layout)
    if mask is None or isinstance(found, str):
        return found
    return _rust.Masked(found, mask, valid_when=False)


def _unmask(layout: Any) -> "tuple[Any, np.ndarray[Any, Any] | None]":
    """The layout without options and indexes, and which of its entries are null (``None``: none is)."""
    mask: np.ndarray[Any, Any] | None = None
    while layout.is_option or layout.is_indexed:
        if not layout.is_option:
            layout = layout.project()
            continue
        null = np.asarray(layout.mask_as_bool(valid_when=False))
        mask = null if mask is None else mask | null
        if layout.is_indexed:
            # Null entries have no place in the content: let them point at the first value, which the mask hides.
            layout = _carry(layout.content, np.where(null, 0, np.asarray(layout.index)))
        else:
            layout = layout.content[: len(layout)]
    return layout, mask if mask is None or mask.any() else None


def _carry(content: Any, index: "np.ndarray[Any, Any]") -> Any:
    if content.length:
        return content[index]
    import awkward as ak

    # Every entry is null and there is no content at all: any content of the type will do.
    one = np.zeros(1) if content.is_unknown else content.form.length_one_array(highlevel=False)
    return ak.to_layout(one)[index]


def _lists(layout: Any) -> object:
    """A layout of lists as offsets and content."""
    if layout.is_regular:
        offsets = np.arange(len(layout) + 1, dtype=np.int64) * layout.size
        content = layout.content
    else:
        if not hasattr(layout, "offsets"):
            layout = layout.to_ListOffsetArray64(True)
        offsets, content = np.asarray(layout.offsets), layout.content
    inner = _column(content, None)
    if isinstance(inner, str):
        return f"lists of {inner.removeprefix('of ')}"
    values = inner.values if isinstance(inner, _rust.Masked) else inner
    if isinstance(values, tuple) or np.asarray(values).ndim != 1:
        return "nested lists"
    return offsets, inner


def _numbers(layout: Any) -> object:
    """A layout of numbers as an array."""
    if layout.is_numpy and layout.parameter("__array__") is None:
        return np.asarray(layout.data)
    if layout.is_unknown:
        return np.zeros(len(layout))
    if layout.is_list:
        return "strings"
    return "records" if layout.is_record else f"of type {layout.form.type}"


def is_arrow(data: object) -> bool:
    """Tell whether it is taken through Arrow's interface."""
    arrow = hasattr(data, "__arrow_c_array__") or hasattr(data, "__arrow_c_stream__")
    return arrow and not is_awkward(data) and not isinstance(data, dict)


def survivors(data: Any, passed: "np.ndarray[Any, Any]") -> Any:
    """Return the events of ``data`` for which ``passed`` is True, in the same form; an Arrow stream becomes a table."""
    if is_awkward(data) or isinstance(data, np.ndarray):
        return data[passed]
    if isinstance(data, Mapping):
        _rust.schema(data)  # raises where columns contradict themselves
        return keep_all(data, passed)
    import pyarrow as pa

    table = data if isinstance(data, (pa.Table, pa.RecordBatch)) else pa.table(data)
    try:
        return table.filter(pa.array(passed))
    except pa.ArrowNotImplementedError:  # of some types Arrow takes stretches only
        edges = np.flatnonzero(np.diff(np.concatenate([[False], passed, [False]])))
        parts = [table.slice(start, stop - start) for start, stop in edges.reshape(-1, 2).tolist()]
        join = pa.concat_tables if isinstance(table, pa.Table) else pa.concat_batches
        return join(parts) if parts else table.slice(0, 0)


def keep_all(columns: Mapping[str, Any], passed: "np.ndarray[Any, Any]") -> dict[str, Any]:
    """Return the events of all columns for which ``passed`` is True, packed; offsets that were shared still are."""
    places: dict[int, tuple[Any, Any]] = {}
    kept = {}
    for name, value in columns.items():
        plain = isinstance(value, tuple) and all(isinstance(part, np.ndarray) for part in value)
        if not plain:
            kept[name] = keep(value, passed)
            continue
        offsets, content = value
        if id(offsets) not in places:
            places[id(offsets)] = _places(offsets, passed)
        fresh, at = places[id(offsets)]
        kept[name] = fresh, content.take(at)
    return kept


def slice_column(column: Any, start: int, stop: int) -> Any:
    """Return the events from ``start`` to ``stop`` of a column of a source, as views."""
    if isinstance(column, tuple):
        return column[0][start : stop + 1], column[1]
    if isinstance(column, _rust.Masked):
        return _rust.Masked(
            slice_column(column.values, start, stop), column.mask[start:stop], valid_when=column.valid_when
        )
    return column[start:stop]


def split_nulls(column: Any) -> "tuple[Any, np.ndarray[Any, Any]]":
    """Return a column of a source, or the content of one, without its mask, and which values or lists are null."""
    if isinstance(column, _rust.Masked):
        return column.values, np.asarray(column.mask, np.bool_) != column.valid_when
    return column, np.zeros(len(column[0]) - 1 if isinstance(column, tuple) else len(column), np.bool_)


def join_offsets(parts: "Sequence[np.ndarray[Any, Any]]") -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return the offsets of lists that are joined part by part: int64, from 0, wherever those of a part begin."""
    joined = np.zeros(1 + sum(len(part) - 1 for part in parts), np.int64)
    at = 0
    for part in parts:
        end = at + len(part) - 1
        joined[at + 1 : end + 1] = part[1:]
        joined[at + 1 : end + 1] += joined[at] - part[0]
        at = end
    return joined


def _places(offsets: "np.ndarray[Any, Any]", passed: "np.ndarray[Any, Any]") -> tuple[Any, Any]:
    """The offsets of the lists that pass, and where their values lie."""
    offsets = np.asarray(offsets, np.int64)
    lengths = np.diff(offsets)
    fresh = np.concatenate([[0], np.cumsum(lengths[passed])])
    return fresh, offsets[0] + np.flatnonzero(np.repeat(passed, lengths))


def keep(value: Any, passed: "np.ndarray[Any, Any]") -> Any:
    """Return the events of one column for which ``passed`` is True, packed."""
    if isinstance(value, tuple):
        offsets, content = value
        return _keep_lists(offsets, content, passed)
    if isinstance(value, _rust.Masked):
        mask = np.unpackbits(value.mask, bitorder="little")[: len(passed)] if value.bits else np.asarray(value.mask)
        return _rust.Masked(keep(value.values, passed), mask.astype(bool)[passed], valid_when=value.valid_when)
    if is_arrow(value):
        import pyarrow as pa

        plain = value if isinstance(value, (pa.Array, pa.ChunkedArray)) else pa.chunked_array(value)
        return plain.filter(pa.array(passed))
    values = value if is_awkward(value) or isinstance(value, np.ndarray) else np.asarray(value)
    if (isinstance(values, np.ndarray) and values.ndim == 0) or len(values) != len(passed):
        raise ColumnError(f"a column has no value for each of the {len(passed)} events")
    return values[passed]


def _keep_lists(offsets: Any, content: Any, passed: "np.ndarray[Any, Any]") -> tuple[Any, Any]:
    offsets = np.asarray(offsets, np.int64)
    lengths = np.diff(offsets)
    inside = np.repeat(passed, lengths)
    values = content.values if isinstance(content, _rust.Masked) else content
    whole = np.zeros(len(values), np.bool_)
    whole[offsets[0] : offsets[0] + len(inside)] = inside
    return np.concatenate([[0], np.cumsum(lengths[passed])]), keep(content, whole)
