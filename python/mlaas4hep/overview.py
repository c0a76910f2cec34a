"""What is in files, as a person looks at it: trees, branches with what is known of them, and groups of branches."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from mlaas4hep.errors import BranchError, SourceError, SpecsError, nearest, shortened
from mlaas4hep.inputs import Input
from mlaas4hep.sources import Branch, Reading, Storage, TreeInfo, list_trees, open_source
from mlaas4hep.sources.branch import GROUP
from mlaas4hep.sources.place import open_place
from mlaas4hep.specs import Specs

__all__ = ["FileView", "Group", "Numbers", "TreeView", "look"]

RECORD = re.compile(r"(?P<dotted>[^./_]+[./_])|(?P<camel>[a-z]+)(?=[A-Z])")
"""What names of a group begin with: ``Muon_pt``, ``Jet.PT`` and ``jetPt``."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What specs say of a branch; ``mean_length`` is that of the lists of a jagged one."""

    minimum: int | float | None
    maximum: int | float | None
    longest: int | None
    mean_length: float | None
    missing: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """Branches of one kind whose names begin alike; ``pattern`` is a glob for them, or the name of a single one."""

    pattern: str
    kind: str
    branches: tuple[Branch, ...]
    counter: str = ""


@dataclass(frozen=True, slots=True)
class TreeView:
    """One tree: the ``branches`` that are looked at, which are ``filtered`` or all, and what specs say of them."""

    tree: TreeInfo
    branches: tuple[Branch, ...]
    numbers: Mapping[str, Numbers]
    filtered: bool

    def storage(self, branches: Iterable[Branch]) -> Storage:
        """Return how some branches are stored together; what is not known of each of them is None."""
        parts = [self.tree.storage.get(branch.name) for branch in branches]
        found = [part for part in parts if part is not None]
        names = Counter(part.compression for part in found if part.compression)
        return Storage(
            _total([part.stored for part in found]),
            _total([part.size for part in found]),
            _total([part.pieces for part in found]),
            ", ".join(name for name, _ in names.most_common()),
        )

    @property
    def pieces(self) -> tuple[int, int] | None:
        """The least and the most pieces of a branch; None where that is not known."""
        known = [part.pieces for part in self.tree.storage.values() if part.pieces]
        return (min(known), max(known)) if known else None

    @property
    def why_not(self) -> dict[str, int]:
        """Why branches are no inputs, each reason with the number of branches; groups of others are no reason."""
        return dict(Counter(branch.why_not for branch in self.branches if branch.why_not not in ("", GROUP)))

    def groups(self) -> list[Group]:
        """Return the branches in groups: collections, other groups, then single branches, each in the file's order.

        A counter goes with the collection that it counts.
        """
        counters = {
            branch.name[1:]: branch.name for branch in self.branches if branch.counter and branch.name[0] == "n"
        }
        found: dict[tuple[str, str], list[Branch]] = {}
        for branch in self.branches:
            found.setdefault((_pattern(branch.name), branch.kind), []).append(branch)
        groups = []
        for (pattern, kind), members in found.items():
            counter = counters.get(_record(members[0].name), "") if kind == "jagged" else ""
            groups.append(Group(pattern if len(members) > 1 else members[0].name, kind, tuple(members), counter))
        counted = {group.counter for group in groups if group.counter}
        groups = [_without(group, counted) for group in groups]
        return sorted(filter(lambda group: group.branches, groups), key=_order)

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as JSON has it."""
        return {
            "name": self.tree.name,
            "entries": self.tree.entries,
            "stored": self.storage(self.tree.branches).stored,
            "size": self.storage(self.tree.branches).size,
            "branches": [self._branch(branch) for branch in self.branches],
        }

    def _branch(self, branch: Branch) -> dict[str, Any]:
        storage, numbers = self.tree.storage.get(branch.name), self.numbers.get(branch.name)
        return {
            **asdict(branch),
            "input": not branch.why_not,
            "storage": None if storage is None else asdict(storage),
            "specs": None if numbers is None else asdict(numbers),
        }


@dataclass(frozen=True, slots=True)
class FileView:
    """One file: its path, its size in bytes, and its trees, of which those without a branch to look at are left out."""

    path: str
    size: int
    trees: tuple[TreeView, ...]


def look(
    inputs: Sequence[Input],
    globs: Sequence[str] = (),
    kinds: Sequence[str] = (),
    specs: Specs | None = None,
    reading: Reading | None = None,
) -> list[FileView]:
    """Look into files: every tree, or the one that an input names.

    ``globs`` are names and globs of branches, ``kinds`` their kinds; both leave out what does not match. ``specs`` add
    what they say of the branches. Raises ``BranchError`` for a glob that matches nothing in any of the files, or where
    nothing is left, and ``SpecsError`` where the specs have no branch of the files.
    """
    reading = reading or Reading()
    listed = [(given, _trees(given, reading)) for given in inputs]
    known = list(dict.fromkeys(branch.name for _, trees in listed for tree in trees for branch in tree.branches))
    where = shortened([given.path for given, _ in listed], 1)
    for glob in globs:
        if not any(_matches(name, glob) for name in known):
            hint = nearest(glob, [*known, *dict.fromkeys(map(_pattern, known))])
            raise BranchError(f"{where}: no branch matches {glob!r}{hint}")
    if specs is not None and not set(specs.branches) & set(known):
        raise SpecsError(f"the specs do not fit: {where} has none of their branches, such as {specs.branches[:3]}")
    numbers = {} if specs is None else _numbers(specs)
    views = [
        FileView(given.path, _size(given.path, reading), tuple(_view(tree, globs, kinds, numbers) for tree in trees))
        for given, trees in listed
    ]
    if (globs or kinds) and not any(tree.branches for view in views for tree in view.trees):
        raise BranchError(f"{where}: no branch that matches is of kind {' or '.join(kinds)}")
    return views


def _trees(given: Input, reading: Reading) -> list[TreeInfo]:
    """The tree that is named, or all."""
    if given.tree is None:
        return list_trees(given.path, reading)
    try:
        named = [tree for tree in list_trees(given.path, reading) if tree.name == given.tree.strip("/")]
    except SourceError:
        named = []
    if named:
        return named
    source = open_source(given.path, given.tree, reading=reading)  # an older cycle, or what is wrong with the name
    try:
        return [TreeInfo(source.tree, source.entries, tuple(source.schema().values()))]
    finally:
        source.close()


def _size(path: str, reading: Reading) -> int:
    place = open_place(path, reading)
    try:
        return place.size
    finally:
        place.close()


def _view(tree: TreeInfo, globs: Sequence[str], kinds: Sequence[str], numbers: Mapping[str, Numbers]) -> TreeView:
    branches = tuple(
        branch
        for branch in tree.branches
        if (not globs or any(_matches(branch.name, glob) for glob in globs)) and (not kinds or branch.kind in kinds)
    )
    return TreeView(tree, branches, numbers, bool(globs or kinds))


def _matches(name: str, glob: str) -> bool:
    """A name stands for itself, anything else is a glob."""
    return name == glob or fnmatchcase(name, glob)


def _numbers(specs: Specs) -> dict[str, Numbers]:
    events = sum(map(sum, specs.selected.values())) or specs.events["total"]
    counts, longest, minimum, maximum = specs.counts, specs.jdim, specs.minv, specs.maxv  # each is made anew
    found = {}
    for name in specs.branches:
        count = counts.get(name)
        found[name] = Numbers(
            minimum[name],
            maximum[name],
            longest.get(name),
            count["values"] / events if name in longest and count and events else None,
            count["nulls"] + count["nan"] + count["inf"] if count else None,
        )
    return found


def _pattern(name: str) -> str:
    """A glob for the names that begin like this one, or the name itself."""
    begin = RECORD.match(name)
    if begin is None:
        return name
    return f"{begin['dotted']}*" if begin["dotted"] else f"{begin['camel']}[A-Z]*"


def _record(name: str) -> str:
    """What a name says before its first mark."""
    begin = RECORD.match(name)
    return begin["dotted"][:-1] if begin and begin["dotted"] else name


def _without(group: Group, counters: Collection[str]) -> Group:
    """The group without counters that go with collections."""
    left = tuple(branch for branch in group.branches if branch.name not in counters)
    return replace(group, pattern=left[0].name if len(left) == 1 else group.pattern, branches=left)


def _order(group: Group) -> tuple[bool, bool]:
    return len(group.branches) == 1, group.kind != "jagged"


def _total(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
