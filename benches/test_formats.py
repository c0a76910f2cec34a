"""Passes over Parquet files: chunks against pyarrow's reading alone, and against weaver-core's loader."""

from itertools import islice
from pathlib import Path
from typing import Any

import mlaas4hep as m
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benches.data import COLLECTIONS
from benches.files import LARGE, parquet_file
from benches.race import Contestant, race
from benches.rivals import affine
from benches.test_pass import scanned

EVENTS, FEWER, CHUNK, THREADS = 1_000_000, 200_000, 20_000, 2


def chunks(path: Path, specs: m.Specs) -> int:
    """Make a pass, and return the number of events."""
    return sum(len(chunk.data) for chunk in m.Dataset(path, specs=specs, threads=THREADS).chunks(CHUNK))


BATCH = 1024
"""Events of a batch of weaver-core's loader."""


class WeaverLoader:
    """weaver-core's loader, put together from its parts, since the whole of it needs PyTorch.

    A call reads a file and pads it, by its fused kernel where no column can be null; ``batches`` hands the events out
    as the loader does, one by one, and stacks them. ``ImportError`` where it is absent.
    """

    def __init__(self, path: Path, specs: m.Specs) -> None:
        """Write down what its configuration would say."""
        from weaver.utils.data.fileio import _read_files
        from weaver.utils.data.tools import _clip, _fused_pad_and_stack, _pad

        self._read, self._pad_all, self._pad, self._clip = _read_files, _fused_pad_and_stack, _pad, _clip
        self._path, self._specs = str(path), specs
        self._params: dict[str, dict[str, Any]] = {}
        for name in specs.branches:
            low, scale = affine(specs, name)
            fixed = {"min": -np.inf, "max": np.inf, "length": specs.jdim.get(name), "pad_mode": "constant"}
            self._params[name] = {"center": low, "scale": scale, "pad_value": 0, **fixed}
        self._groups = [[n for n in specs.jkeys if n.startswith(one.name)] for one in COLLECTIONS]

    def __call__(self) -> list[NDArray[np.float32]]:
        """Read the file and return an array for the flat branches and one for each collection."""
        table = self._read([self._path], self._specs.branches)
        flat = np.empty((len(table), len(self._specs.fkeys)), np.float32)
        for index, name in enumerate(self._specs.fkeys):
            params = self._params[name]
            flat[:, index] = (np.asarray(table[name]) - params["center"]) * params["scale"]
        return [flat, *(self._stack(table, names) for names in self._groups)]

    def batches(self) -> int:
        """Read a file, and stack its events into batches; return how many events there were."""
        arrays = self()
        events = ([array[number] for array in arrays] for number in range(len(arrays[0])))
        seen = 0
        while batch := list(islice(events, BATCH)):
            stacked = [np.stack(parts) for parts in zip(*batch, strict=True)]
            seen += len(stacked[0])
        return seen

    def _stack(self, table: Any, names: list[str]) -> NDArray[np.float32]:
        """A collection in one call where its columns cannot be null, else a column at a time, as its loader does it."""
        fused: NDArray[np.float32] | None = self._pad_all(table, names, self._params)
        if fused is not None:
            return fused
        stacked = np.empty((len(table), len(names), self._params[names[0]]["length"]), np.float32)
        for index, name in enumerate(names):
            params = self._params[name]
            scaled = self._clip((table[name] - params["center"]) * params["scale"], params["min"], params["max"])
            stacked[:, index] = np.nan_to_num(self._pad(scaled, params["length"]))
        return stacked


def assert_equal(path: Path, specs: m.Specs, loader: WeaverLoader) -> None:
    """The chunk of everything is what weaver-core makes, up to its missing rounding rules."""
    (chunk,) = m.Dataset(path, specs=specs).chunks(-1, shuffle=False)
    theirs = np.concatenate([array.reshape(len(array), -1) for array in loader()], axis=1)
    np.testing.assert_allclose(chunk.data, theirs, rtol=1e-5, atol=1e-6)


def test_parquet_to_chunks(folder: Path, benchmark: BenchmarkFixture) -> None:
    path = parquet_file(folder, EVENTS)
    specs = scanned(path)
    pa.set_cpu_count(THREADS)

    def whole() -> None:
        pq.ParquetFile(path).read(columns=specs.branches)

    def batches() -> None:
        for _ in pq.ParquetFile(path).iter_batches(LARGE // 2, columns=specs.branches):
            pass

    contestants = [
        Contestant("mlaas4hep, Parquet to chunks", lambda: chunks(path, specs), EVENTS),
        Contestant("pyarrow, Parquet to a table", whole, EVENTS),
        Contestant("pyarrow, Parquet to batches", batches, EVENTS),
    ]
    race(f"a pass over {EVENTS} events, Parquet, {THREADS} threads", contestants, benchmark)


@pytest.mark.parametrize("nullable", [True, False], ids=["columns that may be null", "columns that may not"])
def test_against_weaver(nullable: bool, folder: Path, benchmark: BenchmarkFixture) -> None:
    pytest.importorskip("weaver")
    path = parquet_file(folder, FEWER, nullable=nullable)
    specs = scanned(path)
    loader = WeaverLoader(path, specs)
    assert_equal(path, specs, loader)
    contestants = [
        Contestant("mlaas4hep, Parquet to chunks with masks", lambda: chunks(path, specs), FEWER),
        Contestant("weaver-core, Parquet to batches", loader.batches, FEWER),
        Contestant("weaver-core, its reading and padding", loader, FEWER),
    ]
    kind = "may be null" if nullable else "have no nulls"
    race(f"a pass over {FEWER} events, Parquet, columns {kind}, {THREADS} threads", contestants, benchmark, rounds=3)
