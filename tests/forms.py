"""Brings the oracle's columns into memory in every form that callers may pass.

Whatever does not belong to a column (beside a slice, under a null, around the content) is filled with values that
would be noticed. ``random`` decides between forms; the columns that are meant do not depend on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import awkward as ak
import numpy as np
import polars as pl
import pyarrow as pa
from mlaas4hep._reference import Column
from mlaas4hep._rust import Masked
from numpy.typing import NDArray

from tests.strategies import Table

Array = NDArray[Any]
Random = np.random.Generator
Form = Callable[[Column, Random], Any]


def coin(random: Random) -> bool:
    return bool(random.integers(2))


def choose(random: Random, *forms: Callable[[], Any]) -> Any:
    return forms[int(random.integers(len(forms)))]()


def noise(dtype: Any, size: int, random: Random) -> Array:
    """Values that would widen any range, or be counted, were they taken for the column's."""
    if dtype.kind == "b":
        return random.integers(0, 2, size).astype(np.bool_)
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    pool = [limits.min, limits.max, *([np.nan, np.inf] if dtype.kind == "f" else [])]
    return np.array(pool, dtype)[random.integers(len(pool), size=size)]


def buried(column: Column, random: Random) -> Column:
    """The same column with other values under its nulls."""
    if column.valid is None:
        return column
    return replace(column, values=np.where(column.valid, column.values, noise(column.values.dtype, 1, random)))


def widened(column: Column, random: Random) -> tuple[Column, int]:
    """The column with further events on both sides, and where it begins."""
    before, behind = int(random.integers(0, 12)), int(random.integers(0, 4))
    if column.offsets is None:
        return framed(column, before, behind, random), before
    step = int(column.offsets[1] - column.offsets[0]) if len(column) else 2
    further = framed(column, before * step, behind * step, random)
    frame = np.arange(before) * step, column.offsets + before * step
    offsets = np.concatenate([*frame, frame[1][-1] + step + np.arange(behind) * step])
    list_valid = None if column.list_valid is None else padded(column.list_valid, before, behind, random)
    return replace(further, offsets=offsets, list_valid=list_valid), before


def framed(column: Column, before: int, behind: int, random: Random) -> Column:
    """The values alone with others around them."""
    dtype = column.values.dtype
    values = np.concatenate([noise(dtype, before, random), column.values, noise(dtype, behind, random)])
    valid = None if column.valid is None else padded(column.valid, before, behind, random)
    return Column(values, valid)


def padded(flags: NDArray[np.bool_], before: int, behind: int, random: Random) -> NDArray[np.bool_]:
    return np.concatenate([random.random(before) < 0.5, flags, random.random(behind) < 0.5])


def regular(column: Column) -> int | None:
    """The constant length of all lists, those of null lists too."""
    if column.offsets is None or not len(column):
        return None
    lengths = set(np.diff(column.offsets).tolist())
    return lengths.pop() if len(lengths) == 1 else None


# NumPy


def numpy_values(values: Array, random: Random) -> Array:
    """An array in some layout."""

    def strided() -> Array:
        step = int(random.integers(2, 4))
        wide = np.repeat(noise(values.dtype, 1, random), max(len(values) * step, 1))
        wide[: len(values) * step : step] = values
        return wide[: len(values) * step : step]

    def misaligned() -> Array:
        return np.frombuffer(b"\x7f" + values.tobytes(), values.dtype, len(values), 1)

    def read_only() -> Array:
        kept = values.copy()
        kept.flags.writeable = False
        return kept

    swapped = values.astype(values.dtype.newbyteorder("S"))
    reverse = values[::-1].copy()[::-1]
    return choose(random, values.copy, strided, misaligned, read_only, lambda: swapped, lambda: reverse)  # type: ignore[no-any-return]


def numpy_mask(values: Any, valid: NDArray[np.bool_] | None, random: Random) -> Any:
    """Values with their nulls, by bytes or bits of either sense."""
    if valid is None:
        return values
    sense = coin(random)
    flags = valid if sense else ~valid
    if coin(random):
        bits = np.packbits(padded(flags, 0, -len(flags) % 8, random), bitorder="little")
        return Masked(values, bits, valid_when=sense, bits=True)
    return Masked(values, numpy_values(flags, random).view(np.uint8 if coin(random) else np.bool_), valid_when=sense)


def numpy_column(column: Column, random: Random, kept: dict[int, Array]) -> Any:
    """A NumPy form; ``kept`` remembers the offsets of collections, which columns may share or not."""
    column = buried(column, random)
    if column.offsets is None:
        if column.valid is not None and coin(random):
            return np.ma.MaskedArray(column.values, ~column.valid)
        return numpy_mask(numpy_values(column.values, random), column.valid, random)
    width = regular(column)
    if width is not None and column.valid is None and coin(random):
        square = column.values.reshape(len(column), width)
        return numpy_mask(np.asfortranarray(square) if coin(random) else square, column.list_valid, random)
    own = column.offsets + int(random.integers(0, 20))
    offsets = kept.setdefault(id(column.offsets), own)
    if coin(random):
        offsets = choose(random, offsets.copy, lambda: own, lambda: offsets.astype(np.int32))
    if coin(random):
        offsets = numpy_values(offsets, random)
    content = framed(column, int(offsets[0]), int(random.integers(0, 5)), random)
    pair = offsets, numpy_mask(numpy_values(content.values, random), content.valid, random)
    return numpy_mask(pair, column.list_valid, random)


def as_numpy(table: Table, random: Random) -> dict[str, Any]:
    kept: dict[int, Array] = {}
    return {name: numpy_column(column, random, kept) for name, column in table.items()}


# Awkward


def index(values: Any, random: Random) -> Any:
    """An index of 64 or 32 bits."""
    kind = choose(random, lambda: ak.index.Index64, lambda: ak.index.Index32)
    return kind(np.asarray(values, kind._expected_dtype))


def awkward_option(content: Any, valid: NDArray[np.bool_] | None, random: Random) -> Any:
    """The content with its nulls, as one of Awkward's option types."""
    sense = coin(random)
    flags = np.ones(len(content), np.bool_) if valid is None else valid
    flags = flags if sense else ~flags

    def by_bytes() -> Any:
        return ak.contents.ByteMaskedArray.simplified(ak.index.Index8(flags.astype(np.int8)), content, sense)

    def by_bits() -> Any:
        order = coin(random)
        bits = np.packbits(flags, bitorder="little" if order else "big")
        return ak.contents.BitMaskedArray.simplified(ak.index.IndexU8(bits), content, sense, len(flags), order)

    def by_index() -> Any:
        shuffled, places = shuffle(content, random)
        places = places if valid is None else np.where(valid, places, -1)
        return ak.contents.IndexedOptionArray.simplified(index(places, random), shuffled)

    if valid is None:
        return choose(random, lambda: content, lambda: ak.contents.UnmaskedArray.simplified(content))
    return choose(random, by_bytes, by_bits, by_index)


def shuffle(content: Any, random: Random) -> tuple[Any, NDArray[np.int64]]:
    """The content in another order, and where each entry is now."""
    order = random.permutation(len(content))
    return content[order], np.argsort(order)


def awkward_lists(column: Column, content: Any, random: Random) -> Any:
    assert column.offsets is not None
    offsets = column.offsets
    width = regular(column)
    starts, stops = offsets[:-1].copy(), offsets[1:].copy()
    if column.list_valid is not None and coin(random):
        starts[~column.list_valid], stops[~column.list_valid] = 0, 0
    forms = [
        lambda: ak.contents.ListOffsetArray(index(offsets, random), content),
        lambda: ak.contents.ListOffsetArray(ak.index.IndexU32(offsets.astype(np.uint32)), content),
        lambda: ak.contents.ListArray(ak.index.Index64(starts), ak.index.Index64(stops), content),
    ]
    if width is not None and not offsets[0]:
        forms.append(lambda: ak.contents.RegularArray(content[: offsets[-1]], width, len(column)))
    return choose(random, *forms)


def awkward_indexed(content: Any, random: Random) -> Any:
    if not coin(random):
        return content
    shuffled, places = shuffle(content, random)
    return ak.contents.IndexedArray.simplified(index(places, random), shuffled)


def native(values: Array, random: Random) -> Array:
    """An array in a layout of native endianness; Awkward has no other."""
    laid_out = numpy_values(values, random)
    return laid_out if laid_out.dtype.isnative else values


def awkward_layout(column: Column, random: Random) -> Any:
    column = buried(column, random)
    if column.offsets is None:
        content = ak.contents.NumpyArray(native(column.values, random))
        return awkward_option(awkward_indexed(content, random), column.valid, random)
    gap = int(random.integers(0, 20))
    around = framed(column, gap, int(random.integers(0, 5)), random)
    column = replace(column, offsets=column.offsets + gap)
    content = ak.contents.NumpyArray(native(around.values, random))
    content = awkward_option(awkward_indexed(content, random), around.valid, random)
    lists = awkward_lists(column, content, random)
    return awkward_option(awkward_indexed(lists, random), column.list_valid, random)


def awkward_column(column: Column, random: Random) -> Any:
    if not coin(random):
        return ak.Array(awkward_layout(column, random))
    wide, start = widened(column, random)
    return ak.Array(awkward_layout(wide, random))[start : start + len(column)]


def as_awkward(table: Table, random: Random, valid: NDArray[np.bool_] | None = None) -> Any:
    """A record array, with null records where ``valid`` says so."""
    columns = [awkward_column(column, random).layout for column in table.values()]
    records = ak.contents.RecordArray(columns, list(table), length=len(next(iter(table.values()))))
    return ak.Array(awkward_option(awkward_indexed(records, random), valid, random))


# Arrow


def arrow_bits(valid: NDArray[np.bool_] | None) -> Any:
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())


def arrow_flat(column: Column) -> Any:
    type_ = pa.from_numpy_dtype(column.values.dtype)
    values = column.values
    data = np.packbits(values, bitorder="little") if values.dtype.kind == "b" else values
    return pa.Array.from_buffers(type_, len(values), [arrow_bits(column.valid), pa.py_buffer(data.tobytes())])


def arrow_whole(column: Column, random: Random, plain: bool = False) -> Any:
    """A column that is no slice; ``plain``: with lists by offsets only."""
    column = buried(column, random)
    if column.offsets is None:
        return arrow_flat(column)
    offsets, bits = column.offsets, arrow_bits(column.list_valid)
    values = arrow_flat(Column(column.values, column.valid))
    field, size = pa.field("item", values.type), len(column)
    width = regular(column)

    def lists(type_: Any, dtype: type[np.signedinteger[Any]]) -> Any:
        buffers = [bits, pa.py_buffer(offsets.astype(dtype).tobytes())]
        return pa.Array.from_buffers(type_, size, buffers, children=[values])

    def views(type_: Any, dtype: type[np.signedinteger[Any]]) -> Any:
        starts, sizes = offsets[:-1].astype(dtype).tobytes(), np.diff(offsets).astype(dtype).tobytes()
        return pa.Array.from_buffers(type_, size, [bits, pa.py_buffer(starts), pa.py_buffer(sizes)], children=[values])

    forms = [lambda: lists(pa.list_(field), np.int32), lambda: lists(pa.large_list(field), np.int64)]
    if plain:
        return choose(random, *forms)
    forms += [
        lambda: views(pa.list_view(field), np.int32),
        lambda: views(pa.large_list_view(field), np.int64),
    ]
    if width is not None:
        fixed = pa.list_(field, width)
        forms.append(lambda: pa.Array.from_buffers(fixed, size, [bits], children=[values[: size * width]]))
    return choose(random, *forms)


def arrow_column(column: Column, random: Random, plain: bool = False) -> Any:
    if not coin(random):
        return arrow_whole(column, random, plain)
    wide, start = widened(column, random)
    return arrow_whole(wide, random, plain).slice(start, len(column))


def arrow_chunked(column: Column, random: Random, plain: bool = False) -> Any:
    """Chunks of any length, also none, each a slice of its own array or of a shared one."""
    whole = arrow_column(column, random, plain)
    cuts = sorted(random.integers(0, len(column) + 1, int(random.integers(0, 4))).tolist())
    pieces = [whole.slice(start, stop - start) for start, stop in zip([0, *cuts], [*cuts, len(column)], strict=True)]
    return pa.chunked_array(pieces, whole.type)


def as_arrow_batch(table: Table, random: Random) -> Any:
    return pa.RecordBatch.from_arrays([arrow_column(column, random) for column in table.values()], list(table))


def as_arrow_table(table: Table, random: Random) -> Any:
    return pa.table({name: arrow_chunked(column, random) for name, column in table.items()})


def as_arrow_reader(table: Table, random: Random) -> Any:
    return as_arrow_table(table, random).to_reader(int(random.integers(1, 50)))


def as_arrow_struct(table: Table, random: Random, valid: NDArray[np.bool_] | None = None) -> Any:
    columns = [arrow_column(column, random) for column in table.values()]
    fields = [pa.field(name, column.type) for name, column in zip(table, columns, strict=True)]
    mask = None if valid is None else pa.array(~valid)
    return pa.StructArray.from_arrays(columns, fields=fields, mask=mask)


# Polars


def as_polars(table: Table, random: Random) -> Any:
    """A data frame; Polars reads no list views, and not every fixed-size list."""
    return pl.DataFrame({name: polars_series(column, random) for name, column in table.items()})


def polars_series(column: Column, random: Random) -> Any:
    series = pl.Series(values=arrow_chunked(column, random, plain=True))
    width = regular(column)
    return series.list.to_array(width) if width and column.list_valid is None and coin(random) else series


# Together


def as_mixture(table: Table, random: Random) -> dict[str, Any]:
    """A dict whose columns come from different libraries."""
    kept: dict[int, Array] = {}
    numpy: Form = partial(numpy_column, kept=kept)
    forms: list[Form] = [numpy, awkward_column, arrow_column, arrow_chunked, polars_series]
    return {name: forms[int(random.integers(len(forms)))](column, random) for name, column in table.items()}


FORMS: Mapping[str, Callable[[Table, Random], Any]] = {
    "numpy": as_numpy,
    "awkward": as_awkward,
    "arrow_batch": as_arrow_batch,
    "arrow_table": as_arrow_table,
    "arrow_reader": as_arrow_reader,
    "arrow_struct": as_arrow_struct,
    "polars": as_polars,
    "mixture": as_mixture,
}
