"""Which branches are inputs of a model: what the user selected, in all files alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mlaas4hep.errors import BranchError, ParamsError, nearest, shortened
from mlaas4hep.inputs import is_file, is_list, read_list
from mlaas4hep.sources.branch import GROUP, Branch

__all__ = ["Choice", "choose_branches"]

Schema = Mapping[str, Branch]
NAMES_SHOWN = 10
COUNTERS = "only flat and jagged numbers can; a counter where it is selected by its plain name"


@dataclass(frozen=True, slots=True)
class Choice:
    """The inputs, sorted by name, and what was left out since it is no column of numbers, with the reason."""

    inputs: tuple[Branch, ...]
    left_out: dict[str, str]

    @property
    def note(self) -> str:
        """One line that lists what was left out; empty if nothing was."""
        return f"branches left out: {_listed(self.left_out)}" if self.left_out else ""


def choose_branches(
    schemas: Sequence[tuple[str, Schema]],
    select: str | Iterable[str] | None = None,
    exclude: str | Iterable[str] | None = None,
    *,
    alone: Mapping[str, str] = {},
    identifier: str | Iterable[str] = (),
    new: Iterable[str] = (),
    removed: Iterable[str] = (),
    common: bool = False,
) -> Choice:
    """Return the branches that a model gets from files of the given schemas, each with the path of its file.

    Inputs are the numbers, flat or jagged, of any file, but no counters, no identifiers, and none of the branches that
    are ``alone`` as something else (label, target, weight, split; its name stands behind the branch); or, of these,
    what ``select`` names. A counter is an input only where ``select`` has its plain name.
    ``exclude`` takes away, and so does ``removed``; branches that are ``new`` are inputs whatever is selected.
    ``select`` and ``exclude`` are a list of names and globs, a text with commas, or a text file with a name a line;
    ``""`` is no restriction. Every input, identifier and branch alone must be in all files, flat in all or jagged in
    all; with ``common`` inputs that are not are left out. Types may differ. What an input says of itself is what the
    first file says. Anything else is a ``BranchError``.
    """
    files = _Files(schemas)
    kept_out = _required(files, alone, identifier)
    kept_out |= files.matches(_names(exclude, files.union, "excluded branches"), "excluded") | set(removed)
    wanted = _names(select, files.union, "selected branches")
    selected = files.matches(wanted, "selected") | set(new) if wanted else set(files.union)
    usable, left_out = _usable(files, selected - kept_out, set(wanted))
    if common:
        uncommon = files.uncommon(usable - set(new))
        usable, left_out = usable - set(uncommon), left_out | uncommon
    for pattern in wanted:
        if not files.meant(pattern) & (usable | kept_out):
            raise BranchError(f"selected: {pattern!r} matches no branch that can be an input, {COUNTERS}")
    if not usable:
        reasons = f"; left out: {_listed(left_out)}" if left_out else ""
        raise BranchError(f"no branch of {files} is left to be an input, {COUNTERS}{reasons}")
    for name in sorted(usable):
        files.require(name, "input", ("flat", "jagged"))
    return Choice(tuple(files.union[name] for name in sorted(usable)), left_out)


def _required(files: "_Files", alone: Mapping[str, str], identifier: str | Iterable[str]) -> set[str]:
    """The branches that must be there and are no inputs."""
    names = set(_names(identifier, files.union, "identifier"))
    for name in sorted(names):
        files.require(name, "identifier", ("flat",))
    for name, role in alone.items():
        files.require(name, role, ("flat", "string") if role == "label" else ("flat",))
    return names | set(alone)


def _usable(files: "_Files", names: set[str], plain: set[str]) -> tuple[set[str], dict[str, str]]:
    """The names that are inputs, and what of them is left out; ``plain`` are those that the user wrote."""
    usable: set[str] = set()
    left_out: dict[str, str] = {}
    for name in sorted(names):
        why = files.why_not(name)
        if not why or (why == "counter" and name in plain):
            usable.add(name)
        elif name in plain:
            raise BranchError(f"branch {name!r} of {files.first(name)} cannot be an input: {why}")
        elif why not in ("counter", GROUP):
            left_out[name] = why
    return usable, left_out


class _Files:
    """The schemas of all files, and their union by name."""

    def __init__(self, schemas: Sequence[tuple[str, Schema]]) -> None:
        self._schemas = schemas
        self.union: dict[str, Branch] = {}
        self._why: dict[str, str] = {}
        for _, schema in schemas:
            for name, branch in schema.items():
                self.union.setdefault(name, branch)
                self._why[name] = self._why.get(name) or branch.why_not

    def __str__(self) -> str:
        more = len(self._schemas) - 1
        return self._schemas[0][0] + (f" and {more} more file{'s' * (more > 1)}" if more else "")

    def why_not(self, name: str) -> str:
        """Why a branch is no input in some file; a branch of different kinds is left to ``require``."""
        kinds = {schema[name].kind for _, schema in self._schemas if name in schema}
        return self._why[name] if len(kinds) == 1 else ""

    def uncommon(self, names: Iterable[str]) -> dict[str, str]:
        """Of these branches the ones that a file lacks, or has as another kind, with the reason."""
        found = {}
        for name in sorted(names):
            kinds = [schema[name].kind if name in schema else "" for _, schema in self._schemas]
            missing = kinds.count("")
            if missing:
                found[name] = f"missing in {missing} of {len(kinds)} files"
            elif len(set(kinds)) > 1:
                found[name] = " and ".join(
                    f"{_a(kind)} in {where}"
                    for kind, where in zip(dict.fromkeys(kinds), ("some files", "others"), strict=False)
                )
        return found

    def first(self, name: str) -> str:
        """The first file that has a branch."""
        return next(path for path, schema in self._schemas if name in schema)

    def require(self, name: str, role: str, kinds: tuple[str, ...]) -> None:
        """Raise unless a branch is in every file, of one and the same of these kinds."""
        if name not in self.union:
            advice = "" if role in ("input", "identifier") else "; it is no formula of branches either"
            if role == "label" and name.isdigit():
                advice = "; labels of several inputs are a list, as in 1,0"
            raise BranchError(f"{role}: there is no branch {name!r} in {self}{nearest(name, self.union)}{advice}")
        first = self.first(name)
        kind = self.union[name].kind
        for path, schema in self._schemas:
            if name not in schema:
                advice = ": exclude it, or select others" if role == "input" else ""
                raise BranchError(
                    f"{role}: branch {name!r} is missing in {path}, {first} has it{nearest(name, schema)}; "
                    f"every {role} must be in all files{advice}"
                )
            if schema[name].kind != kind:
                other = schema[name].kind
                raise BranchError(f"{role}: branch {name!r} is {_a(kind)} in {first} and {_a(other)} in {path}")
        if kind not in kinds:
            must = " or ".join(map(_a, kinds))
            raise BranchError(f"{role}: branch {name!r} of {first} is {_a(kind)}; it must be {must}")

    def meant(self, pattern: str) -> set[str]:
        """The branches that are meant: a name stands for itself, anything else is a glob."""
        if pattern in self.union:
            return {pattern}
        return {name for name in self.union if fnmatchcase(name, pattern)}

    def matches(self, patterns: Sequence[str], role: str) -> set[str]:
        """The branches that any of the names and globs means; each must mean one."""
        found: set[str] = set()
        for pattern in patterns:
            names = self.meant(pattern)
            if not names:
                hint = nearest(pattern, self.union)
                raise BranchError(f"{role}: there is no branch {pattern!r} in {self}{hint}")
            found |= names
        return found


def _names(given: str | Iterable[str] | None, known: Mapping[str, Branch], what: str) -> list[str]:
    """The names and globs that a user gave as a list, a text with commas, or a file."""
    if given is None:
        return []
    if isinstance(given, str):
        if given in known:
            return [given]
        if is_file(given) or (is_list(given) and "," not in given):
            return read_list(given)
        given = given.split(",")
    if not isinstance(given, Iterable):
        raise ParamsError(f"{what}: {given!r} is no name, nor a list of names")
    names: list[object] = list(given)
    for name in names:
        if not isinstance(name, str):
            raise ParamsError(f"{what}: {name!r} is no name; give names or globs of branches")
    return [text for name in names if (text := str(name).strip())]


def _a(kind: str) -> str:
    return {"string": "a string", "other": "of another kind"}.get(kind, kind)


def _listed(left_out: Mapping[str, str]) -> str:
    """The names of branches by the reasons why they are left out."""
    names: dict[str, list[str]] = {}
    for name, why in sorted(left_out.items()):
        names.setdefault(why, []).append(name)
    return "; ".join(f"{shortened(group, NAMES_SHOWN)} ({why})" for why, group in sorted(names.items()))
