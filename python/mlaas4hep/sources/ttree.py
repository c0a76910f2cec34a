"""TTrees in local ROOT files, through uproot."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, wait
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray
from uproot.source.file import MultithreadedFileSource

from mlaas4hep.errors import BranchError, SourceError, nearest
from mlaas4hep.sources.baskets import SECONDS, BranchReader, share
from mlaas4hep.sources.branch import Branch, Column, TreeInfo
from mlaas4hep.sources.clusters import join
from mlaas4hep.sources.kinds import UNKNOWN, Layout, layout_of

__all__ = ["TTreeSource", "list_trees", "open_tree"]

TREES = {"TTree", "TNtuple", "TNtupleD"}
NAMES_SHOWN = 20


def open_tree(path: str, tree: str | None, executor: Executor | None) -> "TTreeSource":
    """Open one tree of a ROOT file: the one that is named, else the only one."""
    file = _open(path)
    try:
        keys = _keys(path, file)
        name = _choose(path, file, keys, tree)
        return TTreeSource(path, name, file, _tree(path, file, keys.get(name, name)), executor)
    except BaseException:
        file.close()
        raise


def list_trees(path: str) -> list[TreeInfo]:
    """Return every tree of a ROOT file with its branches."""
    with _open(path) as file:
        keys = _keys(path, file)
        if not keys:
            raise _no_tree(path, file)
        sources = [TTreeSource(path, name, file, _tree(path, file, key), None) for name, key in keys.items()]
        return [TreeInfo(source.tree, source.entries, tuple(source.schema().values())) for source in sources]


class TTreeSource:
    """One tree of an open ROOT file. See ``Source`` for what its methods promise."""

    def __init__(self, path: str, name: str, file: Any, tree: Any, executor: Executor | None) -> None:
        self.path = path
        self.tree = name
        self.entries = int(tree.num_entries)
        self._file = file
        self._tree = tree
        self._executor = executor
        self._lock = Lock()
        self._readers: dict[str, BranchReader] = {}

    def schema(self) -> dict[str, Branch]:
        """Return every branch by its name, in the file's order."""
        return self._schema

    def clusters(self, columns: Sequence[str], start: int, stop: int) -> list[tuple[int, int]]:
        """Return ranges of at most 32 MB from ``start`` to ``stop``, cut where the columns begin baskets."""
        self._check(start, stop)
        readers = [self._reader(name) for name in dict.fromkeys(columns)]
        for reader in readers:
            reader.check(stop)
        boundaries = (np.asarray(reader.edges) for reader in readers)
        return join(boundaries, sum(reader.event_bytes for reader in readers), start, stop)

    def read(self, columns: Sequence[str], start: int, stop: int) -> dict[str, Column]:
        """Return the columns of the events from ``start`` to ``stop``."""
        self._check(start, stop)
        readers = {name: self._reader(name) for name in columns}
        if self._executor is None:
            return _share({name: reader.read(start, stop) for name, reader in readers.items()}, readers.values())
        futures = {name: self._executor.submit(reader.read, start, stop) for name, reader in readers.items()}
        wait(futures.values())  # also where one fails, so that no thread is left behind
        return _share({name: future.result() for name, future in futures.items()}, readers.values())

    @property
    def seconds(self) -> dict[str, float]:
        """What threads spent so far on bytes, on decompression and on decoding."""
        spent = [reader.seconds for reader in self._readers.values()]
        return {what: sum(seconds[what] for seconds in spent) for what in SECONDS}

    def close(self) -> None:
        """Close the file."""
        self._readers.clear()
        self._file.close()

    @cached_property
    def _branches(self) -> dict[str, tuple[Any, Layout]]:
        """Every branch and its layout by name. uproot takes its time, so it is asked once for each."""
        return {name: (branch, _layout(branch)) for name, branch in _named(self._tree)}

    @cached_property
    def _schema(self) -> dict[str, Branch]:
        try:
            counters = {id(counter) for branch, _ in self._branches.values() for counter in _counters(branch)}
        except Exception as error:
            what = f"{self.path}: tree {self.tree!r} is damaged: {_line(error)}"
            raise SourceError(what) from error
        return {
            name: _describe(name, branch, layout, id(branch) in counters)
            for name, (branch, layout) in self._branches.items()
        }

    def _reader(self, name: str) -> BranchReader:
        if name not in self._readers:
            if name not in self._branches:
                hint = nearest(name, self._branches)
                raise BranchError(f"{self.path}: tree {self.tree!r} has no branch {name!r}{hint}")
            branch, layout = self._branches[name]
            if layout.kind == "other":
                raise BranchError(f"{self.path}: branch {name!r} is no column: {layout.why_not}")
            self._readers[name] = BranchReader(branch, name, layout, self.path, self._lock)
        return self._readers[name]

    def _check(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.entries:
            raise IndexError(f"{self.path}: entries {start} to {stop} of {self.entries}")


def _share(columns: dict[str, Column], readers: Iterable[BranchReader]) -> dict[str, Column]:
    """Let jagged columns with equal offsets have them in one array: they take most of the memory otherwise."""
    known: list[NDArray[np.int64]] = []
    rests: list[NDArray[np.integer[Any]]] = []
    for name, column in columns.items():
        if isinstance(column, tuple):
            columns[name] = share(column[0], known), column[1]
    for reader in readers:
        reader.share_rest(rests)
    return columns


def _open(path: str) -> Any:
    """Open a ROOT file without caches: the one thread that reads ahead holds what is still needed.

    The file is read by its position, not mapped into memory: a mapped file that shrinks ends the process.
    """
    try:
        size = Path(path).stat().st_size
        file = uproot.open(
            {path: None},
            handler=MultithreadedFileSource,
            use_threads=False,
            num_workers=1,
            object_cache=None,
            array_cache=None,
        )
    except Exception as error:
        raise SourceError(f"{path}: the ROOT file is truncated or damaged: {_line(error)}") from error
    if size < file.file.fEND:
        file.close()
        raise SourceError(f"{path}: the ROOT file is truncated: {size} bytes instead of {file.file.fEND}")
    return file


def _keys(path: str, file: Any) -> dict[str, str]:
    """The trees of a file by name, each with the key of its newest cycle."""
    try:
        classes = file.classnames(recursive=True, cycle=True)
    except Exception as error:
        raise SourceError(f"{path}: its list of objects is damaged: {_line(error)}") from error
    newest: dict[str, int] = {}
    for key, classname in classes.items():
        if classname in TREES:
            name, _, cycle = key.rpartition(";")
            newest[name] = max(newest.get(name, 0), int(cycle))
    return {name: f"{name};{cycle}" for name, cycle in newest.items()}


def _choose(path: str, file: Any, keys: dict[str, str], tree: str | None) -> str:
    """The name of the tree to read; a name with a cycle (``events;1``) stands for itself."""
    known = _shorten(sorted(keys))
    if tree is None:
        if len(keys) == 1:
            return next(iter(keys))
        if not keys:
            raise _no_tree(path, file)
        raise SourceError(f"{path}: the file holds several trees; name one of them: {known}")
    name = tree.strip("/")
    classname = file.classnames(recursive=True, cycle=";" in name).get(name, "")
    if classname in TREES:
        return name
    if not keys:
        raise _no_tree(path, file)
    what = f"{tree!r} is no tree but a {classname}" if classname else f"there is no tree {tree!r}"
    raise SourceError(f"{path}: {what}{nearest(name, keys)}; the file holds {known}")


def _no_tree(path: str, file: Any) -> SourceError:
    found = file.classnames(recursive=True, cycle=False)
    ntuples = sorted(name for name, classname in found.items() if classname.endswith("::RNTuple"))
    if ntuples:
        return SourceError(f"{path}: the file holds RNTuples ({_shorten(ntuples)}); this version reads TTrees only")
    objects = [f"{name} ({what})" for name, what in found.items() if not what.startswith("TDirectory")]
    return SourceError(f"{path}: the file holds no tree; it holds {_shorten(objects) or 'nothing'}")


def _tree(path: str, file: Any, key: str) -> Any:
    try:
        return file[key]
    except Exception as error:
        raise SourceError(f"{path}: tree {key!r} is damaged: {_line(error)}") from error


def _named(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every branch by its short name; its full path where two share that, numbered where two share this."""
    found = list(_walk(tree, ""))
    short = Counter(branch.name for _, branch in found)
    taken: Counter[str] = Counter()
    for path, branch in found:
        name = branch.name if short[branch.name] == 1 else path
        taken[name] += 1
        yield (name if taken[name] == 1 else f"{name}#{taken[name]}"), branch


def _walk(parent: Any, above: str) -> Iterator[tuple[str, Any]]:
    for branch in parent.branches:
        path = f"{above}{branch.name}"
        yield path, branch
        yield from _walk(branch, f"{path}/")


def _layout(branch: Any) -> Layout:
    try:
        return layout_of(branch.interpretation)
    except Exception:  # uproot fails in many ways on a type it does not know; other branches do not suffer
        return layout_of(None)


def _counters(branch: Any) -> Iterator[Any]:
    """The branches that count the entries of this one; they are compared by identity, since names collide."""
    for leaf in branch.member("fLeaves"):
        count = leaf.member("fLeafCount")
        if count is not None and count.parent is not branch:
            yield count.parent


def _describe(name: str, branch: Any, layout: Layout, counter: bool) -> Branch:
    number = "" if layout.dtype is None else layout.dtype.name
    typename = "unknown" if layout.why_not == UNKNOWN else branch.typename
    why_not = layout.why_not or ("counter" if counter else "")
    return Branch(name, layout.kind, number, typename, counter, why_not)


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
