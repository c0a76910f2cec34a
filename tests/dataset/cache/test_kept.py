"""Columns that are kept come back as they were: types, bits, nulls, null lists and offsets that are shared."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlaas4hep import _rust
from mlaas4hep.dataset.cache.kept import Kept, Writer

TYPES = [kind + bits for kind in ("int", "uint") for bits in ("8", "16", "32", "64")]
TYPES += ["bool", "float16", "float32", "float64"]
ENTRIES = np.array([3, 4, 9, 12, 14])


def values(random: np.random.Generator, dtype: str, count: int) -> Any:
    size = np.dtype(dtype).itemsize * count
    return (random.random(count) < 0.5) if dtype == "bool" else np.frombuffer(random.bytes(size), dtype)


@st.composite
def columns(draw: st.DrawFn) -> list[Any]:
    """Columns of five events."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    first = draw(st.integers(0, 3))  # content before the first list
    shared = first + np.concatenate([[0], np.cumsum(random.integers(0, 3, 5))])
    found: list[Any] = []
    for kind in draw(st.lists(st.sampled_from(["flat", "shared", "own", "text"]), min_size=1, max_size=6)):
        dtype, valid_when = draw(st.sampled_from(TYPES)), draw(st.booleans())
        offsets = None if kind in ("flat", "text") else shared if kind == "shared" else shared.copy()
        if kind == "text":
            found.append(np.array(draw(st.lists(st.none() | st.text(), min_size=5, max_size=5)), object))
            continue
        column: Any = values(random, dtype, 5 if offsets is None else int(offsets[-1]) + 2)
        if offsets is not None:
            if draw(st.booleans()):
                column = _rust.Masked(column, random.random(len(column)) < 0.5, valid_when=valid_when)
            column = offsets, column
        if draw(st.booleans()):
            column = _rust.Masked(column, random.random(5) < 0.5, valid_when=valid_when)
        found.append(column)
    return found


def plain(column: Any) -> Any:
    """A column as lists: bits of values, and None for what is null."""
    if isinstance(column, _rust.Masked):
        there = np.asarray(column.mask, bool) == column.valid_when
        return [value if ok else None for value, ok in zip(plain(column.values), there, strict=True)]
    if isinstance(column, tuple):
        offsets, content = column
        inner = plain(content)
        return [inner[start:stop] for start, stop in pairwise(offsets)]
    if column.dtype == object:
        return column.tolist()
    return [(column.dtype.name, value.tobytes()) for value in column]


@settings(max_examples=40)
@given(clusters=st.lists(columns(), min_size=1, max_size=3))
def test_columns_come_back(tmp_path_factory: pytest.TempPathFactory, clusters: list[list[Any]]) -> None:
    types = [tuple(column_type(column) for column in cluster) for cluster in clusters]
    clusters = [cluster for cluster, type_ in zip(clusters, types, strict=True) if type_ == types[0]]
    path = tmp_path_factory.mktemp("kept") / "columns.arrow"
    names = [f"branch{number}" for number in range(len(clusters[0]))]
    with path.open("wb") as file:
        writer = Writer(file)
        for cluster in clusters:
            writer.add(cluster, ENTRIES)
        writer.close()
    ranges = [(20 * number, 20 * number + 20) for number in range(len(clusters))]
    kept = Kept(path, ranges, [7], names[:1], names[1:])
    assert kept.clusters([], 0) == ranges
    assert kept.passed.tolist() == [7]
    for cluster, (start, stop) in zip(clusters, ranges, strict=True):
        read, entries = kept.read(names, start, stop, new=True)
        assert entries.tolist() == ENTRIES.tolist()
        assert [plain(column) for column in read.values()] == [plain(column) for column in cluster]
    alone, _ = kept.read(names[:1], 0, 20)
    del kept, read
    assert plain(alone[names[0]]) == plain(clusters[0][0])  # what was read stays


def column_type(column: Any) -> str:
    inner = column.values if isinstance(column, _rust.Masked) else column
    if not isinstance(inner, tuple):
        return str(inner.dtype)
    content = inner[1].values if isinstance(inner[1], _rust.Masked) else inner[1]
    return f"lists of {content.dtype}"


def test_offsets_that_are_shared_are_one_array(tmp_path: Path) -> None:
    offsets = np.array([2, 3, 5])
    content = np.arange(6, dtype=np.float32)
    with (tmp_path / "columns.arrow").open("wb") as file:
        writer = Writer(file)
        writer.add([(offsets, content), content[:2], (offsets, content + 1), (offsets.copy(), content)], np.arange(2))
        writer.close()
    kept = Kept(tmp_path / "columns.arrow", [(0, 2)], [], ["a", "b", "c", "d"], [])
    read: Any = kept.read(["c", "a", "d"], 0, 2)[0]
    assert read["a"][0] is read["c"][0]
    assert read["a"][0] is not read["d"][0]
    assert read["c"][0].tolist() == [0, 1, 3]
    assert read["c"][1].tolist() == [3, 4, 5]


def test_a_file_without_clusters(tmp_path: Path) -> None:
    with (tmp_path / "columns.arrow").open("wb") as file:
        Writer(file).close()
    kept = Kept(tmp_path / "columns.arrow", [], [0], ["a"], [])
    assert kept.clusters(["a"], 10) == []
    with pytest.raises(ValueError, match="0 clusters in place of 1"):
        Kept(tmp_path / "columns.arrow", [(0, 1)], [], [], [])
