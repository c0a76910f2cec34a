"""What users write in ``preproc.json``, and with ``--cut`` and ``--define``, validated whole into frozen dataclasses.

Formulas are kept as texts here; a plan reads them.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlaas4hep.errors import ParamsError, nearest
from mlaas4hep.jsonfile import read_json, write_text
from mlaas4hep.normalize import Rule, why_not_rule

__all__ = ["Cut", "NewBranch", "Preprocessing"]

Check = Callable[[object], str]
"""Tells what a value must be, or nothing if it is that."""

Entry = dict[str, Any]
"""What stands behind a branch in one of the groups of the file."""

EQUALS = re.compile("[=<>!]=|=")
"""A comparison, or the sign between a name and its formula."""


@dataclass(frozen=True, slots=True)
class NewBranch:
    """A branch that a formula makes of others.

    Attributes
    ----------
    name, formula
        As the user wrote them.
    kind
        ``"flat"``, ``"jagged"``, or ``""`` where it follows from the formula (``--define``).
    place
        Where the user wrote it, for messages; not compared.
    normalize
        How its values are normalised; None: as others. It holds unless a plan's options name the branch.

    Examples
    --------
    >>> NewBranch("ratio", "x/y", "flat", "preproc.json: new_branch 'ratio'").kind
    'flat'
    """

    name: str
    formula: str
    kind: str
    place: str = field(compare=False)
    normalize: Rule | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """A condition that events must meet.

    Attributes
    ----------
    formula
        As the user wrote it.
    reduce
        Whether ``"any"`` or ``"all"`` entries of a list must meet it; ``""``: the formula says it of the event.
    training
        Whether it holds in training only.
    place
        Where the user wrote it, for messages; not compared.
    group, branch
        The entry of the file in which it stands; ``""`` for one of ``--cut``.

    Examples
    --------
    >>> Cut("partonPt>200", "all", True, "preproc.json: jagged_cut 'partonPt', cut").name
    'partonPt>200 (all) in training'
    """

    formula: str
    reduce: str
    training: bool
    place: str = field(compare=False)
    group: str = ""
    branch: str = ""

    @property
    def name(self) -> str:
        """The text that a table of cuts shows."""
        reduced = f"{self.formula} ({self.reduce})" if self.reduce else self.formula
        return f"{reduced} in training" if self.training else reduced


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """New branches, cuts, and branches that are dropped at the end. False where there is nothing of that.

    Attributes
    ----------
    new_branches, cuts
        As they stand in the file, then those of the command line.
    removed
        Sorted names of the branches that are dropped.
    cut_branches
        ``(branch, "flat" or "jagged", place)`` for every entry of ``flat_cut`` and ``jagged_cut``: what the file says
        about branches, to be checked where they are known. Not compared, since the cuts have their branches.

    Examples
    --------
    >>> given = {"jagged_cut": {"partonPt": {"cut": ["partonPt>200", "all"], "remove": "True"}}}
    >>> preproc = Preprocessing.from_dict(given, "preproc.json").with_options(["nJets>=4"], ["ratio=met/ht"])
    >>> [cut.name for cut in preproc.cuts]
    ['partonPt>200 (all)', 'nJets>=4']
    >>> preproc.removed
    ('partonPt',)
    """

    new_branches: tuple[NewBranch, ...] = ()
    cuts: tuple[Cut, ...] = ()
    removed: tuple[str, ...] = ()
    cut_branches: tuple[tuple[str, str, str], ...] = field(default=(), compare=False)

    def __bool__(self) -> bool:
        return bool(self.new_branches or self.cuts or self.removed)

    @classmethod
    def of(cls, value: object) -> "Preprocessing":
        """Return what a user may mean: None (nothing), a ``Preprocessing``, the path of a file, or a dict like it.

        >>> bool(Preprocessing.of(None))
        False
        """
        if value is None:
            return cls()
        if isinstance(value, Preprocessing):
            return value
        if isinstance(value, (str, os.PathLike)):
            return cls.from_json(value)
        if isinstance(value, dict):
            return cls.from_dict(value, "preproc")
        raise ParamsError(f"preproc must be the path of a file, a dict, a Preprocessing or None, not {_json(value)}")

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "Preprocessing":
        """Read a ``preproc.json``; ``ParamsError`` names everything that is wrong in it."""
        return cls.from_dict(read_json(path, ParamsError), os.fspath(path))

    @classmethod
    def from_dict(cls, given: object, where: str) -> "Preprocessing":
        """Validate what the user wrote in ``where``.

        Besides the groups of the file it may hold ``options``, with which :meth:`to_dict` says what the command line
        added. Raises ``ParamsError`` for unknown groups and keys, naming the nearest known one, for what is missing,
        and for values that are wrong, all in one message.
        """
        if not isinstance(given, dict):
            raise ParamsError(f"{where}: the preprocessing must be an object {{...}} of groups")
        if wrong := list(_mistakes(given)):
            raise ParamsError(f"{where}: {wrong[0]}" if len(wrong) == 1 else "\n  ".join([f"{where}:", *wrong]))
        entries = [(group, name, entry) for group in given if group in GROUPS for name, entry in given[group].items()]
        options: Entry = given.get("options", {})
        cuts = [formula for key, formula in options.items() if _kind_of_key(key) == "cut"]
        return cls(
            tuple(_new_branch(name, entry, where) for group, name, entry in entries if group == "new_branch"),
            tuple(cut for group, name, entry in entries for cut in _cuts(group, name, entry, where)),
            tuple(sorted({name for _, branch, entry in entries for name in _removed(branch, entry)})),
            tuple((name, KINDS[group], _place(where, group, name)) for group, name, _ in entries if group in KINDS),
        ).with_options(cuts, options.get("define", ()))

    def with_options(self, cuts: Sequence[str], defines: Sequence[str]) -> "Preprocessing":
        """Append cuts, which are formulas, and new branches, each ``"name=formula"``, as the command line has them.

        The name ends at the first ``=`` that is no part of a comparison. Raises ``ParamsError`` for another form and
        for a name that a new branch has already.

        >>> Preprocessing().with_options([], ["many = nJets>=4"]).new_branches[0].formula
        'nJets>=4'
        """
        if wrong := list(_option_mistakes(cuts, defines, self.new_branches)):
            raise ParamsError("\n".join(wrong))
        new = [NewBranch(*_divided(text), "", f"--define {text!r}") for text in defines]
        more = [Cut(text.strip(), "", False, f"--cut {text!r}") for text in cuts]
        return replace(self, new_branches=(*self.new_branches, *new), cuts=(*self.cuts, *more))

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write it as a ``preproc.json``, whole or not at all; a file that is there is replaced."""
        write_text(path, json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n")

    def to_dict(self) -> dict[str, Any]:
        """Return it as it stands in a file, in one canonical form, of which :meth:`from_dict` makes an equal one.

        >>> Preprocessing().with_options(["nJets>=4"], ["ratio=met/ht"]).to_dict()
        {'options': {'cut': 'nJets>=4', 'define': ['ratio = met/ht']}}
        """
        groups = [cut.group for cut in self.cuts if cut.group]
        form: dict[str, Entry] = {group: {} for group in [*groups, "new_branch"]}
        for new in self.new_branches:
            if new.kind:
                rule = {} if new.normalize is None else {"normalize": new.normalize.to_json()}
                form["new_branch"][new.name] = {"def": new.formula, "type": new.kind, **rule}
        for group, branch in dict.fromkeys((cut.group, cut.branch) for cut in self.cuts if cut.group):
            cuts = [cut for cut in self.cuts if (cut.group, cut.branch) == (group, branch)]
            form[group].setdefault(branch, {}).update(_cut_keys(cuts))
        _mark_removed(form, self.removed)
        form["options"] = _cut_keys([cut for cut in self.cuts if not cut.group])
        if defines := [f"{new.name} = {new.formula}" for new in self.new_branches if not new.kind]:
            form["options"]["define"] = defines
        return {group: entries for group, entries in form.items() if entries}

    @property
    def hash(self) -> str:
        """SHA-256 of cuts and formulas in hexadecimal digits, the same in whatever order they stand."""
        content = {
            "cuts": sorted([cut.formula, cut.reduce, cut.training] for cut in self.cuts),
            "new_branches": sorted([new.name, new.formula] for new in self.new_branches),
        }
        return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def _mistakes(given: Mapping[object, object]) -> Iterator[str]:
    """Say everything that is wrong in a file."""
    for group, entries in given.items():
        if group == "options":
            yield from _wrong_values(group, entries, OPTIONS)
        elif not isinstance(group, str) or group not in GROUPS:
            yield f"unknown group {group!r}{_known(group, GROUPS)}"
        elif not isinstance(entries, dict):
            yield f"{group} must be an object {{...}} of branches, not {_json(entries)}"
        else:
            for name, entry in entries.items():
                yield from _entry_mistakes(group, name, entry)


def _entry_mistakes(group: str, name: object, entry: object) -> Iterator[str]:
    place = f"{group} {name!r}"
    if not isinstance(name, str) or not name:
        yield f"{place}: the name of a branch must be a text that is not empty"
    kind = KINDS.get(group) or (entry.get("type") if isinstance(entry, dict) else None)
    checks = GROUPS[group] if kind == "flat" else GROUPS[group] | {"cut": _formula_of_lists}
    yield from _wrong_values(place, entry, checks)
    if isinstance(entry, dict):
        given = {_kind_of_key(key) for key in entry}
        for key in NEEDED[group]:
            if key not in given:
                yield f"{place}: {key} is missing; it must be {checks[key](None)}"


def _wrong_values(place: str, entry: object, checks: Mapping[str, Check]) -> Iterator[str]:
    """Say which keys of an object are unknown, and which values are not what they must be."""
    if not isinstance(entry, dict):
        yield f"{place} must be an object {{...}} of keys and values, not {_json(entry)}"
        return
    for key, value in entry.items():
        check = checks.get(_kind_of_key(key))
        if check is None:
            yield f"{place}: unknown key {key!r}{_known(key, checks)}"
        elif must := check(value):
            yield f"{place}, {key} must be {must}, not {_json(value)}"


def _option_mistakes(cuts: Sequence[str], defines: Sequence[str], present: Sequence[NewBranch]) -> Iterator[str]:
    for text in cuts:
        if _formula(text):
            yield f"--cut {text!r} must be a formula, such as 'nJets>=4'"
    places = {new.name: new.place for new in present}
    for text in defines:
        name, formula = _divided(text)
        if not name or not formula:
            yield f"--define {text!r} must be name=formula, such as 'ratio=met/ht'"
        elif name in places:
            yield f"--define {text!r}: there is a new branch {name!r} already ({places[name]})"
        else:
            places[name] = f"--define {text!r}"


def _divided(text: str) -> tuple[str, str]:
    """Name and formula of a definition, both empty if it has no ``=`` between them."""
    for sign in EQUALS.finditer(text):
        if sign[0] == "=":
            return text[: sign.start()].strip(), text[sign.end() :].strip()
    return "", ""


def _kind_of_key(key: object) -> str:
    """The key, ``"cut"`` for all that begin with it."""
    return "cut" if str(key).startswith("cut") else str(key)


def _known(key: object, known: Iterable[str]) -> str:
    """The nearest of the names that are known, or all of them."""
    return nearest(str(key), known) or f" (known are {', '.join(known)})"


def _json(value: object) -> str:
    """A value as the user wrote it, a long one cut."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _place(where: str, group: str, name: str) -> str:
    return f"{where}: {group} {name!r}"


def _new_branch(name: str, entry: Entry, where: str) -> NewBranch:
    rule = Rule.of(entry["normalize"]) if "normalize" in entry else None
    return NewBranch(name, entry["def"], entry["type"], _place(where, "new_branch", name), rule)


def _cuts(group: str, name: str, entry: Entry, where: str) -> Iterator[Cut]:
    """The cuts of an entry as they stand there."""
    for key, value in entry.items():
        if _kind_of_key(key) == "cut":
            formula, reduce = (value, "") if isinstance(value, str) else value
            training = entry.get("when") == "training"
            yield Cut(formula, reduce, training, f"{_place(where, group, name)}, {key}", group, name)


def _removed(name: str, entry: Entry) -> list[str]:
    """The branches that an entry drops."""
    itself = [name] if entry.get("remove") in (True, "True") else []
    return [*itself, *entry.get("keys_to_remove", ())]


def _cut_keys(cuts: Sequence[Cut]) -> Entry:
    """The keys of an entry that say its cuts."""
    values = [[cut.formula, cut.reduce] if cut.reduce else cut.formula for cut in cuts]
    keys = ["cut"] if len(values) == 1 else [f"cut_{number}" for number in range(1, len(values) + 1)]
    when = {"when": "training"} if any(cut.training for cut in cuts) else {}
    return {**dict(zip(keys, values, strict=True)), **when}


def _mark_removed(form: Mapping[str, dict[str, Entry]], removed: Sequence[str]) -> None:
    """Have the entries drop the branches: each its own, and the first one those that have no entry."""
    entries = [(name, entry) for group in form.values() for name, entry in group.items()]
    for name, entry in entries:
        if name in removed:
            entry["remove"] = True
    others = [name for name in removed if name not in dict(entries)]
    if entries and others:
        entries[0][1]["keys_to_remove"] = others


def _formula(value: object) -> str:
    return "" if isinstance(value, str) and value.strip() else "a text with a formula"


def _formula_of_numbers(value: object) -> str:
    alone = ' alone ("any" and "all" are for jagged branches)' if isinstance(value, (list, tuple)) else ""
    return f"{must}{alone}" if (must := _formula(value)) else ""


def _formula_of_lists(value: object) -> str:
    if not _formula(value):
        return ""
    pair = list(value) if isinstance(value, (list, tuple)) else []
    reduced = len(pair) == 2 and not _formula(pair[0]) and pair[1] in ("any", "all")
    return "" if reduced else 'a text with a formula, or [formula, "any" or "all"]'


def _one_of(first: str, second: str) -> Check:
    return lambda value: "" if value in (first, second) else f'"{first}" or "{second}"'


def _remove(value: object) -> str:
    return "" if isinstance(value, bool) or value in ("True", "False") else 'true, false, "True" or "False"'


def _names(value: object) -> str:
    listed = isinstance(value, (list, tuple)) and all(isinstance(name, str) and name for name in value)
    return "" if listed else 'a list of names, such as ["jetPt"]'


def _definitions(value: object) -> str:
    return _names(value) and 'a list of texts, each "name = formula"'


ENTRY: dict[str, Check] = {
    "cut": _formula_of_numbers,
    "remove": _remove,
    "keys_to_remove": _names,
    "when": _one_of("training", "always"),
}
"""For each key of an entry what its value must be; those that begin with ``cut`` are all cuts."""

GROUPS: dict[str, dict[str, Check]] = {
    "new_branch": {"def": _formula, "type": _one_of("flat", "jagged"), "normalize": why_not_rule, **ENTRY},
    "flat_cut": ENTRY,
    "jagged_cut": ENTRY,
}
"""The groups of the file, and the keys of an entry in each."""

NEEDED = {"new_branch": ("def", "type"), "flat_cut": ("cut",), "jagged_cut": ("cut",)}
"""Keys that an entry of a group must have."""

KINDS = {"flat_cut": "flat", "jagged_cut": "jagged"}
"""What the branches of a group are."""

OPTIONS: dict[str, Check] = {"cut": _formula_of_numbers, "define": _definitions}
"""The keys with which :meth:`Preprocessing.to_dict` says what the command line added."""
