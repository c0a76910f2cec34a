"""What uproot knows of the trees of a ROOT file, learned once."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import uproot
from uproot.source.file import MultithreadedFileSource

from mlaas4hep.errors import ParamsError, SourceError, first_line, nearest
from mlaas4hep.sources.branch import Branch
from mlaas4hep.sources.kinds import UNKNOWN, Layout, layouts_of
from mlaas4hep.sources.memory import Memory
from mlaas4hep.sources.native import NativeBranch, counters_of

__all__ = ["Known", "known_tree", "known_trees"]

TREES = {"TTree", "TNtuple", "TNtupleD"}
NAMES_SHOWN = 20


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """One tree: its branches with uproot's object and our layout, both by name. No file is open for it.

    ``natives`` has what the core needs to know of branches that were read; ``size`` and ``modified`` are those of the
    file.
    """

    name: str
    entries: int
    branches: dict[str, tuple[Any, Layout]]
    schema: dict[str, Branch]
    size: int = 0
    modified: int = 0
    natives: dict[str, NativeBranch] = field(default_factory=dict)


_MEMORY: Memory[Known] = Memory()


def known_tree(path: str, tree: str | None) -> Known:
    """Return what is known of one tree of a ROOT file: the one that is named, else the only one.

    To ask uproot takes longer than to read some thousand events; a file of which size, time and identity are what they
    were is not asked again.
    """
    identity, switch = _identity(path), _switch()
    known = _MEMORY.get((identity, tree, switch))
    if known is None:
        with _open(path) as file:
            keys = _keys(path, file)
            name = _choose(path, file, keys, tree)
            known = _learn(path, name, _tree(path, file, keys.get(name, name)))
        known = replace(known, size=identity.size, modified=identity.modified)
        for asked in dict.fromkeys((tree, name)):
            _MEMORY.put((identity, asked, switch), known)
    return known


def known_trees(path: str) -> list[Known]:
    """Return what is known of every tree of a ROOT file."""
    with _open(path) as file:
        keys = _keys(path, file)
        if not keys:
            raise _no_tree(path, file)
        return [_learn(path, name, _tree(path, file, key)) for name, key in keys.items()]


@dataclass(frozen=True, slots=True)
class _Identity:
    """What tells a file, and that it was not changed."""

    path: str
    device: int
    number: int
    size: int
    modified: int


def _identity(path: str) -> _Identity:
    try:
        found = os.stat(path)  # noqa: PTH116 (a Path would be made for this alone)
    except OSError as error:
        raise SourceError(f"{path}: cannot be opened: {error.strerror or error}") from None
    return _Identity(os.path.realpath(path), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _switch() -> str:
    """Why uproot is to read every branch, if it is."""
    asked = os.environ.get("MLAAS4HEP_READER", "")
    if asked not in ("", "mlaas4hep", "uproot"):
        raise ParamsError(f"MLAAS4HEP_READER is {asked!r}; it must be 'mlaas4hep', 'uproot' or empty")
    return "MLAAS4HEP_READER is uproot" if asked == "uproot" else ""


def _learn(path: str, name: str, tree: Any) -> Known:
    """Ask uproot for everything; it takes its time for each branch."""
    branches = dict(_columns(tree))
    try:
        counters = {id(counter) for branch, _ in branches.values() for counter in counters_of(branch)}
    except Exception as error:
        raise SourceError(f"{path}: tree {name!r} is damaged: {first_line(error)}") from error
    described = {n: _describe(n, branch, layout, id(branch) in counters) for n, (branch, layout) in branches.items()}
    return Known(name, int(tree.num_entries), branches, described)


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
        raise SourceError(f"{path}: the ROOT file is truncated or damaged: {first_line(error)}") from error
    if size < file.file.fEND:
        file.close()
        raise SourceError(f"{path}: the ROOT file is truncated: {size} bytes instead of {file.file.fEND}")
    return file


def _keys(path: str, file: Any) -> dict[str, str]:
    """The trees of a file by name, each with the key of its newest cycle."""
    try:
        classes = file.classnames(recursive=True, cycle=True)
    except Exception as error:
        raise SourceError(f"{path}: its list of objects is damaged: {first_line(error)}") from error
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
        raise SourceError(f"{path}: tree {key!r} is damaged: {first_line(error)}") from error


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


def _whole(branch: Any) -> Any:
    """The branch with its embedded baskets, which are read from the tree itself while the file is open."""
    with suppress(Exception):  # the reader of this branch will fail in the same way, and say so; others do not suffer
        _ = branch.embedded_baskets
    return branch


def _columns(tree: Any) -> Iterator[tuple[str, tuple[Any, Layout]]]:
    """Every branch, or each leaf of one that has several, with what it holds."""
    switch = _switch()
    for name, branch in _named(tree):
        branch = _whole(branch)
        try:
            layouts = list(layouts_of(branch.interpretation))
        except Exception:  # uproot fails in many ways on a type it does not know; other branches do not suffer
            layouts = list(layouts_of(None))
        for layout in layouts:
            if switch and layout.kind != "other":
                layout = replace(layout, packing=None, why_uproot=switch)
            yield (f"{name}.{layout.leaf}" if layout.leaf else name), (branch, layout)


def _describe(name: str, branch: Any, layout: Layout, counter: bool) -> Branch:
    number = "" if layout.dtype is None else layout.dtype.name
    typename = "unknown" if layout.why_not == UNKNOWN else branch.typename
    if layout.leaf:
        typename = uproot.AsDtype(branch.interpretation.from_dtype[layout.leaf]).typename
    why_not = layout.why_not or ("counter" if counter else "")
    reader: Literal["mlaas4hep", "uproot", ""] = "uproot" if layout.why_uproot else "mlaas4hep"
    if layout.kind == "other":
        reader = ""
    return Branch(name, layout.kind, number, typename, counter, why_not, reader, layout.why_uproot)


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
