"""Epochs from a cache, against those from ROOT."""

from pathlib import Path

import mlaas4hep as m
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches.files import LARGE, SMALL, root_file
from benches.race import Contestant, race

EVENTS, CHUNK = 400_000, 20_000


def run(dataset: m.Dataset) -> int:
    """Make a pass, and return the number of events."""
    return sum(len(chunk.data) for chunk in dataset.chunks(CHUNK))


@pytest.mark.parametrize("basket", [SMALL, LARGE], ids=["small baskets", "large baskets"])
def test_epochs(basket: int, folder: Path, tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    path = root_file(folder, EVENTS, basket)
    plain = m.Dataset(path)
    cached = m.Dataset(path, cache=tmp_path, specs=plain.specs())
    for one, other in zip(cached.chunks(CHUNK), plain.chunks(CHUNK), strict=True):
        assert np.array_equal(one.data.view(np.uint32), other.data.view(np.uint32))
        assert np.array_equal(one.padding_mask, other.padding_mask)
    contestants = [
        Contestant("an epoch from the cache", lambda: run(cached), EVENTS),
        Contestant("an epoch from ROOT", lambda: run(plain), EVENTS),
        Contestant("the first epoch from ROOT, with the scan", lambda: run(m.Dataset(path)), EVENTS),
        Contestant("the same, filling a cache", lambda: _fill(path, tmp_path), EVENTS),
    ]
    race(f"epochs of {EVENTS} events, ZLIB level 1, baskets of {basket} events", contestants, benchmark, rounds=5)


def _fill(path: Path, folder: Path) -> None:
    for file in folder.glob("*.json"):
        file.unlink()
    (folder / "mlaas4hep-cache.json").write_text('{"version": 1}\n')
    run(m.Dataset(path, cache=folder))
