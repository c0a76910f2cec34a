"""Files that are written again between the first look at them and a pass, or in the middle of one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import uproot
from mlaas4hep.dataset import Dataset
from mlaas4hep.errors import Note, ReadError
from mlaas4hep.sources import open_source

from tests.sources.files import write
from tests.sources.formats import write_arrow, write_avro, write_csv, write_hdf5, write_jsonlines, write_parquet

EVENTS = 60
Writer = Callable[[Path, Any], object]


def table(x: Any) -> pa.Table:
    return pa.table({"x": x})


def write_ntuple(path: Path, x: Any) -> None:
    with uproot.recreate(path) as file:
        file.mkrntuple("events", {"x": x})


WRITERS: dict[str, Writer] = {
    "a.root": lambda path, x: write(path, {"events": {"x": x}}),
    "ntuple.root": write_ntuple,
    "a.parquet": lambda path, x: write_parquet(table(x), path, 20),
    "a.arrow": lambda path, x: write_arrow(table(x), path, 20),
    "a.arrows": lambda path, x: write_arrow(table(x), path, 20),
    "a.csv": lambda path, x: write_csv(table(x), path, 20),
    "a.csv.gz": lambda path, x: write_csv(table(x), path, 20),
    "a.jsonl": lambda path, x: write_jsonlines(table(x), path, 20),
    "a.avro": lambda path, x: write_avro(table(x), path, 20),
    "a.h5": lambda path, x: write_hdf5({"x": x}, path, 20),
}


def make(folder: Path, name: str, first: int = 0) -> Path:
    """A file of numbers of as many digits, whatever the first is; its time tells it from others."""
    path = folder / name
    WRITERS[name](path, np.arange(EVENTS, dtype=np.int32) + 100 + first)
    os.utime(path, ns=(0, 10**18 + first))
    return path


@pytest.mark.parametrize("name", WRITERS)
def test_as_many_other_events_since_the_scan(name: str, tmp_path: Path) -> None:
    dataset = Dataset(make(tmp_path, name))
    dataset.specs()
    assert sum(len(chunk.data) for chunk in dataset.chunks(25)) == EVENTS
    make(tmp_path, name, first=200)
    with pytest.raises(ReadError) as raised:
        next(dataset.chunks(25))
    path = tmp_path / name
    assert str(raised.value) == f"{path}: the file changed: it was written again since it was opened first; start anew"


@pytest.mark.parametrize("name", WRITERS)
def test_as_many_other_events_before_the_scan(name: str, tmp_path: Path) -> None:
    dataset = Dataset(make(tmp_path, name))
    make(tmp_path, name, first=200)
    with pytest.raises(ReadError, match="the file changed: it was written again"):
        dataset.specs()


@pytest.mark.parametrize("name", [name for name in WRITERS if not name.endswith("root")])
def test_a_file_written_again_in_the_middle_of_a_pass(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, name)
    source = open_source(str(path))
    source.read(["x"], 0, 20)
    (tmp_path / "new").mkdir()
    path.write_bytes(make(tmp_path / "new", name, first=200).read_bytes())
    with pytest.raises(ReadError, match="the file was changed while it was read"):
        source.read(["x"], 20, 40)
    source.close()


def test_a_changed_file_may_be_skipped(tmp_path: Path) -> None:
    paths = [make(tmp_path, name) for name in ("a.csv", "a.parquet")]
    dataset = Dataset(paths, on_bad_file="skip")
    dataset.specs()
    make(tmp_path, "a.csv", first=200)
    with pytest.warns(Note, match=r"skipped .*a\.csv \(60 events\): the file changed: it was written again"):
        assert sum(len(chunk.data) for chunk in dataset.chunks(-1)) == EVENTS
