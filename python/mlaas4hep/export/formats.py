"""How a chunk stands in a file of each format."""

import importlib.util
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset import Chunk
from mlaas4hep.errors import ParamsError, nearest

__all__ = ["FORMATS", "Format", "format_named", "table"]

ROWS = 512
"""Rows that are turned into columns at once, so that they stay in the cache; a multiple of 8."""

MATRIX = ("data", "padding_mask")
FURTHER = ("labels", "weights", "targets", "file", "entry")

Arrays = dict[str, NDArray[Any]]

Content = Callable[[Chunk, Sequence[str]], Any]
"""Returns what is written of a chunk whose matrix has columns of these names."""
Write = Callable[[BinaryIO, Any], None]
"""Writes that into a file, which is open to write, read and seek."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format of chunks.

    ``content`` and ``write`` are called in two threads. ``further`` gives what stands beside the matrix, by name. With
    ``tabular`` each column of the matrix is a column of the file. ``package`` is what must be installed for it, with
    the extra ``extra``.
    """

    content: Content
    write: Write
    further: Callable[[Chunk], Arrays]
    tabular: bool
    package: str = ""
    extra: str = ""

    def holds(self, columns: Sequence[str], chunk: Chunk) -> dict[str, str]:
        """Return what stands in a file of chunks like this one, the type of each column or array by its name."""
        matrix = dict.fromkeys(columns, chunk.data) if self.tabular else _matrix(chunk)
        return {name: str(array.dtype) for name, array in {**matrix, **self.further(chunk)}.items()}

    def check(self, columns: Sequence[str], chunk: Chunk) -> None:
        """Raise ``ParamsError`` if the columns of a matrix cannot stand in such a file, with chunks like this one."""
        clash = [name for name in ("label", *self.further(chunk)) if self.tabular and name in columns]
        if clash:
            raise ParamsError(f"branch {clash[0]!r} has the name of a column that chunks get as well; exclude it")


def format_named(name: str) -> Format:
    """Return a format, or raise ``ParamsError`` where there is none of this name, or its package is missing."""
    if name not in FORMATS:
        raise ParamsError(f"format is {name!r}; it must be one of {', '.join(FORMATS)}{nearest(name, FORMATS)}")
    found = FORMATS[name]
    if found.package and importlib.util.find_spec(found.package) is None:
        raise ParamsError(
            f"format {name!r} needs the package {found.package}, which is not installed: "
            f"pip install 'mlaas4hep[{found.extra}]'"
        )
    return found


def table(chunk: Chunk, names: Sequence[str]) -> Any:
    """Return the chunk as an Arrow table, null where a value is padding or missing."""
    import pyarrow as pa

    valid, values = _bits_by_column(~chunk.padding_mask), _by_column(chunk.data)
    columns = {
        name: pa.Array.from_buffers(pa.float32(), len(chunk.data), [pa.py_buffer(bits), pa.py_buffer(column)])
        for name, bits, column in zip(names, valid, values, strict=True)
    }
    return pa.table({**columns, **{name: pa.array(array) for name, array in _columns(chunk).items()}})


def _columns(chunk: Chunk) -> Arrays:
    """What stands beside the matrix, a column each."""
    targets = [] if chunk.targets is None else chunk.targets.T
    columns = {"label": chunk.labels, "weight": chunk.weights}
    columns |= {f"target_{number}": target for number, target in enumerate(targets)}
    columns |= {"file": chunk.file, "entry": chunk.entry}
    return {name: array for name, array in columns.items() if array is not None}


def _by_column(matrix: NDArray[Any]) -> NDArray[Any]:
    """Turn rows into columns, a block that fits the cache at a time: ten times as fast as a column at a time."""
    columns = np.empty(matrix.shape[::-1], matrix.dtype)
    for start in range(0, len(matrix), ROWS):
        columns[:, start : start + ROWS] = matrix[start : start + ROWS].T
    return columns


def _bits_by_column(matrix: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The same for bools, which become bits, as Arrow has them."""
    bits = np.empty((matrix.shape[1], -(-len(matrix) // 8)), np.uint8)
    for start in range(0, len(matrix), ROWS):
        packed = np.packbits(matrix[start : start + ROWS].T, axis=1, bitorder="little")
        bits[:, start // 8 : start // 8 + packed.shape[1]] = packed
    return bits


def _matrix(chunk: Chunk) -> Arrays:
    return {name: getattr(chunk, name) for name in MATRIX}


def _further(chunk: Chunk) -> Arrays:
    """What stands beside the matrix, an array each."""
    arrays = {name: getattr(chunk, name) for name in FURTHER}
    return {name: array for name, array in arrays.items() if array is not None}


def _arrays(chunk: Chunk, names: Sequence[str]) -> Arrays:
    return {**_matrix(chunk), **_further(chunk)}


def _write_parquet(file: BinaryIO, table: Any) -> None:
    import pyarrow.parquet as pq

    # Dictionaries of numbers that hardly repeat take half of the time, and more space; ranges of the matrix, which
    # nobody looks for, a third.
    sought = [name for name in ("label", "file", "entry") if name in table.column_names]
    pq.write_table(table, file, compression="zstd", use_dictionary=False, write_statistics=sought)


def _write_arrow(file: BinaryIO, table: Any) -> None:
    import pyarrow as pa

    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _write_npz(file: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    with zipfile.ZipFile(file, "w") as archive:  # numpy.savez keeps the name "file" for itself
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _write_hdf5(file: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    import h5py

    with h5py.File(file, "w") as group:
        for name, array in arrays.items():
            group.create_dataset(name, data=array)


FORMATS = {
    "parquet": Format(table, _write_parquet, _columns, True),
    "arrow": Format(table, _write_arrow, _columns, True),
    "npz": Format(_arrays, _write_npz, _further, False),
    "hdf5": Format(_arrays, _write_hdf5, _further, False, "h5py", "hdf5"),
}
