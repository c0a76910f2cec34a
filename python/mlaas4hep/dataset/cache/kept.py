"""Columns as arrays in an Arrow file, from which they come back as they were, without a copy.

A record batch holds a cluster. It has a single row: each of its columns is one list, an array of NumPy as it is in
memory. A column of events is four of them: values, offsets, and which values and which lists are there. So types,
masks and null lists survive exactly, and offsets that several branches share are there once: the metadata of the batch
say whose they are.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import split_nulls
from mlaas4hep.sources import Column

__all__ = ["Kept", "Writer"]

Array = NDArray[Any]
Pieces = tuple[Array, Array | None, Array | None, Array | None]
"""Values, offsets, which values are there, and which lists, or flat values, are."""

STORED = {np.dtype(np.bool_): np.dtype(np.uint8)}
"""Types that are stored as another one of their size."""

TEXT = "text"


class Writer:
    """Writes clusters into a file, all of the same columns."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writer: Any = None

    def add(self, columns: Sequence[Column], entries: NDArray[np.int64]) -> None:
        """Write the columns of some events, which are these entries."""
        owners: dict[int, int] = {}
        seen = []  # so that no other array gets the identity of one
        arrays: list[Any] = [_listed(entries)]
        forms = []
        for number, column in enumerate(columns):
            values, offsets, inner, outer = _apart(column)
            owner = None
            if offsets is not None:
                seen.append(offsets)
                owner = owners.setdefault(id(offsets), number)
                values = values[offsets[0] : offsets[-1]]
                inner = None if inner is None else inner[offsets[0] : offsets[-1]]
                offsets = None if owner != number else offsets - offsets[0] if offsets[0] else offsets
            arrays += [_listed(values), _listed(offsets, np.int64), _listed(inner, np.bool_), _listed(outer, np.bool_)]
            type_ = TEXT if values.dtype.kind in "OU" else values.dtype.name
            forms.append([type_, owner, inner is not None, outer is not None])
        batch = pa.RecordBatch.from_arrays(arrays, [str(number) for number in range(len(arrays))])
        if self._writer is None:
            self._writer = pa.ipc.new_file(pa.PythonFile(self._file, mode="w"), batch.schema)
        self._writer.write_batch(batch, custom_metadata={"forms": json.dumps(forms)})

    def close(self) -> None:
        """Write what stands at the end of a file."""
        if self._writer is None:
            self._writer = pa.ipc.new_file(pa.PythonFile(self._file, mode="w"), pa.schema([]))
        self._writer.close()


class Kept:
    """What was kept of a file: the events that passed the cuts, cluster by cluster.

    It reads as a file does whose cuts are applied already: see ``Cutter``. ``passed`` has for each cut how many events
    passed it and all before it. ``columns`` are branches of the file, ``new`` those that formulas made. The file stays
    mapped as long as there are arrays of it.
    """

    def __init__(
        self,
        path: Path,
        ranges: Sequence[tuple[int, int]],
        passed: Sequence[int],
        columns: Iterable[str],
        new: Iterable[str],
    ) -> None:
        names = [*((name, False) for name in columns), *((name, True) for name in new)]
        self._positions = {key: number for number, key in enumerate(names)}
        self.ranges, self.passed = list(ranges), np.asarray(passed, np.int64)
        self._number = {start: number for number, (start, _) in enumerate(self.ranges)}
        self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self._lock = Lock()
        if self._reader.num_record_batches != len(self.ranges):
            raise ValueError(f"{self._reader.num_record_batches} clusters in place of {len(self.ranges)}")

    def clusters(self, columns: Sequence[str], stop: int) -> list[tuple[int, int]]:
        """Return the ranges of entries of all clusters."""
        return self.ranges

    def read(
        self, columns: Sequence[str], start: int, stop: int, *, new: bool = False
    ) -> tuple[dict[str, Column], NDArray[np.int64]]:
        """Return columns of a cluster, and the entries of its events.

        With ``new`` they are those of a plan whose new branches are computed.
        """
        with self._lock:
            batch, metadata = self._reader.get_batch_with_custom_metadata(self._number[start])
        forms = json.loads(metadata[b"forms"])
        offsets: dict[int, Array] = {}
        found = {}
        for name in columns:
            number = self._positions.get((name, True) if new else (name, False))
            number = self._positions[name, False] if number is None else number
            found[name] = _column(batch, number, forms[number], offsets)
        return found, _array(batch, 0)


def _apart(column: Column) -> Pieces:
    outer = inner = offsets = None
    if isinstance(column, _rust.Masked):
        column, outer = _unmasked(column)
    if isinstance(column, tuple):
        offsets, values = column
        if isinstance(values, _rust.Masked):
            values, inner = _unmasked(values)
        return values, offsets, inner, outer
    return column, None, None, outer  # type: ignore[return-value]  # nothing is masked twice


def _unmasked(column: _rust.Masked) -> tuple[Any, Array]:
    values, nulls = split_nulls(column)
    return values, ~nulls


def _listed(array: Array | None, dtype: type[np.generic] = np.uint8) -> Any:
    """An array as the only list of a column."""
    array = np.zeros(0, dtype) if array is None else array
    if array.dtype.kind in "OU":
        values = pa.array(array.tolist(), pa.large_string())
    else:
        array = np.ascontiguousarray(array).view(STORED.get(array.dtype, array.dtype))
        values = pa.Array.from_buffers(pa.from_numpy_dtype(array.dtype), len(array), [None, pa.py_buffer(array)])
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)


def _array(batch: Any, field: int, dtype: str | None = None) -> Array:
    values = batch.column(field).values
    if dtype == TEXT:
        return np.array(values.to_pylist(), object)
    array: Array = values.to_numpy(zero_copy_only=True)
    return array if dtype is None else array.view(dtype)


def _column(batch: Any, number: int, form: Sequence[Any], shared: dict[int, Array]) -> Column:
    """A column, whose offsets are the same array as those of others, where they share them."""
    dtype, owner, inner, outer = form
    column: Any = _array(batch, 1 + 4 * number, dtype)
    if owner is not None:
        if owner not in shared:
            shared[owner] = _array(batch, 2 + 4 * owner)
        if inner:
            column = _rust.Masked(column, _array(batch, 3 + 4 * number, "bool"), valid_when=True)
        column = shared[owner], column
    if outer:
        column = _rust.Masked(column, _array(batch, 4 + 4 * number, "bool"), valid_when=True)
    found: Column = column
    return found
