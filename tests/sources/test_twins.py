"""The same events in every format give the same chunks, bit for bit."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import mlaas4hep
import numpy as np
import pyarrow as pa
import pytest

from tests.dataset.files import same_bits
from tests.sources import files
from tests.sources.formats import (
    write_arrow,
    write_avro,
    write_csv,
    write_feather,
    write_hdf5,
    write_jsonlines,
    write_parquet,
)

EVENTS = (700, 301)
TYPES = {"x": "float32", "d": "float64", "n": "int32", "big": "int64", "flag": "bool", "kind": "int32"}


def flat(events: int, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(seed)
    x = random.normal(size=events).astype(np.float32)
    x[random.random(events) < 0.1] = np.nan
    return {
        "x": x,
        "d": random.normal(50, 20, events),
        "n": random.integers(-9, 9, events).astype(np.int32),
        "big": random.integers(-(2**60), 2**60, events),
        "flag": random.random(events) < 0.5,
        "kind": random.integers(0, 3, events).astype(np.int32),
    }


def jagged(events: int, seed: int) -> dict[str, ak.Array]:
    random = np.random.default_rng(seed)
    counts = random.integers(0, 5, events)
    content = random.normal(size=counts.sum())
    content[::9] = np.nan
    return {
        "pt": ak.unflatten(content.astype(np.float32), counts),
        "eta": ak.unflatten(random.normal(size=counts.sum()), counts),
        "hits": ak.unflatten(random.integers(0, 99, counts.sum()).astype(np.int32), counts),
    }


def fixed(events: int, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    return {"grid": np.random.default_rng(seed).normal(size=(events, 3)).astype(np.float32)}


def as_table(columns: Mapping[str, Any]) -> pa.Table:
    return pa.table({name: pa.array(ak.to_list(c), _arrow_type(c)) for name, c in columns.items()})


def _arrow_type(column: Any) -> Any:
    if isinstance(column, np.ndarray):
        number = pa.from_numpy_dtype(column.dtype)
        return number if column.ndim == 1 else pa.list_(number, column.shape[1])
    return pa.list_(pa.from_numpy_dtype(ak.to_numpy(ak.flatten(column)).dtype))


@dataclass(frozen=True)
class Twin:
    """A way to write the events, and how they are read."""

    suffix: str
    write: Callable[[Any, Path, int], Path]
    declared: bool = False


TABLES = [
    Twin(".parquet", write_parquet),
    Twin(".arrow", write_arrow),
    Twin(".arrows", write_arrow),
    Twin(".feather", write_feather),
    Twin(".avro", write_avro),
]
TEXTS = [
    *(Twin(f".csv{packed}", write_csv, declared=True) for packed in ("", ".gz", ".bz2", ".zst")),
    *(Twin(f".jsonl{packed}", write_jsonlines, declared=True) for packed in ("", ".gz", ".bz2", ".zst")),
]


def write_root(columns: Mapping[str, Any], path: Path) -> Path:
    return files.write(path, {"events": dict(columns)})


def twins(folder: Path, makers: Sequence[Callable[[int, int], dict[str, Any]]], twin: Twin) -> tuple[list[Path], ...]:
    """Files of ROOT, and those of the twin."""
    root, other = [], []
    for number, events in enumerate(EVENTS):
        columns = {name: column for make in makers for name, column in make(events, number).items()}
        root.append(write_root(columns, folder / f"{number}.root"))
        data = columns if twin.write is write_hdf5 else as_table(columns)
        other.append(twin.write(data, folder / f"{number}{twin.suffix}", 64))
    return root, other


def assert_twins(root: list[Path], other: list[Path], types: Mapping[str, str], **options: Any) -> None:
    """The same specs, and the same chunks of every size and part."""
    first = mlaas4hep.Dataset(list(map(str, root)), **options)
    second = mlaas4hep.Dataset(list(map(str, other)), reading={"types": types}, **options)
    assert first.names == second.names
    assert first.specs().types == second.specs().types
    for size in (64, 333, -1):
        for part in ("train", None):
            pairs = zip(first.chunks(size, part, epoch=1), second.chunks(size, part, epoch=1), strict=True)
            for ours, theirs in pairs:
                for name in ("data", "padding_mask", "labels", "file", "entry"):
                    assert same_bits(getattr(ours, name), getattr(theirs, name))


def run(folder: Path, makers: Sequence[Callable[[int, int], dict[str, Any]]], twin: Twin) -> None:
    root, other = twins(folder, makers, twin)
    types = TYPES if twin.declared else {}
    assert_twins(root, other, types, labels=[1, 0], identifier=["big"])
    assert_twins(root, other, types, labels="kind", threads=2)


@pytest.mark.parametrize("twin", TABLES, ids=lambda twin: twin.suffix)
def test_tables(twin: Twin, tmp_path: Path) -> None:
    run(tmp_path, [flat, jagged], twin)


@pytest.mark.parametrize("twin", [*TABLES[:4], Twin(".h5", write_hdf5)], ids=lambda twin: twin.suffix)
def test_fixed_lists(twin: Twin, tmp_path: Path) -> None:
    run(tmp_path, [flat, fixed], twin)


@pytest.mark.parametrize("twin", TEXTS, ids=lambda twin: twin.suffix)
def test_texts(twin: Twin, tmp_path: Path) -> None:
    run(tmp_path, [flat], twin)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv", ".jsonl"])
def test_nulls_mean_what_nan_means(suffix: str, tmp_path: Path) -> None:
    """Missing numbers are null here and NaN there; missing labels are left out, missing identifiers an error."""
    columns = flat(500, 3)
    nulls = np.isnan(columns["x"])
    label = np.where(nulls, np.nan, columns["kind"])
    root = write_root({**columns, "label": label}, tmp_path / "a.root")
    table = as_table(columns).append_column("label", pa.array(label, mask=nulls))
    table = table.set_column(0, "x", pa.array(columns["x"], mask=nulls)).append_column(
        "id", pa.array(label, mask=nulls)
    )
    write = {".parquet": write_parquet, ".arrow": write_arrow, ".csv": write_csv, ".jsonl": write_jsonlines}[suffix]
    other = write(table, tmp_path / f"a{suffix}", 64)
    options: dict[str, Any] = {"select": ["x", "d"], "labels": "label", "preproc": {"flat_cut": {"x": {"cut": "x<1"}}}}
    reading = {"types": {**TYPES, "label": "float64", "id": "float64"} if suffix in (".csv", ".jsonl") else {}}
    for cut in (options, {**options, "preproc": None}):
        first = mlaas4hep.Dataset(str(root), **cut)
        second = mlaas4hep.Dataset(str(other), reading=reading, **cut)
        with (
            pytest.warns(match="their label in branch 'label' is missing") if cut["preproc"] is None else nullcontext()
        ):
            chunks = [list(dataset.chunks(100)) for dataset in (first, second)]
        assert (first.left_out, len(first)) == (second.left_out, len(second))
        for ours, theirs in zip(*chunks, strict=True):
            assert all(same_bits(getattr(ours, name), getattr(theirs, name)) for name in ("data", "labels", "entry"))
            assert same_bits(ours.padding_mask, theirs.padding_mask)
    entry = int(np.argmax(nulls))
    with pytest.raises(mlaas4hep.errors.BranchError, match=f"identifier 'id' is missing in entry {entry}"):
        mlaas4hep.Dataset(str(other), select=["d"], identifier=["id"], reading=reading).specs()


def test_globs_and_tables(tmp_path: Path) -> None:
    for number, events in enumerate(EVENTS):
        write_parquet(as_table(flat(events, number)), tmp_path / f"{number}.parquet", 100)
    write_arrow(as_table(flat(5, 9)), tmp_path / "b.arrow", 100)
    dataset = mlaas4hep.Dataset([f"{tmp_path}/*.parquet", f"{tmp_path}/b.arrow:table"], [1, 0])
    assert [dataset.count(part) for part in ("train", "validation", "test")]
    assert len(dataset) == sum(EVENTS) + 5
