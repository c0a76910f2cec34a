"""The words that sources and their users share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlaas4hep import _rust

__all__ = ["GROUP", "Branch", "Column", "Plain", "Storage", "TreeInfo"]

Plain = NDArray[Any] | tuple[NDArray[np.int64], NDArray[Any]]
"""A flat branch is an array, a jagged one a pair of offsets and content; strings are an array of objects."""

Column = Plain | tuple[NDArray[np.int64], _rust.Masked] | _rust.Masked
"""A column some of whose values may be null: then the array, the content or the whole pair is ``Masked``.

A mask has a byte for each value. Strings have None instead.
"""

GROUP = "a group of other branches"
"""Why a split object itself is no input: its parts are, so nothing is left out."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch: its kind, its type, and whether it can be an input.

    ``type`` is NumPy's name of the type of a number, empty for strings and others; ``typename`` is the
    file's own. ``counter`` tells that the branch only counts the entries of jagged ones. ``why_not`` is
    empty for an input, else it says why the branch is none. ``reader`` is what reads it: ``mlaas4hep``, the core, or
    another library, and where that is ``uproot``, ``why_uproot`` says why. ``counted_by`` is the branch that counts the
    entries of a jagged one, where the file has such a branch.
    """

    name: str
    kind: Literal["flat", "jagged", "string", "other"]
    type: str
    typename: str
    counter: bool = False
    why_not: str = ""
    reader: str = ""
    why_uproot: str = ""
    counted_by: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Storage:
    """How a branch is stored: bytes in the file, bytes in memory, and pieces (baskets, pages, row groups).

    What a format does not tell is None.
    """

    stored: int | None = None
    size: int | None = None
    pieces: int | None = None
    compression: str = ""


@dataclass(frozen=True, slots=True)
class TreeInfo:
    """One tree of a file; ``storage`` by the names of branches, where the format tells it."""

    name: str
    entries: int
    branches: tuple[Branch, ...]
    storage: Mapping[str, Storage] = field(default_factory=dict)
