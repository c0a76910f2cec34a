"""Checks of what a user gives to a dataset."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bytesize import parse_bytes
from mlaas4hep.errors import ParamsError, SourceError, SpecsError
from mlaas4hep.specs import Specs

if TYPE_CHECKING:
    from mlaas4hep.dataset.cache.folder import Cache

__all__ = [
    "PARTS",
    "cache_in",
    "for_each",
    "given_specs",
    "names_of",
    "naming",
    "part_number",
    "shard_of",
    "skips",
    "targets_of",
    "whole",
    "window_of",
]

PARTS = ("train", "validation", "test")


def given_specs(specs: Specs | str | os.PathLike[str] | None) -> Specs | None:
    """Return specs, read from their file where that is given."""
    if isinstance(specs, (str, os.PathLike)):
        return Specs.from_json(specs)
    if specs is not None and not isinstance(specs, Specs):
        raise SpecsError(f"specs is a {type(specs).__qualname__}; it must be Specs, or the path of a specs.json")
    return specs


@contextmanager
def naming(specs: object) -> Iterator[None]:
    """Put the name of the specs' file, if they come from one, before what is wrong with them."""
    try:
        yield
    except SpecsError as error:
        named = isinstance(specs, (str, os.PathLike))
        raise SpecsError(f"{specs}: {error}" if named else str(error)) from None


def names_of(names: str | Sequence[str]) -> list[str]:
    """Return names that a user gave as a list, or as a text with commas."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else list(names)


def whole(what: str, value: object, least: int, most: int) -> int:
    """Return a whole number; ``ParamsError`` if it is none, or out of range."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise ParamsError(f"{what} is {value!r}; it must be a whole number of at least {least}")
    return int(value)


def part_number(part: str | None) -> int | None:
    """Return the number of a part; None: all of them."""
    if part is None:
        return None
    if part not in PARTS:
        raise ParamsError(f"part is {part!r}; it must be 'train', 'validation', 'test' or None")
    return PARTS.index(part)


def window_of(shuffle: object) -> int:
    """Return how many chunks are permuted together; 0: the order of mixing stays."""
    if isinstance(shuffle, (bool, np.bool_)):
        return int(shuffle)
    if not isinstance(shuffle, (int, np.integer)) or not 1 <= shuffle < 2**31:
        raise ParamsError(
            f"shuffle is {shuffle!r}; it must be True, False, or how many neighbouring chunks are shuffled together, a "
            "whole number of at least 1"
        )
    return int(shuffle)


def shard_of(shard: object) -> tuple[int, int]:
    """Return rank and world of a reader; None: there is one reader, which gets everything."""
    if shard is None:
        return 0, 1
    pair = tuple(shard) if isinstance(shard, (tuple, list)) else ()
    whole_numbers = all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in pair)
    if len(pair) != 2 or not whole_numbers or not 0 <= pair[0] < pair[1] < 2**31:
        raise ParamsError(f"shard is {shard!r}; it must be (rank, world), whole numbers with 0 <= rank < world")
    return int(pair[0]), int(pair[1])


def for_each(path: str, events: int, value: int, dtype: type[np.number[Any]]) -> NDArray[Any]:
    """Return an array with the value for each event of a file, or an error where these cannot be so many."""
    try:
        return np.full(events, value, dtype)
    except (MemoryError, ValueError):
        raise SourceError(
            f"{path}: the file claims to have {events:,} events, for which there is not enough memory; if it has, use "
            "the first ones (nevts)"
        ) from None


def skips(on_bad_file: str) -> bool:
    """Tell whether files that cannot be read are skipped."""
    if on_bad_file not in ("error", "skip"):
        raise ParamsError(f"on_bad_file is {on_bad_file!r}; it must be 'error' or 'skip'")
    return on_bad_file == "skip"


def targets_of(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return targets that a user gave, one as a text; ``ParamsError`` if they are no texts."""
    one_or_more: Any = given
    listed = isinstance(one_or_more, Sequence) and not isinstance(one_or_more, str)
    found: tuple[Any, ...] = tuple(one_or_more) if listed else (one_or_more,)
    for target in found:
        if not isinstance(target, str) or not target.strip():
            raise ParamsError(f"targets: {target!r} is no target; it must be the name of a branch, or a formula")
    return found


def cache_in(folder: str | os.PathLike[str] | None, limit: int | str) -> "Cache | None":
    """Return the cache in a folder, if one is given."""
    most, given = parse_bytes("cache_limit", limit), cast("Any", folder)
    if folder is None:
        return None
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(given) or "\0" in os.fspath(given):
        raise ParamsError(f"cache is {given!r}; it must be the path of a folder, or None")
    from mlaas4hep.dataset.cache.folder import Cache

    return Cache(folder, most)
