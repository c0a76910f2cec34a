"""The files of a dataset as they were opened, and whether given specs fit them."""

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlaas4hep import _rust
from mlaas4hep.dataset.badfiles import BadFiles
from mlaas4hep.errors import SourceError, SpecsError, nearest
from mlaas4hep.inputs import Input, is_url
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Given, Sentinels, resolve_sentinels
from mlaas4hep.sources import Branch, Reading, open_source
from mlaas4hep.sources.place import open_place
from mlaas4hep.specs import Specs

__all__ = ["File", "check_known", "check_made_with", "fingerprint", "fitting", "open_all"]

MOST = 2**40
"""Entries that a file can have; of each something is kept in memory."""

OPENED_TOGETHER = 8
"""Remote files that are opened at the same time."""


@dataclass(frozen=True, slots=True)
class File:
    """One opened file: where it is, what tells that it is another, and how many of its entries are used."""

    input: Input
    tree: str
    entries: int
    state: object
    used: int


def open_all(
    inputs: Sequence[Input], nevts: int, reading: Reading, bad: BadFiles
) -> tuple[Sequence[tuple[str, Mapping[str, Branch]]], list[File]]:
    """Look into every file: its branches, its tree, how many entries it has and how many of them are used."""
    schemas: list[tuple[str, Mapping[str, Branch]]] = []
    found = []
    with closing(_looks(inputs, reading)) as looks:
        for given, look in zip(inputs, looks, strict=True):
            try:
                schema, tree, entries, state = look()
            except SourceError as error:
                bad.add(str(given), error, None)
                continue
            schemas.append((given.path, schema))
            found.append((given, tree, entries, state))
    if not found:
        raise SourceError(f"no file can be read: {bad}")
    counts = [entries for _, _, entries, _ in found]
    used = counts if nevts == -1 else _rust.shares(counts, nevts)
    return schemas, [File(*one, count) for one, count in zip(found, used, strict=True)]


def fingerprint(file: File, reading: Reading) -> list[object]:
    """Return what tells a file from others, and from itself when it has changed, as values of JSON.

    For a local file that is its inode, not the number of its device, which for a network file system is another on
    every machine.
    """
    path = file.input.path
    if is_url(path):
        place = open_place(path, reading)
        place.close()
        changed: list[object] = [place.size, str(place.stamp)]
    else:
        try:
            found = Path(path).stat()
        except OSError as error:
            raise SourceError(f"{path}: cannot be opened: {error.strerror or error}") from None
        changed = [found.st_size, found.st_ino, found.st_mtime_ns]
    return [str(file.input), file.tree, file.entries, *changed]


_Look = tuple[Mapping[str, Branch], str, int, object]


def _look(given: Input, reading: Reading) -> _Look:
    """The branches of one file, its tree, its entries and its state."""
    source = open_source(given.path, given.tree, reading=reading)
    try:
        if source.entries > MOST:
            raise SourceError(f"{given}: the file is damaged: it says that it has {source.entries} entries")
        return source.schema(), source.tree, source.entries, source.state
    finally:
        source.close()


def _looks(inputs: Sequence[Input], reading: Reading) -> Generator[Callable[[], _Look]]:
    """Yield for each file what looks into it; remote ones are looked into a few at a time, and wait together.

    Local ones would wait for each other, since what takes time there is Python.
    """
    if not any(is_url(given.path) for given in inputs):
        yield from (partial(_look, given, reading) for given in inputs)
        return
    executor = ThreadPoolExecutor(OPENED_TOGETHER, "mlaas4hep-open")
    try:
        futures = [executor.submit(_look, given, reading) for given in inputs]
        yield from (future.result for future in futures)
    finally:
        executor.shutdown(cancel_futures=True)


def check_known(specs: Specs, schemas: Sequence[tuple[str, Mapping[str, Branch]]]) -> None:
    """Raise if the specs name a branch that a file lacks."""
    for path, schema in schemas:
        for name in specs.branches:
            if name not in schema:
                hint = nearest(name, schema)
                raise SpecsError(f"the specs do not fit: {path} has no branch {name!r}{hint}; scan the files again")


def sentinels_of(given: Given, schemas: Sequence[tuple[str, Mapping[str, Branch]]], specs: Specs | None) -> Sentinels:
    """The numbers that mean none, by branch; specs know those of what they read, and others with them are refused."""
    numbers = {name for _, schema in schemas for name, branch in schema.items() if branch.kind in ("flat", "jagged")}
    found = resolve_sentinels(given, sorted(numbers))
    if specs is None or not specs.typed:
        return found
    known = specs.sentinels
    if given is not None and any(found.get(name, []) != known.get(name, []) for name in {*specs.branches, *known}):
        raise SpecsError("the specs do not fit: they were made with other sentinels; scan the files again")
    return {name: numbers for name, numbers in found.items() if name not in specs.reads} | known


def check_made_with(specs: Specs, preproc: Preprocessing) -> None:
    """Raise if the specs were made with other formulas and cuts."""
    if (specs.preproc or Preprocessing().hash) != preproc.hash:
        raise SpecsError(
            "the specs do not fit: they were made with other formulas and cuts, or with the same written otherwise; "
            "scan the files again"
        )


def fitting(specs: Specs, inputs: Sequence[Branch], files: Sequence[File]) -> Specs:
    """The specs of the inputs, or an error if they were not made for such files."""
    kinds = dict.fromkeys(specs.fkeys, "flat") | dict.fromkeys(specs.jkeys, "jagged")
    for branch in inputs:
        if branch.name not in kinds:
            hint = nearest(branch.name, kinds)
            raise SpecsError(f"the specs do not fit: they lack branch {branch.name!r}{hint}; scan the files again")
        if kinds[branch.name] != branch.kind:
            raise SpecsError(
                f"the specs do not fit: branch {branch.name!r} is {kinds[branch.name]} there and {branch.kind} in the "
                "files; scan the files again"
            )
    entries, used = Counter[str](), Counter[str]()
    for file in files:
        entries[str(file.input)] += file.entries
        used[str(file.input)] += file.used
    for name, found in specs.events.items():
        if name in entries and found not in (entries[name], used[name]):
            raise SpecsError(
                f"the specs do not fit: they were made from {found} events of {name}, which has {entries[name]}; "
                "scan the files again"
            )
    return specs.select(branch.name for branch in inputs)
