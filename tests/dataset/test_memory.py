"""Chunks for a budget of memory: how large they are, that they are the same as others, and what does not fit."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlaas4hep
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlaas4hep import Dataset
from mlaas4hep.dataset import memory
from mlaas4hep.dataset.memory import event_bytes, piece_entries
from mlaas4hep.errors import Note, ParamsError
from mlaas4hep.sources import Storage, TreeInfo
from mlaas4hep.sources.clusters import MOST, most_bytes

from tests.dataset import files

pytestmark = pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")

SIZES = [3000, 0, 2000, 1500]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    paths = files.make_all(tmp_path_factory.mktemp("memory"), SIZES)
    return Dataset(paths, labels=[0, 1, 1, 0], select=files.INPUTS)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing but columns and chunks count, so that small files are enough."""
    for name in ("BASE", "FILE"):
        monkeypatch.setattr(memory, name, 0)
    monkeypatch.setattr(memory, "most_bytes", lambda piece, _: piece)


@settings(max_examples=15)
@given(budget=st.integers(2 * 10**6, 10**7), part=st.sampled_from(["train", "validation", None]))
def test_more_memory_larger_chunks(dataset: Dataset, budget: int, part: str | None) -> None:
    size = dataset.within(budget, part)[1]
    assert 1 <= size <= dataset.count(part)
    assert size <= dataset.within(2 * budget, part)[1]
    row = 5 * len(dataset.names) + 20
    assert size == dataset.count(part) or 3 * size * row < budget


def test_chunks_are_those_of_that_size(dataset: Dataset) -> None:
    size = dataset.within("2.5 MB")[1]
    assert size < len(dataset)
    for one, other in zip(dataset.chunks(memory="2.5 MB", epoch=1), dataset.chunks(size, epoch=1), strict=True):
        assert files.same_bits(one.data, other.data)
        assert files.same_bits(one.entry, other.entry)


def test_files_that_do_not_fit_beside_each_other(dataset: Dataset) -> None:
    model = memory.Model(dataset.plan, dataset._found, None, 21, dataset._first_pass.pieces(dataset.plan))
    together, chained = model.fixed(model.streams(128)), model.fixed(model.streams(1))
    assert chained < together
    assert model.fit(2 * together, 128).max_open == 128
    budget = max(chained + memory.LEAST * model.row, chained + 1)
    if budget >= 2 * together:
        pytest.skip("everything fits")
    with pytest.warns(Note, match=r"^3 files that are open at a time need .*: files are read one after the other"):
        found = model.fit(budget, 128)
    assert found == memory.Fit(memory.LEAST, 1)
    with pytest.warns(Note, match="files are read one after the other"):
        chunks = list(dataset.chunks(memory=budget))
    assert sum(len(chunk.data) for chunk in chunks) == len(dataset)
    assert set(np.unique(chunks[0].file).tolist()) != {0, 2, 3}


def test_what_is_too_small(dataset: Dataset) -> None:
    with pytest.raises(ParamsError, match=r"^memory is 1\.00 kB; the smallest possible is (\S+ \S+): .* to read, and"):
        dataset.chunks(memory="1 kB")
    with pytest.raises(ParamsError) as error:
        dataset.within(1000)[1]
    smallest = re.search(r"possible is (\S+ \S+):", str(error.value))
    assert smallest is not None
    assert dataset.within(smallest[1])[1] >= memory.LEAST
    with pytest.raises(ParamsError, match="memory is 'much'; it must be a number of bytes"):
        dataset.chunks(memory="much")


def test_either_a_size_or_a_budget(dataset: Dataset) -> None:
    for wrong in ({}, {"size": 10, "memory": "1 GB"}):
        given_: Any = wrong
        with pytest.raises(ParamsError, match=r"^chunks: give either their size or a budget of memory"):
            dataset.chunks(**given_)


def test_a_cache_changes_nothing(dataset: Dataset, tmp_path: Path) -> None:
    paths = [one.path for one in dataset.inputs]
    cached = Dataset(paths, labels=[0, 1, 1, 0], select=files.INPUTS, cache=tmp_path / "cache")
    assert cached.within("2 MB")[1] == dataset.within("2 MB")[1]


def test_bytes_of_an_event() -> None:
    data = {
        "x": np.zeros(2, np.float32),
        "y": np.zeros(2, np.int64),
        "jet": (np.array([0, 3, 4]), np.zeros(4, np.float32)),
    }
    specs = mlaas4hep.scan(data)
    assert event_bytes(specs, ["x", "y", "jet"], 2) == 4 + 8 + 8 + 4 * 2
    assert event_bytes(specs, ["jet", "unknown"], 1) == 8 + 4 * 4 + 8


def test_entries_of_a_piece() -> None:
    storage = {"a": Storage(pieces=4), "b": Storage(pieces=2), "c": Storage(pieces=1), "d": Storage()}
    tree = TreeInfo("events", 101, (), storage)
    assert [piece_entries(tree, names) for names in (["a"], ["a", "b"], ["d", "none"], [])] == [26, 51, 0, 0]


@pytest.mark.parametrize("beside", [1, 16, 100, 1000])
def test_the_largest_cluster(beside: int) -> None:
    assert most_bytes(0, beside) <= most_bytes(10**6, beside) <= most_bytes(10**9, beside) == MOST


PROGRAM = """
import json, re, sys, warnings
from pathlib import Path
import mlaas4hep, uproot, awkward, pyarrow

def most_resident():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

base = most_resident()
dataset = mlaas4hep.Dataset(sys.argv[2:], select=["x0", "x1"])
events = sum(len(chunk.data) for chunk in dataset.chunks(memory=sys.argv[1]))
print(json.dumps([events, most_resident() - base]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_budget_is_kept(tmp_path: Path) -> None:
    path = files.in_baskets(tmp_path / "flat.root", [500_000] * 4)
    command = [sys.executable, "-c", PROGRAM, "400 MB", str(path)]
    events, peak = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert events == 2_000_000
    assert peak < 400e6
