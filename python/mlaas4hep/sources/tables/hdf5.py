"""HDF5 files, through h5py."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import ceil, lcm, prod
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BranchError, MLaaSError, ReadError, SourceError, first_line, nearest
from mlaas4hep.inputs import is_url
from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import Branch, Column, Storage, TreeInfo
from mlaas4hep.sources.clusters import ALONE, Turn, check_range, join
from mlaas4hep.sources.place import Place, open_place
from mlaas4hep.sources.tables.source import opening

__all__ = ["Hdf5Source", "list_trees", "open_tree"]

FAR = "its values are in another file"
NESTED = "nested lists"
EDGE = 2**20
"""Bytes of columns between places where a cluster may end."""

USERS_VALUE = 2
"""HDF5's number of a value of the user's for what is not written."""

VARYING = 32
"""Bytes that a list of varying length takes at least, as is thought; only a read can tell."""


def open_tree(path: str, tree: str | None, threads: int | None, reading: Reading) -> "Hdf5Source":
    """Open one group of an HDF5 file as a tree: the one that is named, else the only one with datasets."""
    file = _File(path, reading)
    try:
        with opening(path, "HDF5"):
            trees = file.trees()
        return Hdf5Source(file, _chosen(path, trees, tree))
    except BaseException:
        file.close()
        raise


def list_trees(path: str, reading: Reading) -> list[TreeInfo]:
    """Return every group of an HDF5 file that has datasets, with these as branches."""
    file = _File(path, reading)
    try:
        with opening(path, "HDF5"):
            return [
                TreeInfo(tree.name, tree.entries, tuple(tree.schema.values()), tree.storage) for tree in file.trees()
            ]
    finally:
        file.close()


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A branch, its dataset, and the field if that has several."""

    branch: Branch
    dataset: Any
    field: str = ""
    varying: bool = False

    def event_bytes(self, most: float) -> float:
        """What an event takes in memory, of a list of varying length up to ``most``."""
        if not self.branch.type or self.varying:
            return 64 + max(VARYING, most)
        return float(np.dtype(self.branch.type).itemsize * int(np.prod(self.dataset.shape[1:])))

    @property
    def unwritten(self) -> str:
        """What of the dataset was never written; values that were not are zero, unless the file says another one."""
        dataset = self.dataset
        if not dataset.size or dataset.id.get_create_plist().fill_value_defined() == USERS_VALUE:
            return ""
        if not dataset.chunks:
            return "" if dataset.id.get_storage_size() or dataset.external else "its values"
        pieces = prod(ceil(size / step) for size, step in zip(dataset.shape, dataset.chunks, strict=True))
        missing = pieces - int(dataset.id.get_num_chunks())
        return f"{missing:,} of its {pieces:,} chunks" if missing else ""

    @property
    def storage(self) -> Storage:
        """How the dataset is stored; its fields are stored together."""
        chunks = self.dataset.id.get_num_chunks() if self.dataset.chunks else 1
        stored = int(self.dataset.id.get_storage_size())
        return Storage(stored, int(self.dataset.nbytes), chunks, self.dataset.compression or "")


@dataclass(frozen=True, slots=True)
class _Tree:
    """A group, with what in it is a branch."""

    name: str
    entries: int
    leaves: Mapping[str, _Leaf]

    @property
    def schema(self) -> dict[str, Branch]:
        """The branches by name."""
        return {name: leaf.branch for name, leaf in self.leaves.items()}

    @property
    def storage(self) -> dict[str, Storage]:
        """How each is stored."""
        return {name: leaf.storage for name, leaf in self.leaves.items()}


class _File:
    """An open HDF5 file."""

    def __init__(self, path: str, reading: Reading) -> None:
        try:
            import h5py
        except ImportError as error:
            raise SourceError(
                f"{path}: HDF5 files are read by h5py, which is not installed: pip install 'mlaas4hep[hdf5]'"
            ) from error
        self.path = path
        self._h5py = h5py
        self._nested = reading.flatten_nested
        self._place: Place = open_place(path, reading)
        self.state = self._place.state
        self._bytes = self._place.file() if is_url(path) else None
        try:
            with opening(path, "HDF5"):
                self._file = h5py.File(self._bytes or path, "r", locking=False)
        except BaseException:
            if self._bytes is not None:
                self._bytes.close()
            self._place.close()
            raise

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self._place.size

    def check(self) -> None:
        """Raise if the file was changed since it was opened."""
        self._place.check()

    def trees(self) -> list[_Tree]:
        """Return the groups that have datasets. Links to other files are not followed."""
        groups: dict[str, list[tuple[str, Any]]] = {}

        def visit(name: str, found: Any) -> None:
            if isinstance(found, self._h5py.Dataset):
                group, _, short = name.rpartition("/")
                groups.setdefault(f"/{group}", []).append((short, found))

        self._file.visititems(visit)
        return [self._tree(name, datasets) for name, datasets in groups.items()]

    def _tree(self, name: str, datasets: Sequence[tuple[str, Any]]) -> _Tree:
        lengths = Counter(dataset.shape[0] for _, dataset in datasets if dataset.shape)
        entries = max(lengths, key=lambda length: (lengths[length], length), default=0)
        leaves: dict[str, _Leaf] = {}
        for short, dataset in datasets:
            for leaf in self._leaves(short, dataset, entries):
                leaves[leaf.branch.name] = leaf
        return _Tree(name, int(entries), leaves)

    def _leaves(self, name: str, dataset: Any, entries: int) -> Iterator[_Leaf]:
        if not dataset.shape or dataset.shape[0] != entries:
            length = f"of {dataset.shape[0]} entries where others have {entries}" if dataset.shape else "no list"
            yield _Leaf(Branch(name, "other", "", str(dataset.dtype), why_not=length), dataset)
        elif dataset.is_virtual or dataset.external:
            yield _Leaf(Branch(name, "other", "", str(dataset.dtype), why_not=FAR), dataset)
        elif dataset.dtype.names is None:
            yield self._leaf(name, dataset, dataset.dtype, "")
        else:
            for field in dataset.dtype.names:
                yield self._leaf(f"{name}.{field}", dataset, dataset.dtype[field], field)

    def _leaf(self, name: str, dataset: Any, dtype: np.dtype[Any], field: str) -> _Leaf:
        base, inner = dtype.subdtype or (dtype, ())
        dimensions = dataset.ndim + len(inner)
        varying = self._h5py.check_vlen_dtype(base)
        if self._h5py.check_string_dtype(base) is not None and dimensions == 1:
            return _Leaf(Branch(name, "string", "", str(base), why_not="strings", reader="h5py"), dataset, field)
        if isinstance(varying, np.dtype):
            base, dimensions = varying, dimensions + 1
        why = "" if base.kind in "biuf" and base.itemsize <= 8 and base.names is None else f"of type {base}"
        if dimensions > 2 and not (self._nested and not isinstance(varying, np.dtype)):
            why = why or NESTED
        if why or inner:
            return _Leaf(Branch(name, "other", "", str(dtype), why_not=why or "arrays in a field"), dataset, field)
        number = "float32" if base.itemsize == 2 and base.kind == "f" else base.newbyteorder("=").name
        kind: Literal["flat", "jagged"] = "flat" if dimensions == 1 else "jagged"
        typename = f"{base}" if kind == "flat" else f"{base}{list(dataset.shape[1:]) or '[]'}"
        branch = Branch(name, kind, number, typename, reader="h5py")
        return _Leaf(branch, dataset, field, isinstance(varying, np.dtype))

    def close(self) -> None:
        """Close the file."""
        with suppress(Exception):  # it was only read
            self._file.close()
        if self._bytes is not None:
            self._bytes.close()
        self._place.close()


def _chosen(path: str, trees: Sequence[_Tree], name: str | None) -> _Tree:
    """The tree that is named, else the only one."""
    if not trees:
        raise SourceError(f"{path}: the HDF5 file holds no dataset")
    names = ", ".join(tree.name for tree in trees[:20])
    if name is None:
        if len(trees) > 1:
            raise SourceError(f"{path}: several groups of the file have datasets; name one of them as tree: {names}")
        return trees[0]
    wanted = f"/{name.strip('/')}"
    found = next((tree for tree in trees if tree.name == wanted), None)
    if found is None:
        hint = nearest(wanted, [tree.name for tree in trees])
        raise SourceError(f"{path}: there is no group {name!r} with datasets{hint}; the file holds {names}")
    return found


class Hdf5Source:
    """A group of an HDF5 file, whose datasets of as many entries are branches. See ``Source`` for the methods.

    A dataset of one dimension is flat, one of two is jagged of constant length, and lists of varying length are jagged.
    Fields of records are branches called ``dataset.field``. Datasets of another length than most are left out.
    """

    def __init__(self, file: _File, tree: _Tree) -> None:
        self.path = file.path
        self.tree = tree.name
        self.entries = tree.entries
        self.state = file.state
        self.seconds = {"fetching": 0.0, "decompression": 0.0, "decoding": 0.0}
        self._file = file
        self._leaves = tree.leaves
        self._whole: set[str] = set()

    def schema(self) -> dict[str, Branch]:
        """Return every branch by its name, in the file's order."""
        return {name: leaf.branch for name, leaf in self._leaves.items()}

    def clusters(self, columns: Sequence[str], start: int, stop: int, turn: Turn = ALONE) -> list[tuple[int, int]]:
        """Return ranges of at most 32 MB from ``start`` to ``stop``, cut where chunks of all datasets begin."""
        check_range(self.path, self.entries, start, stop)
        leaves = [self._leaf(name) for name in dict.fromkeys(columns)]
        # Lists of varying length are never compressed, and HDF5 does not tell how long they are.
        most = self._file.size / max(1, self.entries * sum(leaf.varying for leaf in leaves))
        event_bytes = sum(leaf.event_bytes(most) for leaf in leaves)
        step = lcm(*(leaf.dataset.chunks[0] for leaf in leaves if leaf.dataset.chunks))
        step *= 1 + int(EDGE / (step * max(1.0, event_bytes)))
        edges = np.arange(0, self.entries + 1, min(step, self.entries + 1))
        return join([edges], event_bytes, start, stop, turn)

    def read(self, columns: Sequence[str], start: int, stop: int) -> dict[str, Column]:
        """Return the columns of the events from ``start`` to ``stop``."""
        check_range(self.path, self.entries, start, stop)
        leaves = {name: self._leaf(name) for name in columns}
        records: dict[str, NDArray[Any]] = {}
        found: dict[str, Column] = {}
        for name, leaf in leaves.items():
            with self._reading(name, start, stop):
                dataset = leaf.dataset
                if not leaf.field:
                    found[name] = _column(_values(dataset, leaf, start, stop), leaf)
                    continue
                if dataset.name not in records:
                    fields = [other.field for other in leaves.values() if other.dataset == dataset]
                    records[dataset.name] = dataset.fields(fields)[start:stop]
                found[name] = _column(records[dataset.name][leaf.field], leaf)
        self._file.check()
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _leaf(self, name: str) -> _Leaf:
        if name not in self._leaves:
            raise BranchError(f"{self.path}: tree {self.tree!r} has no dataset {name!r}{nearest(name, self._leaves)}")
        leaf = self._leaves[name]
        if leaf.branch.kind == "other":
            raise BranchError(f"{self.path}: dataset {name!r} is no column: {leaf.branch.why_not}")
        if name not in self._whole and (what := leaf.unwritten):
            raise ReadError(f"{self.path}: dataset {name!r} is not whole: {what} were never written")
        self._whole.add(name)
        return leaf

    @contextmanager
    def _reading(self, name: str, start: int, stop: int) -> Iterator[None]:
        begin = perf_counter()
        try:
            yield
        except MLaaSError:
            raise
        except Exception as error:  # whatever h5py makes of damaged bytes
            self._file.check()
            where = f"dataset {name!r}, entries {start} to {stop}"
            raise ReadError(f"{self.path}: {where}: the data are damaged ({first_line(error)})") from error
        finally:
            self.seconds["decoding"] += perf_counter() - begin


def _values(dataset: Any, leaf: _Leaf, start: int, stop: int) -> NDArray[Any]:
    strings = leaf.branch.kind == "string"
    found: NDArray[Any] = (dataset.asstr(errors="surrogateescape") if strings else dataset)[start:stop]
    return found


def _column(values: NDArray[Any], leaf: _Leaf) -> Column:
    """What was read as a column: native numbers, lists with offsets, strings as objects."""
    if leaf.branch.kind == "string":
        return np.array([_text(value) for value in values], object)
    dtype = np.dtype(leaf.branch.type)
    if leaf.varying:
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in values], dtype=np.int64)])
        return offsets, np.concatenate([np.empty(0, dtype), *values]).astype(dtype, copy=False)
    numbers = np.ascontiguousarray(values, dtype)
    if leaf.branch.kind == "flat":
        return numbers
    width = int(np.prod(values.shape[1:]))
    return np.arange(len(values) + 1, dtype=np.int64) * width, numbers.reshape(-1)


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
