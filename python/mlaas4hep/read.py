"""Events of files as columns in memory: what ``scan`` and ``flatten`` take."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust
from mlaas4hep.columns import join_offsets, slice_column, split_nulls
from mlaas4hep.dataset.badfiles import BadFiles
from mlaas4hep.dataset.files import File, open_all
from mlaas4hep.dataset.stream import open_again
from mlaas4hep.errors import ParamsError, note
from mlaas4hep.inputs import Files, resolve
from mlaas4hep.sources import Branch, Column, Reading, choose_branches, find
from mlaas4hep.threads import resolve_threads

__all__ = ["read"]


def read(
    files: Files,
    *,
    tree: str | None = None,
    select: str | Iterable[str] | None = None,
    exclude: str | Iterable[str] | None = None,
    start: int | None = None,
    stop: int | None = None,
    reading: Reading | Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> dict[str, Column]:
    """Read events of one or more files into memory, as a dict of columns.

    Parameters
    ----------
    files
        As in :class:`Dataset`: a path, glob or URL with an optional ``:tree``, a list of them, or a mapping of them to
        their trees. The events of several files follow each other in the order of the files.
    tree
        Name of the tree for inputs that name none; not needed where a file holds only one.
    select, exclude
        Names or globs of the branches to read or to leave out, as in :class:`Dataset`. By default those that would be
        inputs: all numbers but counters, which ``select`` may name.
    start, stop
        The events to read, counted from 0 over all files; by default all. A ``stop`` behind the last event means it.
    reading
        How files are read: a :class:`Reading`, or a dict of its values.
    threads
        Threads to use; ``None``: the variable ``MLAAS4HEP_NUM_THREADS``, else the CPUs that the process may use.

    Returns
    -------
    dict
        The columns by name, sorted. A flat branch is an array, shape (events,), a jagged one a pair ``(offsets,
        content)`` with int64 offsets, shape (events + 1,); branches of equal lengths may share their offsets. The type
        is that of the branch, NumPy's promotion where files differ. NaN and infinities stay as they are; where a format
        has nulls, the array, the content or the pair is ``Masked``. :func:`scan`, :func:`flatten`, :func:`evaluate`
        and :func:`select` take all of that.

    Raises
    ------
    SourceError, ReadError
        A file cannot be found, opened or understood, or is corrupt.
    BranchError
        A branch is missing in a file, is flat in one and jagged in another, or is no column of numbers.
    ParamsError
        Another argument is wrong.

    Examples
    --------
    >>> import mlaas4hep
    >>> from importlib.resources import files
    >>> path = files("mlaas4hep") / "sample" / "ttH.root"
    >>> data = mlaas4hep.read(f"{path}:events", select=["met", "jetPt"], stop=1000)
    >>> offsets, content = data["jetPt"]
    >>> data["met"].shape, offsets.shape, str(content.dtype)
    ((1000,), (1001,), 'float32')
    >>> mlaas4hep.flatten(data).data.shape[0]
    1000
    """
    given, threads = Reading.of(reading), resolve_threads(threads)
    inputs = resolve(files, tree, find=partial(find, reading=given))
    schemas, opened = open_all(inputs, -1, given, BadFiles(skip=False))
    choice = choose_branches(schemas, select, exclude)
    if choice.note:
        note(choice.note)
    begin, end = _range(start, stop, sum(file.entries for file in opened))
    names = [branch.name for branch in choice.inputs]
    parts = [_read(file, names, *place, given, threads) for file, place in _places(opened, begin, end)]
    return _Joiner(schemas).columns(names, parts)


def _range(start: int | None, stop: int | None, entries: int) -> tuple[int, int]:
    """The events that are meant."""
    for what, value in (("start", start), ("stop", stop)):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 0
        if value is not None and not whole:
            raise ParamsError(f"{what} is {value!r}; it must be a whole number, not negative, or None")
    begin, end = int(start or 0), entries if stop is None else min(int(stop), entries)
    if begin > end:
        limit = f"stop, {stop}" if stop is not None and stop <= entries else f"the number of events, {entries}"
        raise ParamsError(f"start is {start}; it must not be larger than {limit}")
    return begin, end


def _places(files: Sequence[File], begin: int, end: int) -> list[tuple[File, tuple[int, int]]]:
    """The files that have events of the range, and the entries of each; the first one where there are no events."""
    places, first = [], 0
    for file in files:
        start, stop = max(begin - first, 0), min(end - first, file.entries)
        if start < stop:
            places.append((file, (start, stop)))
        first += file.entries
    return places or [(files[0], (0, 0))]


def _read(file: File, names: Sequence[str], start: int, stop: int, reading: Reading, threads: int) -> dict[str, Column]:
    source = open_again(file.input.path, file.tree, file.entries, file.state, threads, reading)
    try:
        return dict(source.read(names, start, stop))
    finally:
        source.close()


class _Joiner:
    """Joins the columns of several files; offsets that were shared in every file still are."""

    def __init__(self, schemas: Sequence[tuple[str, Mapping[str, Branch]]]) -> None:
        self._schemas = schemas
        self._offsets: dict[tuple[int, ...], tuple[Sequence[object], NDArray[np.int64]]] = {}

    def columns(self, names: Sequence[str], parts: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
        """Return each column of all parts, of the type that holds those of all files."""
        return {name: self._join([part[name] for part in parts], self._type(name)) for name in names}

    def _type(self, name: str) -> np.dtype[Any]:
        return np.dtype(_rust.promoted([schema[name].type for _, schema in self._schemas]))

    def _join(self, parts: Sequence[Any], dtype: np.dtype[Any]) -> Any:
        """Join arrays, pairs, or such of them that are masked."""
        if any(isinstance(part, _rust.Masked) for part in parts):
            values, nulls = zip(*map(split_nulls, parts), strict=True)
            return _rust.Masked(self._join(values, dtype), np.concatenate(nulls), valid_when=False)
        if isinstance(parts[0], tuple):
            contents = [slice_column(content, offsets[0], offsets[-1]) for offsets, content in parts]
            return self._join_offsets([offsets for offsets, _ in parts]), self._join(contents, dtype)
        if len(parts) > 1:
            return np.concatenate(parts, dtype=dtype)
        # What cannot be written is part of something larger, a basket say, which the caller need not hold.
        return parts[0].astype(dtype, copy=not parts[0].flags.writeable)

    def _join_offsets(self, parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        key = tuple(map(id, parts))
        if key not in self._offsets:
            alone = len(parts) == 1 and parts[0][0] == 0
            joined = parts[0] if alone else join_offsets(parts)
            self._offsets[key] = parts, joined  # the parts too, so that their ids stay theirs
        return self._offsets[key][1]
