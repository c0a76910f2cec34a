"""What is known of the trees and RNTuples of a ROOT file, learned once from uproot."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import uproot

from mlaas4hep.errors import MLaaSError, ParamsError, ReadError, SourceError, first_line, nearest, shortened
from mlaas4hep.reading import Reading
from mlaas4hep.sources.branch import Branch, Storage
from mlaas4hep.sources.memory import Memory
from mlaas4hep.sources.place import Place
from mlaas4hep.sources.root.kinds import UNKNOWN, Branches, Layout, UprootBranch, layouts_of
from mlaas4hep.sources.root.native import Counters, NativeBranch, counters_of, describe
from mlaas4hep.sources.root.placesource import PlaceSource
from mlaas4hep.sources.root.rntuple import KnownNTuple, learn
from mlaas4hep.sources.root.storage import storage

__all__ = ["Known", "known_tree", "known_trees"]

NTUPLE = "ROOT::RNTuple"
TREES = {"TTree", "TNtuple", "TNtupleD", NTUPLE}
NAMES_SHOWN = 20

NAME, TREE, BRANCH, BASKET, UPROOT = 2**10, 2**18, 5 * 2**8, 2**6, 12 * 2**10
"""Bytes of a name, of what is known of a tree, a branch and a basket, and of what uproot makes of a branch."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """One tree: its branches, how they are stored, and what reads each column. No file is open for it.

    ``readers`` have a message in place of a column whose list of baskets is damaged.
    """

    name: str
    entries: int
    schema: dict[str, Branch]
    storage: dict[str, Storage]
    readers: dict[str, NativeBranch | UprootBranch | str]

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        by_uproot = any(isinstance(one, UprootBranch) for one in self.readers.values())
        each = BRANCH + UPROOT if by_uproot else BRANCH
        baskets = sum(one.pieces or 0 for one in self.storage.values())
        return TREE + each * len(self.schema) + BASKET * baskets


_MEMORY: Memory[Known | KnownNTuple | str] = Memory()
"""Trees by their names; by what else they were asked for (as the only one, with slashes) their names."""


def known_tree(place: Place, tree: str | None, reading: Reading) -> Known | KnownNTuple:
    """Return what is known of one tree or RNTuple of a ROOT file: the one that is named, else the only one.

    To ask uproot takes longer than to read some thousand events; a file of which path, size and stamp are what they
    were is not asked again. One without a stamp is.
    """
    known = _remembered(place, tree, reading)
    if known is None:
        path = place.path
        with _open(place) as file:
            keys = _keys(path, file)
            name = _choose(path, file, keys, tree)
            known = _known(place, file, name, keys.get(name, name), reading)
        if place.stamp and tree != name:
            _MEMORY.put(_key(place, tree, reading), name, NAME)
    return known


def _remembered(place: Place, tree: str | None, reading: Reading) -> Known | KnownNTuple | None:
    found = _MEMORY.get(_key(place, tree, reading)) if place.stamp else None
    return _remembered(place, found, reading) if isinstance(found, str) else found


def known_trees(place: Place, reading: Reading) -> list[Known | KnownNTuple]:
    """Return what is known of every tree and RNTuple of a ROOT file."""
    path = place.path
    with _open(place) as file:
        keys = _keys(path, file)
        if not keys:
            raise _no_tree(path, file)
        return [_known(place, file, name, key, reading) for name, key in keys.items()]


def _key(place: Place, tree: str | None, reading: Reading) -> object:
    return (place.path, place.size, place.stamp), tree, (_switch(), reading.key)


def _known(place: Place, file: Any, name: str, key: str, reading: Reading) -> Known | KnownNTuple:
    """What is known of a tree under its name, or learned now."""
    known = _remembered(place, name, reading)
    if known is None:
        known = _learn(place.path, name, _tree(place.path, file, key), reading)
        if place.stamp:
            _MEMORY.put(_key(place, name, reading), known, known.size)
    return known


def _switch() -> str:
    """Why uproot is to read every branch, if it is."""
    asked = os.environ.get("MLAAS4HEP_READER", "")
    if asked not in ("", "mlaas4hep", "uproot"):
        raise ParamsError(f"MLAAS4HEP_READER is {asked!r}; it must be 'mlaas4hep', 'uproot' or empty")
    return "MLAAS4HEP_READER is uproot" if asked == "uproot" else ""


def _learn(path: str, name: str, tree: Any, reading: Reading) -> Known | KnownNTuple:
    """Ask uproot for everything; it takes its time for each branch."""
    if tree.classname == NTUPLE:
        return learn(path, name, tree, reading)
    branches = dict(_columns(tree, reading))
    try:
        counters = {n: [id(one) for one in counters_of(branch)] for n, (branch, _) in branches.items()}
    except Exception as error:
        raise SourceError(f"{path}: tree {name!r} is damaged: {first_line(error)}") from error
    names = {id(branch): n for n, (branch, _) in branches.items()}
    count = {one for ones in counters.values() for one in ones}
    described = {}
    for n, (branch, layout) in branches.items():
        counted_by = next((names[one] for one in counters[n] if one in names), "")
        described[n] = _describe(n, branch, layout, id(branch) in count, counted_by)
    return Known(name, int(tree.num_entries), described, storage(branches), dict(_readers(path, branches)))


def _readers(path: str, branches: Branches) -> Iterator[tuple[str, NativeBranch | UprootBranch | str]]:
    """What reads each column, or why it cannot be read. Uproot's objects take much memory: few branches need them."""
    counters: Counters = {}
    for name, known in branches.items():
        if known.layout.kind == "other":
            continue
        if known.layout.why_uproot:
            yield name, known
            continue
        try:
            yield name, describe(known.branch, name, known.layout, path, counters)
        except ReadError as error:
            yield name, str(error)


def _open(place: Place) -> Any:
    """Open a ROOT file without caches: the one thread that reads ahead holds what is still needed."""
    path = place.path
    try:
        file = uproot.open({path: None}, handler=PlaceSource, place=place, object_cache=None, array_cache=None)
    except MLaaSError:
        raise
    except Exception as error:
        raise SourceError(f"{path}: the ROOT file is truncated or damaged: {first_line(error)}") from error
    if place.size < file.file.fEND:
        file.close()
        raise SourceError(f"{path}: the ROOT file is truncated: {place.size} bytes instead of {file.file.fEND}")
    return file


def _keys(path: str, file: Any) -> dict[str, str]:
    """The trees of a file by name, each with the key of its newest cycle."""
    try:
        classes = file.classnames(recursive=True, cycle=True)
    except MLaaSError:
        raise
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
    known = shortened(sorted(keys), NAMES_SHOWN)
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
    early = sorted(name for name, classname in found.items() if classname.endswith("::RNTuple"))
    if early:
        what = f"{shortened(early, NAMES_SHOWN)}, written before version 1 of RNTuple"
        return SourceError(f"{path}: the file holds no tree that can be read but {what}; write it again with ROOT 6.34")
    objects = [f"{name} ({what})" for name, what in found.items() if not what.startswith("TDirectory")]
    return SourceError(f"{path}: the file holds no tree; it holds {shortened(objects, NAMES_SHOWN) or 'nothing'}")


def _tree(path: str, file: Any, key: str) -> Any:
    try:
        return file[key]
    except MLaaSError:
        raise
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
    try:
        _ = branch.embedded_baskets
    except MLaaSError:
        raise
    except Exception:
        pass  # the reader of this branch will fail in the same way, and say so; others do not suffer
    return branch


def _columns(tree: Any, reading: Reading) -> Iterator[tuple[str, UprootBranch]]:
    """Every branch, or each leaf of one that has several, with what it holds."""
    switch = _switch()
    for name, branch in _named(tree):
        branch = _whole(branch)
        try:
            layouts = list(layouts_of(branch.interpretation, reading.flatten_nested))
        except Exception:  # uproot fails in many ways on a type it does not know; other branches do not suffer
            layouts = list(layouts_of(None))
        for layout in layouts:
            if switch and layout.kind != "other":
                layout = replace(layout, packing=None, why_uproot=switch)
            yield (f"{name}.{layout.leaf}" if layout.leaf else name), UprootBranch(branch, layout)


def _describe(name: str, branch: Any, layout: Layout, counter: bool, counted_by: str) -> Branch:
    number = "" if layout.dtype is None else layout.dtype.name
    typename = "unknown" if layout.why_not == UNKNOWN else branch.typename
    if layout.leaf:
        typename = uproot.AsDtype(branch.interpretation.from_dtype[layout.leaf]).typename
    why_not = layout.why_not or ("counter" if counter else "")
    reader: Literal["mlaas4hep", "uproot", ""] = "uproot" if layout.why_uproot else "mlaas4hep"
    if layout.kind == "other":
        reader = ""
    return Branch(name, layout.kind, number, typename, counter, why_not, reader, layout.why_uproot, counted_by)
