"""Trees and their branches as a person reads them."""

from collections import Counter
from collections.abc import Callable, Sequence

from mlaas4hep.cli.tables import Cells, console, number, show
from mlaas4hep.overview import FileView, Group, TreeView
from mlaas4hep.sources import Branch, Storage

__all__ = ["show_file"]

MANY = 100
"""Branches above which a terminal shows groups of them."""


def show_file(view: FileView, every: bool) -> None:
    """Print the trees of a file: ``every`` branch, or groups where they are many and a person looks."""
    out = console()
    for tree in view.trees:
        if tree.filtered and not tree.branches:
            continue
        _head(view, tree)
        if every or tree.filtered or len(tree.branches) <= MANY or not out.is_terminal:
            _branches(tree)
        else:
            _groups(tree)


def _head(view: FileView, tree: TreeView) -> None:
    """The lines above a table."""
    info, out = tree.tree, console()
    shown = f"{len(tree.branches):,} of {len(info.branches):,}" if tree.filtered else f"{len(info.branches):,}"
    lines = [f"{info.entries:,} events, {shown} branches: {_kinds(tree.branches)}"]
    total = tree.storage(tree.branches)
    if total.stored is not None:
        compressed = f" of {_bytes(total.size)} ({_ratio(total)} x)" if total.size else ""
        each = f", {_bytes(total.stored / info.entries)} an event" if info.entries else ""
        lines.append(f"Stored: {_bytes(total.stored)}{compressed}{each}, {total.compression}{_pieces(tree)}")
    used = sum(not branch.why_not for branch in tree.branches)
    reasons = [f"{count:,} {_many(why, count)}" for why, count in tree.why_not.items()]
    lines.append(f"Inputs: {used:,}" + (f"; left out: {', '.join(reasons)}" if reasons else ""))
    out.print(f"{view.path}:{info.name}  ({_bytes(view.size)})", style="bold", soft_wrap=True)
    for line in lines:
        out.print(f"  {line}", soft_wrap=not out.is_terminal)
    if not out.is_terminal:
        print()


def _many(why: str, count: int) -> str:
    """Why so many branches are no inputs."""
    return f"counter{'s' * (count > 1)} (unless selected by name)" if why == "counter" else why


def _kinds(branches: Sequence[Branch]) -> str:
    counts = Counter(branch.kind for branch in branches)
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())


def _pieces(tree: TreeView) -> str:
    if tree.pieces is None:
        return ""
    low, high = tree.pieces
    span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f", {span} piece{'s' * (high > 1)} a branch"


def _branches(tree: TreeView) -> None:
    """Every branch, a line each."""
    branches = tree.branches
    storage = [tree.tree.storage.get(branch.name) for branch in branches]
    show(
        [
            Cells("branch", [branch.name for branch in branches]),
            Cells("kind", [branch.kind for branch in branches]),
            Cells("type", [branch.type for branch in branches]),
            Cells("in the file", [branch.typename for branch in branches], drop=5),
            *_numbers(tree, branches),
            Cells("stored", [_bytes(part.stored) if part else "" for part in storage], right=True, drop=2),
            Cells("ratio", [_ratio(part) if part else "" for part in storage], right=True, drop=3),
            Cells("pieces", [_count(part.pieces) if part else "" for part in storage], right=True, drop=4),
            Cells("compression", _compressions(storage), drop=1),
            Cells("remark", [_remark(branch) for branch in branches]),
        ],
        dim=[bool(branch.why_not) for branch in branches],
    )


def _compressions(storage: Sequence[Storage | None]) -> list[str]:
    """What compresses each branch, where that is not the same for all: the head says that."""
    found = [part.compression if part else "" for part in storage]
    return found if len(set(filter(None, found))) > 1 else [""] * len(found)


def _numbers(tree: TreeView, branches: Sequence[Branch]) -> list[Cells]:
    """What specs say of the branches."""
    found = [tree.numbers.get(branch.name) for branch in branches]
    return [
        Cells("minimum", [number(one.minimum) if one else "" for one in found], right=True),
        Cells("maximum", [number(one.maximum) if one else "" for one in found], right=True),
        Cells("longest", [_count(one.longest) if one else "" for one in found], right=True),
        Cells("mean", [_mean(one.mean_length) if one else "" for one in found], right=True),
        Cells("missing", [_count(one.missing) if one else "" for one in found], right=True, drop=1),
    ]


def _groups(tree: TreeView) -> None:
    """Groups of branches, a line each, and what share of the bytes is theirs."""
    groups = tree.groups()
    parts = [tree.storage(group.branches) for group in groups]
    whole = tree.storage(tree.branches).stored
    show(
        [
            Cells("branches", [group.pattern for group in groups]),
            Cells("kind", [group.kind for group in groups]),
            Cells("number", [f"{len(group.branches):,}" for group in groups], right=True),
            Cells("type", [_types(group) for group in groups], drop=3),
            Cells("longest", [_of(tree, group, _longest) for group in groups], right=True),
            Cells("mean", [_of(tree, group, _mean_of) for group in groups], right=True),
            Cells("stored", [_bytes(part.stored) for part in parts], right=True, drop=2),
            Cells("share", [_share(part.stored, whole) for part in parts], right=True, drop=1),
            Cells("ratio", [_ratio(part) for part in parts], right=True, drop=5),
            Cells("remark", [_group_remark(group) for group in groups], drop=4),
        ],
        dim=[all(branch.why_not for branch in group.branches) for group in groups],
    )
    console().print(f"To see the branches: --all, or names and globs as in '{groups[0].pattern}'\n", style="dim")


def _types(group: Group) -> str:
    counts = Counter(branch.type for branch in group.branches if branch.type)
    return ", ".join(name for name, _ in counts.most_common())


def _of(tree: TreeView, group: Group, what: Callable[[TreeView, Group], str]) -> str:
    return what(tree, group) if group.kind == "jagged" and tree.numbers else ""


def _longest(tree: TreeView, group: Group) -> str:
    found = [tree.numbers[branch.name].longest or 0 for branch in group.branches if branch.name in tree.numbers]
    return _count(max(found)) if found else ""


def _mean_of(tree: TreeView, group: Group) -> str:
    """The mean length of the lists, a range where branches differ."""
    known = [tree.numbers[branch.name].mean_length for branch in group.branches if branch.name in tree.numbers]
    found = sorted({_mean(mean) for mean in known if mean is not None}, key=float)
    return "-".join(dict.fromkeys([found[0], found[-1]])) if found else ""


def _group_remark(group: Group) -> str:
    reasons = Counter(branch.why_not for branch in group.branches if branch.why_not)
    counted = [f"counter {group.counter}"] if group.counter else []
    return ", ".join(
        [*counted, *(f"{count} ({why})" if len(group.branches) > 1 else why for why, count in reasons.items())]
    )


def _remark(branch: Branch) -> str:
    reader = f"uproot: {branch.why_uproot}" if branch.reader == "uproot" and branch.why_uproot != branch.why_not else ""
    return "; ".join(filter(None, [branch.why_not, reader]))


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _share(part: int | None, whole: int | None) -> str:
    return f"{part / whole:.1%}" if part and whole else ""


def _mean(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _ratio(storage: Storage) -> str:
    return f"{storage.size / storage.stored:.1f}" if storage.size and storage.stored else ""


def _bytes(size: float | None) -> str:
    """A number of bytes, in three digits."""
    if size is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
