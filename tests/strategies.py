"""Columns of every kind for Hypothesis, in the oracle's own form; ``tests/forms.py`` brings them into memory."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st
from mlaas4hep._reference import Column
from numpy.typing import NDArray

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS: dict[str, Literal[16, 32, 64]] = {"float16": 16, "float32": 32, "float64": 64}
DTYPES = ("bool", *INTEGERS, *FLOATS)

# Their order by code points is neither that of a locale, nor of UTF-16.
NAMES = ("ht", "Met", "jetPt", "jet.eta", "_x", "n_0", "é", "Ω", "\uffee", "\U0001d70b", "a b", 'quo"te')

# Rows and lists are worked on in blocks and lanes: sizes around powers of two, and those that do not fill one.
EVENTS = st.sampled_from([0, 1, 2, 3, 7, 9, 33, 513, 1030])
LONGEST = st.sampled_from([0, 1, 2, 3, 4, 8, 9, 17])
SEEDS = st.integers(0, 2**32 - 1)
THREADS = st.integers(1, 4)

Table = dict[str, Column]


@dataclass(frozen=True)
class Branch:
    """What is drawn of a branch before its values: name, kind, and which branches share its lengths."""

    name: str
    collection: int | None  # None: flat


def integers(dtype: str) -> st.SearchStrategy[int]:
    limits = np.iinfo(dtype)
    edges = {limits.min, limits.max, 0, 1, 2**24 + 1, 2**53 + 1, -(2**53) - 1, limits.max - 1, limits.max // 2}
    edge = st.sampled_from(sorted(edge for edge in edges if limits.min <= edge <= limits.max))
    return edge | st.integers(limits.min, limits.max) | st.integers(0, 100)


def floats(dtype: str) -> st.SearchStrategy[float]:
    limits = np.finfo(dtype)
    numbers = (0.0, -0.0, 1.0, 255.9, 1e10, -1e20, 1e-5, float(limits.max), float(limits.tiny))
    small = (float(limits.smallest_subnormal), float(limits.tiny) / 2, -float(limits.smallest_subnormal))
    edge = [float(np.dtype(dtype).type(x)) for x in (*numbers, *small) if abs(x) <= float(limits.max)]
    return st.sampled_from(edge) | st.floats(width=FLOATS[dtype]) | st.floats(0, 100, width=FLOATS[dtype])


@st.composite
def pools(draw: st.DrawFn, dtype: str) -> NDArray[Any]:
    """Draw the few values that a column is made of."""
    if dtype == "bool":
        return np.array(draw(st.lists(st.booleans(), min_size=1, max_size=2)))
    if dtype in INTEGERS:
        return np.array(draw(st.lists(integers(dtype), min_size=1, max_size=5)), dtype)
    tiny = float(np.finfo(dtype).tiny)
    ordinary = st.floats(0, 1000, width=FLOATS[dtype])
    denormal = st.floats(-1.0, 1.0).map(lambda share: share * tiny * 4)
    huge = st.sampled_from([-1.0, -0.5, 0.3, 1.0]).map(lambda share: share * float(np.finfo(dtype).max))
    kind = st.sampled_from([floats(dtype), floats(dtype), ordinary, denormal, huge])
    return np.array(draw(kind.flatmap(lambda one: st.lists(one, min_size=1, max_size=5))), dtype)


@st.composite
def validities(draw: st.DrawFn, size: int) -> NDArray[np.bool_] | None:
    """Draw which of ``size`` entries are not null: often all, sometimes none."""
    share = draw(st.sampled_from([None, None, 1.0, 0.8, 0.3, 0.0]))
    return None if share is None else np.random.default_rng(draw(SEEDS)).random(size) < share


@st.composite
def offsets(draw: st.DrawFn, events: int) -> NDArray[np.int64]:
    """Draw lengths of lists: any, all the same, or all empty."""
    longest, regular = draw(LONGEST), draw(st.booleans())
    random = np.random.default_rng(draw(SEEDS))
    lengths = np.full(events, longest) if regular else random.integers(0, longest + 1, events)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@st.composite
def columns(draw: st.DrawFn, lists: NDArray[np.int64] | None, events: int) -> Column:
    """Draw a column with these offsets, or a flat one."""
    size = events if lists is None else int(lists[-1])
    pool = draw(st.sampled_from(DTYPES).flatmap(pools))
    values = pool[np.random.default_rng(draw(SEEDS)).integers(len(pool), size=size)]
    list_valid = None if lists is None else draw(validities(events))
    return Column(values, draw(validities(size)), lists, list_valid)


@st.composite
def schemas(draw: st.DrawFn) -> tuple[Branch, ...]:
    """Draw one to five branches: flat ones, and collections of jagged ones."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    return tuple(Branch(name, draw(st.sampled_from([None, 0, 0, 1]))) for name in names)


@st.composite
def tables(draw: st.DrawFn, schema: tuple[Branch, ...] | None = None, events: int | None = None) -> Table:
    """Draw columns of one number of events."""
    schema = draw(schemas()) if schema is None else schema
    events = draw(EVENTS) if events is None else events
    shared = {branch.collection: draw(offsets(events)) for branch in schema if branch.collection is not None}
    return {
        branch.name: draw(columns(None if branch.collection is None else shared[branch.collection], events))
        for branch in schema
    }


@st.composite
def table_pairs(draw: st.DrawFn, number: int = 2) -> list[Table]:
    """Draw several tables with the same branches, of different types, lengths and ranges."""
    schema = draw(schemas())
    return [draw(tables(schema)) for _ in range(number)]


@st.composite
def record_tables(draw: st.DrawFn) -> tuple[Table, NDArray[np.bool_], Table]:
    """Draw columns, which records are not null, and what that means for the columns."""
    table = draw(tables())
    events = len(next(iter(table.values())))
    valid = np.random.default_rng(draw(SEEDS)).random(events) < draw(st.sampled_from([0.0, 0.5, 0.9]))
    return table, valid, {name: without(column, valid) for name, column in table.items()}


def without(column: Column, valid: NDArray[np.bool_]) -> Column:
    """Return the column with null at the events that are not valid."""
    if column.offsets is None:
        return replace(column, valid=both(column.valid, valid))
    return replace(column, list_valid=both(column.list_valid, valid))


def both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return other if one is None else one & other


def sliced(column: Column, start: int, stop: int) -> Column:
    """Return some events of a column."""
    if column.offsets is None:
        valid = None if column.valid is None else column.valid[start:stop]
        return Column(column.values[start:stop], valid)
    list_valid = None if column.list_valid is None else column.list_valid[start:stop]
    return replace(column, offsets=column.offsets[start : stop + 1], list_valid=list_valid)


def widths_of(table: Table) -> st.SearchStrategy[dict[str, int]]:
    """Draw widths for some of the jagged branches: none, smaller and larger than needed."""
    jagged = [name for name, column in table.items() if column.kind == "jagged"]
    if not jagged:
        return st.just({})
    return st.dictionaries(st.sampled_from(jagged), st.sampled_from([0, 1, 2, 3, 7, 8, 9, 16, 20]))
