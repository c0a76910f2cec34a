"""Arrow data as columns: which branches a schema has, and their buffers as NumPy arrays, not copied where possible."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.sources.branch import Branch, Column

__all__ = ["Leaf", "Offsets", "leaves_of", "to_column"]

LIST = -1
"""The step from a list to its content; other steps are positions of fields in a record."""

TYPENAME = b"typename"
"""The key under which the metadata of a field may hold the type that the file gives it, where it is not Arrow's."""

Nulls = NDArray[np.bool_] | None
"""Which values are null; None: none is."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A branch, the column of the table that it is in, and the steps from there to its values."""

    branch: Branch
    column: str
    steps: tuple[int, ...] = ()

    @property
    def event_bytes(self) -> float:
        """What an event takes in memory, if lists are short."""
        size = np.dtype(self.branch.type).itemsize if self.branch.type else 64
        return 8.0 + 4 * size if self.branch.kind == "jagged" else float(size)


class Offsets:
    """Offsets of one read as int64 that begin at 0: jagged columns with equal ones have them in one array."""

    def __init__(self) -> None:
        self._known: list[tuple[Any, NDArray[np.int64]]] = []

    def shared(self, given: NDArray[Any]) -> NDArray[np.int64]:
        """Return the offsets, or an equal array that was returned before."""
        raw = pa.py_buffer(given)
        for other, made in self._known:
            if raw.equals(other):  # by their bytes, several times as fast as NumPy
                return made
        made = given.astype(np.int64)
        if len(made) and made[0]:
            made -= made[0]
        self._known.append((raw, made))
        return made


def leaves_of(schema: pa.Schema, reader: str, *, flatten_nested: bool = False) -> dict[str, Leaf]:
    """Return every branch of a schema by its name.

    Fields of records have names with dots (``jet.pt``); a list of records makes a jagged branch of each field. Lists of
    lists become one list an event if that is asked for. Columns that share a name are left out.
    """
    found: dict[str, Leaf] = {}
    twice = {name for name, number in Counter(schema.names).items() if number > 1}
    for field in schema:
        for leaf in _Walk(field, reader, flatten_nested).leaves():
            branch = leaf.branch
            if field.name in twice or branch.name in found:
                why = "two columns have this name"
                leaf = Leaf(Branch(branch.name, "other", "", branch.typename, why_not=why), field.name)
            found[branch.name] = leaf
    return found


@dataclass(frozen=True, slots=True)
class _Walk:
    """The way through the type of one column."""

    field: Any
    reader: str
    flatten_nested: bool

    def leaves(self) -> Iterator[Leaf]:
        return self._leaves(self.field.name, self.field.type, ())

    def _leaves(self, name: str, type_: Any, steps: tuple[int, ...]) -> Iterator[Leaf]:
        type_ = _value_type(type_)
        if pa.types.is_struct(type_) and type_.num_fields:
            for index in range(type_.num_fields):
                field = type_.field(index)
                yield from self._leaves(f"{name}.{field.name}", field.type, (*steps, index))
        elif _is_list(type_) and (LIST not in steps or self.flatten_nested):
            yield from self._leaves(name, type_.value_type, (*steps, LIST))
        else:
            yield Leaf(self._branch(name, type_, LIST in steps), self.field.name, steps)

    def _branch(self, name: str, type_: Any, jagged: bool) -> Branch:
        if not name:
            return Branch(name, "other", "", str(type_), why_not="a column without a name")
        given = (self.field.metadata or {}).get(TYPENAME, b"").decode()
        typename = given or (f"list<{type_}>" if jagged else str(type_))
        kind: Literal["flat", "jagged"] = "jagged" if jagged else "flat"
        if number := number_of(type_):
            return Branch(name, kind, number, typename, reader=self.reader)
        if is_string(type_) and not jagged:
            return Branch(name, "string", "", typename, why_not="strings", reader=self.reader)
        return Branch(name, "other", "", typename, why_not=_why_not(type_, jagged, given))


def number_of(type_: Any) -> str:
    """Return NumPy's name of the type that numbers of an Arrow type get; empty for others."""
    if pa.types.is_boolean(type_):
        return "bool"
    if pa.types.is_integer(type_):
        return str(np.dtype(type_.to_pandas_dtype()).name)
    if pa.types.is_floating(type_):
        return "float64" if pa.types.is_float64(type_) else "float32"
    return "float64" if pa.types.is_null(type_) else ""


def is_string(type_: Any) -> bool:
    """Tell whether values of this type are texts."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _is_list(type_: Any) -> bool:
    kinds = (
        pa.types.is_list,
        pa.types.is_large_list,
        pa.types.is_fixed_size_list,
        pa.types.is_list_view,
        pa.types.is_large_list_view,
    )
    return any(is_kind(type_) for is_kind in kinds)


def _value_type(type_: Any) -> Any:
    """The type without a dictionary or runs."""
    coded = pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_)
    return type_.value_type if coded else type_


def _why_not(type_: Any, jagged: bool, given: str) -> str:
    if _is_list(type_):
        return "nested lists"
    if pa.types.is_struct(type_):
        return "records without fields"
    if jagged and is_string(type_):
        return "lists of strings"
    return f"of type {given}" if given else f"{'lists of' if jagged else 'of'} type {type_}"


def to_column(array: Any, steps: Sequence[int], offsets: Offsets, *, decoded: bool = False) -> Column:
    """Return what lies behind the steps from a column of a table, which may be in chunks.

    A null list is empty and counts one null; a null record makes its columns null. Strings are an array of objects with
    None; halves become float32. Buffers are not copied where the column is in one chunk, but bits of bools are
    unpacked and offsets become int64. Raises pyarrow's own errors where buffers contradict themselves, which is not
    looked for in what was ``decoded``: there pyarrow made the buffers itself.
    """
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    array.validate(full=not decoded or pa.types.is_dictionary(array.type))
    nulls: Nulls = None
    lists: tuple[NDArray[np.int64], Nulls] | None = None
    for step in steps:
        array = _plain(array)
        nulls = _either(nulls, _nulls(array))
        if step != LIST:
            array = array.field(step)
            continue
        edges, content = _unpack(array)
        if lists is None:
            lists = offsets.shared(edges), nulls
        else:
            edges, content = _without(edges, content, nulls)
            lists = offsets.shared(edges[lists[0]]), lists[1]
        array, nulls = content, None
    array = _plain(array)
    nulls = _either(nulls, _nulls(array))
    if is_string(array.type):
        return _strings(array, nulls)
    values: Any = _masked(_numbers(array), nulls)
    return values if lists is None else _masked((lists[0], values), lists[1])  # type: ignore[no-any-return]


def _masked(values: Any, nulls: Nulls) -> Any:
    return values if nulls is None else _rust.Masked(values, nulls, valid_when=False)


def _either(left: Nulls, right: Nulls) -> Nulls:
    return right if left is None else left if right is None else left | right


def _nulls(array: Any) -> Nulls:
    if not array.null_count:
        return None
    nulls: NDArray[np.bool_] = array.is_null().to_numpy(zero_copy_only=False)
    return nulls


def _plain(array: Any) -> Any:
    """The array without a dictionary or runs."""
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return _plain(array.dictionary_decode())
    if pa.types.is_run_end_encoded(type_):
        return _plain(pc.run_end_decode(array))
    return array


def _unpack(array: Any) -> tuple[NDArray[Any], Any]:
    """The offsets of lists, and the content that they speak of, which begins with the first list."""
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        edges: NDArray[Any] = np.arange(len(array) + 1, dtype=np.int64) * size
        return edges, array.values.slice(array.offset * size, len(array) * size)
    if pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        return np.concatenate([[0], np.cumsum(lengths.to_numpy(), dtype=np.int64)]), array.flatten()
    edges = array.offsets.to_numpy() if len(array) else np.zeros(1, np.int64)
    first, last = int(edges[0]), int(edges[-1])
    if last < first:
        raise ValueError("the offsets of lists go back")
    return edges, array.values.slice(first, last - first)


def _without(edges: NDArray[Any], content: Any, nulls: Nulls) -> tuple[NDArray[np.int64], Any]:
    """The lists with those emptied that are null, and offsets that begin at 0."""
    edges = edges.astype(np.int64) - edges[0]
    if nulls is None:
        return edges, content
    lengths = np.diff(edges)
    if lengths[nulls].any():
        content = content.filter(pa.array(np.repeat(~nulls, lengths)))
        edges = np.concatenate([[0], np.cumsum(np.where(nulls, 0, lengths))])
    return edges, content


def _numbers(array: Any) -> NDArray[Any]:
    if pa.types.is_null(array.type):
        return np.zeros(len(array))
    buffer, start, count = array.buffers()[1], array.offset, len(array)
    if buffer is None or not count:
        return np.empty(0, number_of(array.type))
    if pa.types.is_boolean(array.type):
        packed = np.frombuffer(buffer, np.uint8)[start // 8 : (start + count + 7) // 8]
        return np.unpackbits(packed, bitorder="little")[start % 8 : start % 8 + count].view(np.bool_)
    dtype = np.dtype(array.type.to_pandas_dtype())
    found = np.frombuffer(buffer, dtype, count, start * dtype.itemsize)
    return found.astype(np.float32) if dtype == np.float16 else found


def _strings(array: Any, nulls: Nulls) -> NDArray[Any]:
    found: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    if nulls is not None:
        found = found.copy()
        found[nulls] = None
    return found
