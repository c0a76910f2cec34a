"""The files of a dataset as they were opened, and whether given specs fit them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat

from mlaas4hep import _rust
from mlaas4hep.errors import SpecsError, nearest
from mlaas4hep.inputs import Input, is_url
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sources import Branch, Reading, open_source
from mlaas4hep.specs import Specs

__all__ = ["File", "check_known", "check_made_with", "fitting", "open_all"]

OPENED_TOGETHER = 8
"""Remote files that are opened at the same time."""


@dataclass(frozen=True, slots=True)
class File:
    """One opened file: where it is, and how many of its entries are used."""

    input: Input
    tree: str
    entries: int
    used: int


def open_all(
    inputs: Sequence[Input], nevts: int, reading: Reading
) -> tuple[Sequence[tuple[str, Mapping[str, Branch]]], list[File]]:
    """Look into every file: its branches, its tree, how many entries it has and how many of them are used."""
    found = _all_looked(inputs, reading)
    schemas = [(given.path, schema) for given, (schema, _, _) in zip(inputs, found, strict=True)]
    entries = [count for _, _, count in found]
    used = entries if nevts == -1 else _rust.shares(entries, nevts)
    files = [File(given, *one[1:], count) for given, one, count in zip(inputs, found, used, strict=True)]
    return schemas, files


_Look = tuple[Mapping[str, Branch], str, int]


def _look(given: Input, reading: Reading) -> _Look:
    """The branches of one file, its tree and its entries."""
    source = open_source(given.path, given.tree, reading=reading)
    try:
        return source.schema(), source.tree, source.entries
    finally:
        source.close()


def _all_looked(inputs: Sequence[Input], reading: Reading) -> list[_Look]:
    """A look into every file, in order; into remote ones a few at a time, which wait for their servers together.

    Local ones would wait for each other, since what takes time there is Python. The error of the first file that has
    one is raised.
    """
    if not any(is_url(given.path) for given in inputs):
        return [_look(given, reading) for given in inputs]
    executor = ThreadPoolExecutor(OPENED_TOGETHER, "mlaas4hep-open")
    try:
        return list(executor.map(_look, inputs, repeat(reading)))
    finally:
        executor.shutdown(cancel_futures=True)


def check_known(specs: Specs, schemas: Sequence[tuple[str, Mapping[str, Branch]]]) -> None:
    """Raise if the specs name a branch that a file lacks."""
    for path, schema in schemas:
        for name in specs.branches:
            if name not in schema:
                hint = nearest(name, schema)
                raise SpecsError(f"the specs do not fit: {path} has no branch {name!r}{hint}; scan the files again")


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
