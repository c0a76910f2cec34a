"""RNTuples made for tests, and uproot's own answer about their branches."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from mlaas4hep import _rust
from mlaas4hep.sources import Column, Reading, open_source
from mlaas4hep.sources.root.rntuple import RNTupleSource

from tests.sources import files


def opened(path: Path, tree: str | None = None, threads: int = 1, flatten_nested: bool = False) -> RNTupleSource:
    reading = Reading(flatten_nested=flatten_nested)
    source = open_source(str(path), tree, threads=threads, reading=reading)
    assert isinstance(source, RNTupleSource)
    return source


def events(size: int, seed: int) -> dict[str, Any]:
    """Columns of every kind that uproot writes."""
    random = np.random.default_rng(seed)
    data: dict[str, Any] = {}
    for dtype in files.NUMBERS:
        data[f"flat_{dtype}"] = files.numbers(random, dtype, size)
        data[f"jagged_{dtype}"] = files.lists(random, dtype, size)
        data[f"fixed_{dtype}"] = ak.to_regular(ak.Array(files.numbers(random, dtype, (size, 3))))
    pt = files.lists(random, "float32", size)
    data["Muon"] = ak.zip({"pt": pt, "charge": ak.values_astype(pt > 0, "int8")})
    data["met"] = ak.zip({"pt": np.arange(size) * 0.5, "cov": ak.zip({"xx": np.arange(size)})}, depth_limit=1)
    data["text"] = ak.Array(["ü" * int(length) for length in random.integers(0, 30, size)] + [""])[:-1]
    lists = random.integers(0, 3, size)
    data["nested"] = ak.unflatten(files.lists(random, "int16", int(lists.sum())), lists)
    data["matrix"] = ak.to_regular(ak.Array(files.numbers(random, "float64", (size, 6)).reshape(size, 2, 3)), axis=None)
    present = random.integers(0, 2, size)
    index = ak.index.Index64(np.where(present > 0, np.cumsum(present) - 1, -1))
    data["maybe"] = ak.Array(ak.contents.IndexedOptionArray(index, ak.contents.NumpyArray(np.arange(present.sum()))))
    data["words"] = ak.unflatten(ak.Array(["a"] * int(lists.sum()) + [""])[:-1], lists)
    return data


def write(path: Path, clusters: Sequence[int] = (5, 1, 40, 12), compression: Any = None) -> Path:
    """An RNTuple ``events`` with a cluster of each size."""
    with uproot.recreate(path, compression=compression or uproot.ZSTD(1)) as file:
        first, *others = (events(size, seed) for seed, size in enumerate(clusters))
        ntuple = file.mkrntuple("events", first)
        for data in others:
            ntuple.extend(data)
    return path


def assert_same(source: RNTupleSource, ranges: Iterable[tuple[int, int]]) -> None:
    """Every branch, read in these ranges, is what uproot gives."""
    names = [name for name, branch in source.schema().items() if branch.kind != "other"]
    wanted = {}
    with uproot.open({source.path: None}) as file:
        fields = file[source.tree]
        wholes = {top: fields[top].array() for top in dict.fromkeys(name.partition(".")[0] for name in names)}
    for name in names:
        top, *parts = name.split(".")
        wanted[name] = wholes[top]
        for part in parts:
            wanted[name] = wanted[name][part]
    for start, stop in ranges:
        found = source.read(names, start, stop)
        assert list(found) == names
        for name in names:
            assert_column(found[name], wanted[name][start:stop], source.schema()[name].counter)


def assert_column(found: Column, wanted: Any, counter: bool = False) -> None:
    if counter:  # uproot gives them the type of the offsets, and not their own
        wanted = ak.values_astype(wanted, found.dtype)  # type: ignore[union-attr]
    if isinstance(found, _rust.Masked):
        present = np.asarray(found.mask) == found.valid_when
        np.testing.assert_array_equal(present, ~ak.to_numpy(ak.is_none(wanted)))
        files.assert_numbers(np.asarray(found.values)[present], ak.to_numpy(ak.drop_none(wanted)))
        return
    if isinstance(found, tuple):
        wanted = ak.from_regular(ak.flatten(wanted, axis=-1) if wanted.ndim > 2 else wanted)
    files.assert_column(found, wanted)  # type: ignore[arg-type]
