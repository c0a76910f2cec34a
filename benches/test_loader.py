"""Batches for training: what workers of a DataLoader deliver against the plain iterator, and what shuffling costs."""

from pathlib import Path

import mlaas4hep as m
import pytest
from mlaas4hep.frameworks import to_torch
from pytest_benchmark.fixture import BenchmarkFixture

from benches.files import SMALL, root_file
from benches.race import Contestant, race

EVENTS, BATCH, CHUNK = 1_000_000, 4096, 50_000


@pytest.fixture(scope="module")
def dataset(folder: Path) -> m.Dataset:
    found = m.Dataset(root_file(folder, EVENTS, SMALL))
    found.specs()
    return found


def test_workers_against_the_plain_iterator(dataset: m.Dataset, benchmark: BenchmarkFixture) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra [torch]")
    loader = m.Loader(dataset, BATCH, None, chunk_size=CHUNK)
    events = to_torch(loader)

    def delivered(workers: int) -> int:
        batches = torch.utils.data.DataLoader(events, batch_size=None, num_workers=workers)
        return sum(len(batch["data"]) for batch in batches)

    def plain() -> int:
        loader.set_epoch(0)
        return sum(len(batch.data) for batch in loader)

    assert plain() == delivered(4) == EVENTS
    contestants = [
        Contestant("DataLoader, 4 workers", lambda: delivered(4), EVENTS),
        Contestant("DataLoader, no workers", lambda: delivered(0), EVENTS),
        Contestant("the plain iterator", plain, EVENTS),
    ]
    race(f"{EVENTS} events in batches of {BATCH}", contestants, benchmark, rounds=3)


def test_shuffling(dataset: m.Dataset, benchmark: BenchmarkFixture) -> None:
    def run(shuffle: bool | int) -> int:
        return sum(len(chunk.data) for chunk in dataset.chunks(CHUNK, shuffle=shuffle))

    assert run(4) == run(False) == EVENTS
    contestants = [
        Contestant("4 chunks shuffled together", lambda: run(4), EVENTS),
        Contestant("shuffled within chunks", lambda: run(True), EVENTS),
        Contestant("not shuffled", lambda: run(False), EVENTS),
    ]
    race(f"{EVENTS} events in chunks of {CHUNK}", contestants, benchmark, rounds=3)
