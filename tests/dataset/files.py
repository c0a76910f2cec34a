"""Small ROOT files, and what a dataset of them must give, worked out from uproot's arrays."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import mlaas4hep
import numpy as np
import pytest
import uproot
from mlaas4hep.dataset import Chunk, Dataset, stream
from numpy.typing import NDArray

from tests import rules
from tests.sources.files import write

INPUTS = ["count", "flag", "x", "jetEta", "jetPt"]


def columns(events: int, number: int) -> dict[str, Any]:
    """Flat and jagged branches of several types, with missing values, and two that identify an event."""
    random = np.random.default_rng(number)
    counts = random.integers(0, 5, events)
    x = random.normal(size=events).astype(np.float32)
    x[random.random(events) < 0.1] = np.nan
    return {
        "run": np.full(events, 300_000 + number, np.int64),
        "event": random.permutation(events).astype(np.int32),
        "x": x,
        "count": random.integers(-1000, 1000, events).astype(np.int32),
        "flag": random.random(events) < 0.5,
        "jetPt": ak.unflatten(random.exponential(50, counts.sum()).astype(np.float32), counts),
        "jetEta": ak.unflatten(random.normal(size=counts.sum()), counts),
    }


def make(path: Path, events: int, number: int = 0, **more: Any) -> Path:
    """One file with a tree ``events``; ``more`` are further branches."""
    return write(path, {"events": {**columns(events, number), **more}})


def make_all(folder: Path, sizes: Iterable[int]) -> list[Path]:
    return [make(folder / f"file{number}.root", size, number) for number, size in enumerate(sizes)]


@contextmanager
def noted_reads() -> Iterator[list[tuple[int, int]]]:
    """Note which entries passes over chunks read of their files."""
    reads: list[tuple[int, int]] = []
    open_again = stream.open_again

    def watched(*given: Any) -> Any:
        source = open_again(*given)
        read = source.read

        def noted(columns: Any, start: int, stop: int) -> Any:
            reads.append((start, stop))
            return read(columns, start, stop)

        source.read = noted  # type: ignore[method-assign]
        return source

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "open_again", watched)
        yield reads


def in_baskets(path: Path, extends: Sequence[int], branches: int = 2) -> Path:
    """One file of flat float32 branches that is written in several pieces: each is a basket of every branch."""
    random = np.random.default_rng(len(extends))
    names = [f"x{number}" for number in range(branches)]
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        tree = file.mktree("events", dict.fromkeys(names, "float32"))
        for size in extends:
            tree.extend({name: random.random(size, np.float32) for name in names})
    return path


def positions(
    sizes: Sequence[int], part: str | None = None, *, seed: int = 21, split: Sequence[float] = rules.SPLIT
) -> list[tuple[int, int]]:
    """File and entry of every position of a pass over files in which events are known by their entries."""
    wanted = [
        [entry for entry in range(size) if part is None or _part(seed, file, entry, split) == part]
        for file, size in enumerate(sizes)
    ]
    return rules.positions(wanted)


def _part(seed: int, file: int, entry: int, split: Sequence[float]) -> str:
    return ("train", "validation", "test")[rules.part(seed, file, [entry], split)]


def origin(chunk: Chunk) -> list[tuple[int, int]]:
    """File and entry of every row."""
    return list(zip(chunk.file.tolist(), chunk.entry.tolist(), strict=True))


def assert_rows(dataset: Dataset, paths: Sequence[Path], chunks: Iterable[Chunk]) -> None:
    """Every row is, bit for bit, what flattening its whole file in memory gives."""
    whole = []
    for path in paths:
        with uproot.open({str(path): "events"}) as tree:
            arrays = tree.arrays(dataset.branches, library="ak")
        whole.append(mlaas4hep.flatten(arrays, dataset.specs()))
    for chunk in chunks:
        assert_chunk(chunk, len(dataset.names))
        for file, flat in enumerate(whole):
            rows, entries = chunk.file == file, chunk.entry[chunk.file == file]
            assert same_bits(chunk.data[rows], flat.data[entries])
            assert same_bits(chunk.padding_mask[rows], flat.padding_mask[entries])


def assert_chunk(chunk: Chunk, width: int) -> None:
    events = len(chunk.data)
    assert chunk.data.dtype == np.float32
    assert chunk.padding_mask.dtype == np.bool_
    assert chunk.data.shape == chunk.padding_mask.shape == (events, width)
    assert chunk.data.flags.c_contiguous
    assert chunk.file.dtype == np.int32
    assert chunk.entry.dtype == np.int64
    assert chunk.file.shape == chunk.entry.shape == (events,)
    if chunk.labels is not None:
        assert chunk.labels.dtype == np.int64
        assert chunk.labels.shape == (events,)


def same_bits(left: NDArray[Any], right: NDArray[Any]) -> bool:
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
